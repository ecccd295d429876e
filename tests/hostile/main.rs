//! Whatever is done to a file that nfbmr reads: no panic, memory in proportion to the file, and an error
//! that names it.
//!
//! Each test makes a few hundred damaged files from a seed each. `NFBMR_HOSTILE_CASES` sets how many, or
//! `NFBMR_HOSTILE_SECONDS` for how long, and `NFBMR_HOSTILE_SEED` the first seed: a failure says with which
//! one it comes again. `-- --nocapture` prints what was tried.
#![cfg(feature = "flex")]

mod cache;
mod checkpoint;
mod damage;
mod images;
mod json;
mod lists;
mod model;
#[path = "../suite/mod.rs"]
#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;
mod weights;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use damage::Damage;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MB: usize = 1 << 20;

/// A reader of files.
struct Reader<'a> {
    name: &'a str,
    /// Files that are tried without being asked for another number.
    cases: u64,
    /// Where it finds the file.
    path: &'a Path,
    /// What its errors name: the file, or the folder that it is the list of.
    named: &'a Path,
    /// Bytes it may allocate at once: so many, and so many more for each byte of the file.
    room: [usize; 2],
}

impl Reader<'_> {
    /// Reads damaged files. `make` gives the bytes of one, `read` what comes of it.
    fn try_all(
        &self,
        mut make: impl FnMut(&mut Damage) -> Vec<u8>,
        mut read: impl FnMut(&Path) -> Result<(), Box<dyn Error>>,
    ) {
        let first = variable("NFBMR_HOSTILE_SEED").unwrap_or(0);
        let cases = variable("NFBMR_HOSTILE_CASES").unwrap_or(self.cases);
        let time = variable("NFBMR_HOSTILE_SECONDS").map(Duration::from_secs);
        let (mut outcomes, mut most, mut slowest) = (BTreeMap::new(), 0, Duration::ZERO);
        let started = Instant::now();
        let goes_on = |seed: u64| match time {
            Some(time) => started.elapsed() < time,
            None => seed - first < cases,
        };
        for seed in (first..).take_while(|&seed| goes_on(seed)) {
            let bytes = make(&mut Damage::new(seed));
            fs::write(self.path, &bytes).unwrap();
            let start = Instant::now();
            let (outcome, peak) = measure(|| catch_unwind(AssertUnwindSafe(|| read(self.path))));
            slowest = slowest.max(start.elapsed());
            let [base, per_byte] = self.room;
            let room = base + per_byte * bytes.len();
            let problem = match &outcome {
                Err(_) => Some("it panics".to_owned()),
                Ok(_) if peak > room => Some(format!("it takes {peak} bytes, more than {room}")),
                Ok(Err(error)) if !error.to_string().contains(self.named.to_str().unwrap()) => {
                    Some(format!("its error doesn't name it: {error}"))
                }
                Ok(_) => None,
            };
            if let Some(problem) = problem {
                let kept = std::env::temp_dir().join(format!("nfbmr-{}-{seed}", self.name));
                fs::write(&kept, &bytes).unwrap();
                panic!(
                    "{}: {problem} (kept as {}; NFBMR_HOSTILE_SEED={seed} NFBMR_HOSTILE_CASES=1)",
                    self.name,
                    kept.display()
                );
            }
            let read = matches!(outcome, Ok(Ok(())));
            *outcomes.entry(if read { "read" } else { "refused" }).or_insert(0) += 1;
            most = most.max(peak);
        }
        let most = most as f64 / 1e6;
        println!(
            "{}: {} files, {outcomes:?}, at most {most:.1} MB and {slowest:?}",
            self.name,
            outcomes.values().sum::<u64>(),
        );
    }
}

/// Held by every test, so that what one allocates doesn't count in another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// What `f` returns, and the most bytes allocated at once meanwhile.
fn measure<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let value = f();
    (value, MEMORY.peak_usage().saturating_sub(before))
}
