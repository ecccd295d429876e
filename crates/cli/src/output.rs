//! What the program writes.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use nfbmr::PipelineConfig;
use nfbmr::pipeline::Mask;

use crate::error::CliError;

/// Writes a line on standard error. A line that nobody can read any more is no reason to stop.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", harmless(line));
}

/// Text without what names of files could do to a terminal.
pub fn harmless(text: impl Display) -> String {
    let hostile = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.to_string().replace(hostile, "\u{fffd}")
}

/// Writes text on standard output.
pub fn print(text: impl Display) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    write!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(CliError::Stdout)
}

/// Refuses a file that couldn't be written, before hours are spent on its content.
pub fn check_writable(path: &Path) -> Result<(), CliError> {
    let refused = |source| CliError::Write { path: path.to_owned(), source };
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(refused(io::ErrorKind::IsADirectory.into()));
    }
    if old.is_some_and(|old| old.permissions().readonly()) {
        return Err(refused(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only")));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tempfile::tempfile_in(folder).map(drop).map_err(refused)
}

/// Makes a folder for results.
pub fn make_folder(path: &Path) -> Result<(), CliError> {
    fs::create_dir_all(path).map_err(|source| CliError::Write { path: path.to_owned(), source })
}

/// A line that says how much of an image a model inspects; empty where that is all.
pub fn inspected(config: &PipelineConfig) -> String {
    let share = match config.mask.as_ref().map(Mask::share) {
        None => return String::new(),
        Some(share) if share < 0.001 => "less than 0.1 %".to_owned(),
        Some(share) => percent(share),
    };
    format!("inspected: {share} of the image\n")
}

/// `1 image`, `2 images`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A share as percent, with as many digits as it takes.
pub fn percent(share: f64) -> String {
    let text = format!("{:.1}", 100.0 * share);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}
