//! Progress: a bar on a terminal, a line every few seconds elsewhere.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nfbmr::Progress;
use tracing::Level;

use crate::interrupt;
use crate::output::note;
use crate::text::count;

/// The time between lines.
const PERIOD: Duration = Duration::from_secs(5);

/// How much is said on standard error.
#[derive(Clone, Copy, clap::Args)]
#[command(next_help_heading = "Messages")]
pub struct Verbosity {
    /// Say nothing but which images are taken, and errors and warnings.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log what happens inside.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl Verbosity {
    /// Sends the library's log to standard error, unless the process has another place for it.
    pub fn log(self) {
        let level = if self.verbose { Level::DEBUG } else { Level::WARN };
        let _ = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).try_init();
    }
}

/// Shows how far the work is.
pub struct Bar {
    bar: Option<ProgressBar>,
    quiet: bool,
    stage: String,
    told: Option<Instant>,
}

impl Bar {
    /// A bar where standard error is a terminal that can show one.
    pub fn new(verbosity: Verbosity) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        // Logs and a bar on one terminal would tear each other apart.
        let plain = verbosity.quiet || verbosity.verbose || dumb || !io::stderr().is_terminal();
        let bar = (!plain).then(|| {
            let style = ProgressStyle::with_template("[{bar:30}] {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(1).with_style(style)
        });
        Self { bar, quiet: verbosity.quiet, stage: String::new(), told: None }
    }

    /// Shows the progress of training or calibration, and asks it to stop after Ctrl-C.
    pub fn show(&mut self, progress: &Progress) -> ControlFlow<()> {
        let (done, all) = (progress.images, progress.total_images);
        let stage = format!("{:?} {:?}", progress.phase, progress.level);
        self.tell(&stage, done, all, || progress.to_string());
        interrupt::go_on()
    }

    /// Shows how many images of a stage are done; as lines, of a stage that takes long alone.
    pub fn count(&mut self, stage: &str, done: usize, all: usize) {
        if self.bar.is_none() && self.stage != stage {
            (self.stage, self.told) = (stage.to_owned(), Some(Instant::now()));
        }
        self.tell(stage, done, all, || format!("{stage}: {done} of {}", count(all, "image")));
    }

    fn tell(&mut self, stage: &str, done: usize, all: usize, line: impl Fn() -> String) {
        let new = self.stage != stage;
        if new {
            stage.clone_into(&mut self.stage);
        }
        match &self.bar {
            Some(bar) => {
                if new {
                    bar.reset();
                }
                bar.set_length(all as u64);
                bar.set_position(done as u64);
                bar.set_message(line());
            }
            None if self.quiet => {}
            None if new || self.told.is_none_or(|told| told.elapsed() >= PERIOD) => {
                self.told = Some(Instant::now());
                note(line());
            }
            None => {}
        }
    }

    /// Writes a line on standard error, above the bar.
    pub fn note(&self, line: impl std::fmt::Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(line)),
            None => note(line),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
