//! What a training keeps, beside its model or elsewhere, until the model is there.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::CliError;

/// The folder of a training that ends up in one file.
pub struct Unfinished {
    folder: PathBuf,
}

impl Unfinished {
    /// That of a model file: beside it, or in a folder of the user's for the work of trainings.
    pub fn of(model: &Path, work: Option<&Path>) -> Self {
        let mut name = match work {
            None => model.as_os_str().to_owned(),
            Some(work) => work.join(model.file_name().unwrap_or_default()).into_os_string(),
        };
        name.push(".unfinished");
        Self { folder: name.into() }
    }

    /// The folder to train with: an interrupted training goes on if `resume`; otherwise there must be none, so that
    /// nothing is lost by it.
    pub fn folder(&self, resume: bool) -> Result<&Path, CliError> {
        match self.checkpoint() {
            Some(_) if !resume => Err(CliError::Unfinished(self.folder.clone())),
            _ => Ok(&self.folder),
        }
    }

    /// A checkpoint of an earlier training.
    fn checkpoint(&self) -> Option<PathBuf> {
        let checkpoint = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("checkpoint"))
        };
        self.files().ok()?.into_iter().find(checkpoint)
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.path())).collect()
    }

    /// An interruption, with what is kept of the work.
    pub fn explain(&self, error: CliError) -> CliError {
        match error {
            CliError::Interrupted if self.checkpoint().is_some() => CliError::InterruptedTraining,
            error => error,
        }
    }

    /// Removes the folder, the model being there; what isn't of a training stays in it.
    pub fn remove(&self) -> Result<(), CliError> {
        let failed = |source| CliError::Write { path: self.folder.clone(), source };
        let of_training = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // The last are of a writing that was cut off.
            ["checkpoint", "features", ".tmp"].iter().any(|own| name.starts_with(own))
        };
        let files = match self.files() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            files => files.map_err(failed)?,
        };
        files
            .iter()
            .filter(|path| of_training(path))
            .try_for_each(fs::remove_file)
            .map_err(failed)?;
        match fs::remove_dir(&self.folder) {
            Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => Err(failed(error)),
            _ => Ok(()),
        }
    }
}
