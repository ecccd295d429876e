//! What `evaluate` says of the masks of defects.

use std::path::{Path, PathBuf};

use nfbmr::evaluation::MaskUse;
use serde::Serialize;

use crate::text::{count, harmless};

/// So many files are named in a line.
const NAMED: usize = 3;

/// [`MaskUse`] as JSON has it: what isn't Unicode in a path is U+FFFD.
#[derive(Serialize)]
pub struct Masks {
    defects: usize,
    /// Defects that have a mask which marks something.
    used: usize,
    missing: Vec<String>,
    empty: Vec<String>,
    mostly_marked: Vec<String>,
    /// Pixels.
    not_inspected: u64,
}

impl Masks {
    pub fn new(masks: &MaskUse) -> Self {
        let name = |path: &PathBuf| Path::to_string_lossy(path).into_owned();
        let names = |paths: &[PathBuf]| paths.iter().map(name).collect();
        Self {
            defects: masks.defects,
            used: masks.used,
            missing: names(&masks.missing),
            empty: names(&masks.empty),
            mostly_marked: names(&masks.mostly_marked),
            not_inspected: masks.not_inspected,
        }
    }

    /// Which defects the pixel metrics leave out; none where all count.
    pub fn left_out(&self) -> Option<String> {
        let empty = self.empty.iter().map(|path| format!("{path}, whose mask marks nothing"));
        let names: Vec<String> = self.missing.iter().cloned().chain(empty).collect();
        match (self.used, names.len()) {
            (_, 0) => None,
            (0, _) if self.empty.is_empty() => {
                Some("no masks: pixel metrics aren't computed".to_owned())
            }
            (0, _) => Some(format!(
                "no masks that mark anything: pixel metrics aren't computed {}",
                named(&names)
            )),
            (used, left_out) => Some(format!(
                "{}, {}: pixel metrics leave {left_out} out {}",
                count(self.defects, "defect"),
                count(used, "mask"),
                named(&names)
            )),
        }
    }

    /// What may be wrong with the masks; none where nothing strikes.
    pub fn warning(&self) -> Option<String> {
        let masks = match self.mostly_marked.len() {
            0 => return None,
            1 => "1 mask marks more than half of its image".to_owned(),
            several => format!("{several} masks mark more than half of their images"),
        };
        Some(format!("{masks}, perhaps inverted {}", named(&self.mostly_marked)))
    }

    /// How much of the defects the model doesn't look at; none where it looks at all.
    pub fn not_inspected(&self) -> Option<String> {
        let pixels = self.not_inspected;
        (pixels > 0).then(|| format!("{pixels} marked pixels, left out of pixel metrics"))
    }
}

/// The first few of some files.
fn named(paths: &[String]) -> String {
    let first = paths.get(..NAMED).unwrap_or(paths);
    let more = match paths.len() - first.len() {
        0 => String::new(),
        more => format!("; {more} more"),
    };
    harmless(format_args!("({}{more})", first.join("; ")))
}
