use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use nfbmr_backbone::{Storage, Weights, WeightsError};
use sha2::{Digest, Sha256};

use crate::config::hex;
use crate::error::PipelineError;

/// ImageNet weights of a backbone: the bytes of a safetensors file and their checksum.
///
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct BackboneWeights {
    bytes: Arc<Cow<'static, [u8]>>,
    sha256: Arc<str>,
}

impl BackboneWeights {
    /// Weights in memory, such as those embedded in a program.
    pub fn new(safetensors: impl Into<Cow<'static, [u8]>>) -> Self {
        let bytes = safetensors.into();
        let sha256 = hex(&Sha256::digest(&bytes)).into();
        Self { bytes: Arc::new(bytes), sha256 }
    }

    /// Reads a safetensors file, or converts a PyTorch `.pth` (known by its ending: `pth`, `pt` or `bin`).
    ///
    /// # Errors
    /// [`PipelineError::Weights`] with the path.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PipelineError> {
        let path = path.as_ref();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if let "pth" | "pt" | "bin" = extension {
            return Ok(Self::new(Weights::read_pytorch(path)?.to_safetensors(Storage::F32)?));
        }
        let bytes = std::fs::read(path)
            .map_err(|source| WeightsError::Io { path: path.to_owned(), source })?;
        Weights::from_safetensors(&bytes)?;
        Ok(Self::new(bytes))
    }

    /// SHA-256 of the safetensors bytes, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The safetensors bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn parse(&self) -> Result<Weights, PipelineError> {
        Ok(Weights::from_safetensors(&self.bytes)?)
    }
}
