//! Which files a command may write over: none that it reads, and none of another kind. Knows what files hold, not
//! what commands do with them.

use std::fs;
use std::path::Path;

use crate::error::CliError;
use crate::file_kind::{Found, Identity, Kind};
use crate::output::check_writable;

/// Refuses an output that can't be written, that is one of the `inputs` by whatever name, or that holds something
/// else than what is written to it. Nothing is computed before that.
pub fn check<'a>(
    path: &Path,
    kind: Kind,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), CliError> {
    if let Some(own) = Identity::of(path) {
        let same = inputs.into_iter().find(|input| Identity::of(input).as_ref() == Some(&own));
        if let Some(input) = same {
            let (output, input) = (path.to_owned(), input.to_owned());
            return Err(CliError::Overwrite { output, input, option: kind.option() });
        }
    }
    if !matches!(kind, Kind::Lines { .. }) {
        check_writable(path)?;
    }
    check_kind(path, kind)
}

/// Refuses the folder of a report whose files would replace others.
pub fn check_report<'a>(
    folder: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), CliError> {
    let own = ["charts", "gallery"].map(|name| fs::canonicalize(folder.join(name)).ok());
    let mut all = Vec::new();
    for input in inputs {
        let parent = fs::canonicalize(input).ok();
        let parent = parent.as_deref().and_then(Path::parent);
        if parent.is_some_and(|parent| own.iter().flatten().any(|own| own == parent)) {
            let (output, input) = (folder.to_owned(), input.to_owned());
            return Err(CliError::Overwrite { output, input, option: Kind::Page.option() });
        }
        all.push(input);
    }
    let page = folder.join("report.html");
    match page.exists() {
        true => check(&page, Kind::Page, all),
        false => Ok(()),
    }
}

/// Refuses a file that is there and of another kind. What is no regular file is left to the system.
fn check_kind(path: &Path, kind: Kind) -> Result<(), CliError> {
    let regular = |metadata: &fs::Metadata| metadata.is_file() && metadata.len() > 0;
    if !fs::metadata(path).is_ok_and(|metadata| regular(&metadata)) {
        return Ok(());
    }
    let read = |source| CliError::Read { path: path.to_owned(), source };
    let found = Found::of(path).map_err(read)?;
    let fits = match kind {
        Kind::Model => found == Found::Model,
        Kind::Weights => found == Found::Weights,
        Kind::Page => found == Found::Page,
        Kind::Graph => found == Found::Graph,
        Kind::Lines { append } => append && found == Found::Lines,
    };
    match fits {
        true => Ok(()),
        false => Err(CliError::Occupied { path: path.to_owned(), kind, found }),
    }
}
