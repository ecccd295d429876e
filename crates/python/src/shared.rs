//! The detector that several threads of Python use.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use nfbmr::{ModelError, ModelInfo, Pipeline, PipelineError};
use pyo3::prelude::*;
use sha2::{Digest, Sha256};

use crate::exit::detach;
use crate::failure::Failure;
use crate::json;
use crate::listener::{Listener, Teller};
use crate::pool::pool;
use crate::work::aloud;

/// A detector, and the file that it is in.
///
/// Its lock is taken by the thread of the caller, never by one of the pool: that might have to finish work of whoever
/// holds it.
pub(crate) struct Shared {
    pipeline: RwLock<Pipeline>,
    /// A calibration calls back; what it calls would wait for it for ever.
    calibrating: AtomicBool,
    file: Mutex<Option<ModelFile>>,
}

/// A model file as it was read or written.
#[derive(Clone)]
pub(crate) struct ModelFile {
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
    /// What it says of itself, as JSON.
    pub(crate) info: String,
}

impl ModelFile {
    pub(crate) fn of(path: &Path) -> Result<Self, Failure> {
        let info = json::text(&ModelInfo::read(path)?)?;
        let bytes = nfbmr_files::read(path).map_err(|source| {
            let source = ModelError::Io(source);
            PipelineError::Model { path: path.to_owned(), source }
        })?;
        let hex = |byte: &u8| format!("{byte:02x}");
        let sha256 = Sha256::digest(&bytes).iter().map(hex).collect();
        Ok(Self { path: path.to_owned(), sha256, info })
    }
}

impl Shared {
    pub(crate) fn new(pipeline: Pipeline, file: Option<ModelFile>) -> Self {
        Self {
            pipeline: RwLock::new(pipeline),
            calibrating: AtomicBool::new(false),
            file: Mutex::new(file),
        }
    }

    /// Works with the detector on the threads of this process.
    pub(crate) fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Pipeline) -> Result<T, Failure> + Send,
    ) -> PyResult<T> {
        self.check_idle()?;
        let pool = pool(py)?;
        Ok(detach(py, || {
            let pipeline = &*self.read();
            pool.install(|| work(pipeline))
        })?)
    }

    /// Works long with the detector, telling of it.
    pub(crate) fn watched<T: Send>(
        &self,
        py: Python<'_>,
        listener: Listener,
        work: impl FnOnce(&Pipeline, Teller) -> Result<T, Failure> + Send,
    ) -> PyResult<T> {
        self.check_idle()?;
        let pool = pool(py)?;
        detach(py, || {
            let pipeline = &*self.read();
            aloud(&pool, listener, |teller| work(pipeline, teller))
        })
    }

    /// Calibrates the detector, telling of it.
    pub(crate) fn calibrate<T: Send>(
        &self,
        py: Python<'_>,
        listener: Listener,
        work: impl FnOnce(&mut Pipeline, Teller) -> Result<T, Failure> + Send,
    ) -> PyResult<T> {
        if self.calibrating.swap(true, Ordering::Relaxed) {
            return Err(Failure::Busy.into());
        }
        let pool = pool(py);
        let done = pool.map_err(PyErr::from).and_then(|pool| {
            detach(py, || {
                let pipeline = &mut *self.write();
                aloud(&pool, listener, |teller| work(pipeline, teller))
            })
        });
        self.calibrating.store(false, Ordering::Relaxed);
        done
    }

    /// Sets something.
    pub(crate) fn set(
        &self,
        py: Python<'_>,
        set: impl FnOnce(&mut Pipeline) -> Result<(), Failure> + Send,
    ) -> PyResult<()> {
        self.check_idle()?;
        Ok(detach(py, || set(&mut self.write()))?)
    }

    /// Looks something up.
    pub(crate) fn peek<T: Send>(
        &self,
        py: Python<'_>,
        look: impl FnOnce(&Pipeline) -> T + Send,
    ) -> PyResult<T> {
        self.check_idle()?;
        Ok(detach(py, || look(&self.read())))
    }

    /// The file that the model was last read from or written to.
    pub(crate) fn file(&self) -> Option<ModelFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_file(&self, file: ModelFile) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    fn check_idle(&self) -> Result<(), Failure> {
        match self.calibrating.load(Ordering::Relaxed) {
            true => Err(Failure::Busy),
            false => Ok(()),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Pipeline> {
        self.pipeline.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Pipeline> {
        self.pipeline.write().unwrap_or_else(PoisonError::into_inner)
    }
}
