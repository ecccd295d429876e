//! The weights of a backbone, as bytes with a checksum.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use nfbmr_backbone::{BackboneConfig, Storage, Weights, WeightsError};

use crate::checksum::sha256;
use crate::error::PipelineError;

/// ImageNet weights of a backbone: the bytes of a safetensors file and their checksum.
///
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct BackboneWeights {
    bytes: Arc<Cow<'static, [u8]>>,
    sha256: Arc<str>,
    target: Option<Arc<BackboneWeights>>,
}

impl BackboneWeights {
    /// Weights in memory, such as those embedded in a program.
    pub fn new(safetensors: impl Into<Cow<'static, [u8]>>) -> Self {
        let bytes = safetensors.into();
        let sha256 = sha256(&bytes).into();
        Self { bytes: Arc::new(bytes), sha256, target: None }
    }

    /// Reads a safetensors or PyTorch file in any naming that [`Weights::import`] knows; format and
    /// naming are recognised by content.
    ///
    /// A file that was imported before is taken as it is, byte for byte; any other is converted,
    /// with 32-bit values. Where the source of the weights can't be told, convert them first, naming it.
    ///
    /// # Errors
    /// [`PipelineError::Weights`] if the file can't be read, otherwise [`PipelineError::WeightsFile`]
    /// with the reason.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PipelineError> {
        let path = path.as_ref();
        let bytes = nfbmr_files::read(path)
            .map_err(|source| WeightsError::Io { path: path.to_owned(), source })?;
        Self::from_file_content(bytes).map_err(|source| PipelineError::WeightsFile {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    fn from_file_content(bytes: Vec<u8>) -> Result<Self, PipelineError> {
        if Weights::from_bytes(&bytes)?.config()?.is_some() {
            return Ok(Self::new(bytes));
        }
        Ok(Self::new(Weights::import(&bytes, None)?.to_safetensors(Storage::F32)?))
    }

    /// These for the source space and others for the target space, as `pfm`, `bpfm` and `mb-pfm` need.
    #[must_use]
    pub fn with_target(self, target: Self) -> Self {
        Self { target: Some(target.into()), ..self }
    }

    /// Those of the target space, if there are any.
    pub fn target(&self) -> Option<&Self> {
        self.target.as_deref()
    }

    /// SHA-256 of the safetensors bytes, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The backbone they are for, to its last block in the file, where they record it: those imported do.
    ///
    /// # Errors
    /// [`PipelineError::Weights`] or [`PipelineError::Backbone`] for bytes that aren't weights, or that
    /// record what has no meaning.
    pub fn config(&self) -> Result<Option<BackboneConfig>, PipelineError> {
        Ok(self.parse()?.config()?)
    }

    /// The safetensors bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn parse(&self) -> Result<Weights, PipelineError> {
        Ok(Weights::from_safetensors(&self.bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imported_files_are_taken_as_they_are() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let path = root.join("weights/efficientnet-lite0.safetensors");
        let weights = BackboneWeights::open(&path).unwrap();
        assert_eq!(weights.as_bytes(), std::fs::read(path).unwrap());
        let published = "7213f2ba5c119930f856124731e00cb6f5b1b0e0e9f2f2de0e2b24e575b4efe2";
        assert_eq!(weights.sha256(), published);
        let config = weights.config().unwrap().unwrap();
        assert_eq!(config.variant, nfbmr_backbone::Variant::Lite0);
    }

    #[test]
    fn other_files_are_refused_by_what_is_in_them() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let error = BackboneWeights::open(path).unwrap_err().to_string();
        assert!(error.contains("Cargo.toml: expected weights as a safetensors"), "{error}");
    }
}
