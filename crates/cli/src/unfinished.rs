//! What a training keeps beside its model until the model is there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nfbmr::cache::FeatureCache;
use nfbmr::{PipelineError, TrainingStorage};

use crate::error::CliError;

/// The files of a training that ends up in one file.
pub struct Unfinished {
    checkpoint: PathBuf,
    features: PathBuf,
}

impl Unfinished {
    /// Those of a model file.
    pub fn beside(model: &Path) -> Self {
        let named = |extension: &str| {
            let mut name = model.as_os_str().to_owned();
            name.push(extension);
            PathBuf::from(name)
        };
        Self { checkpoint: named(".checkpoint"), features: named(".features") }
    }

    /// What to train with: from where an interrupted training stands if `resume`, otherwise from the
    /// beginning, where nothing may be lost by it.
    pub fn storage(&self, resume: bool) -> Result<TrainingStorage, CliError> {
        if self.checkpoint.exists() && !resume {
            return Err(CliError::Unfinished(self.checkpoint.clone()));
        }
        let cache = FeatureCache::open(&self.features).map_err(PipelineError::Cache)?;
        let mut storage = TrainingStorage::cached(Arc::new(cache));
        storage.checkpoint = Some(self.checkpoint.clone());
        Ok(storage)
    }

    /// An interruption, with what is kept of the work.
    pub fn explain(&self, error: CliError) -> CliError {
        match error {
            CliError::Interrupted if self.checkpoint.exists() => CliError::InterruptedTraining,
            error => error,
        }
    }

    /// Removes the files, the model being there.
    pub fn remove(&self) -> Result<(), CliError> {
        for path in [&self.checkpoint, &self.features] {
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
