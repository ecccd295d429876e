//! What a training keeps beside its model until the model is there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nfbmr::cache::FeatureCache;
use nfbmr::{CrossFitting, PipelineError, TrainingStorage};

use crate::error::CliError;

/// The files of a training that ends up in one file.
pub struct Unfinished {
    /// That of an ordinary training, and those of folds.
    checkpoints: Vec<PathBuf>,
    features: PathBuf,
}

impl Unfinished {
    /// Those of a model file, and of the folds that it is trained on.
    pub fn beside(model: &Path, folds: Option<&CrossFitting>) -> Self {
        let named = |extension: &str| {
            let mut name = model.as_os_str().to_owned();
            name.push(extension);
            PathBuf::from(name)
        };
        let whole = named(".checkpoint");
        let of_folds = folds.map(|folds| folds.checkpoints(&whole)).unwrap_or_default();
        let checkpoints = std::iter::once(whole).chain(of_folds).collect();
        Self { checkpoints, features: named(".features") }
    }

    /// What to train with: from where an interrupted training stands if `resume`, otherwise from the
    /// beginning, where nothing may be lost by it.
    pub fn storage(&self, resume: bool) -> Result<TrainingStorage, CliError> {
        if let Some(found) = self.found().filter(|_| !resume) {
            return Err(CliError::Unfinished(found.to_owned()));
        }
        let cache = FeatureCache::open(&self.features).map_err(PipelineError::Cache)?;
        let mut storage = TrainingStorage::cached(Arc::new(cache));
        storage.checkpoint = self.checkpoints.first().cloned();
        Ok(storage)
    }

    fn found(&self) -> Option<&Path> {
        self.checkpoints.iter().find(|path| path.exists()).map(PathBuf::as_path)
    }

    /// An interruption, with what is kept of the work.
    pub fn explain(&self, error: CliError) -> CliError {
        match error {
            CliError::Interrupted if self.found().is_some() => CliError::InterruptedTraining,
            error => error,
        }
    }

    /// Removes the files, the model being there.
    pub fn remove(&self) -> Result<(), CliError> {
        for path in self.checkpoints.iter().chain([&self.features]) {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(CliError::Write { path: path.clone(), source: error });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
