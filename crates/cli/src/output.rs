//! Where what the program says goes: lines on standard error, text on standard output, files that can be
//! written. The words are of `text` and `error`.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::error::CliError;
use crate::text::harmless;

/// Writes a line on standard error. A line that nobody can read any more is no reason to stop.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", harmless(line));
}

/// Tells the user what went wrong, and what to do about it.
pub fn report(error: &CliError) {
    match error {
        // Whoever read the output has seen enough.
        CliError::Stdout(source) if source.kind() == io::ErrorKind::BrokenPipe => {}
        CliError::Interrupted | CliError::InterruptedTraining => note(error),
        _ => {
            note(format_args!("error: {error}"));
            if let Some(hint) = error.hint() {
                note(format_args!("hint: {hint}"));
            }
        }
    }
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
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Err(refused(io::Error::other("it is a device or a pipe, not a file")));
    }
    if old.is_some_and(|old| old.permissions().readonly()) {
        return Err(refused(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only")));
    }
    let target = nfbmr_files::target(path).map_err(refused)?;
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tempfile::tempfile_in(folder).map(drop).map_err(refused)
}

/// Makes a folder for results.
pub fn make_folder(path: &Path) -> Result<(), CliError> {
    fs::create_dir_all(path).map_err(|source| CliError::Write { path: path.to_owned(), source })
}
