//! Reads the fixtures of `tests/reference`, which `generate_fixtures.py` writes.

use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::{Backend, StateDict};
use safetensors::{Dtype, SafeTensors};

use crate::reference;

/// One fixture file.
pub struct Fixture {
    bytes: Vec<u8>,
}

impl Fixture {
    /// The file of this name, without its extension. Fixtures of a crate are named relative to
    /// `tests/reference`.
    pub fn open(name: &str) -> Self {
        let path = reference(name).with_extension("safetensors");
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { bytes }
    }

    /// The values of a tensor, integers as floats.
    pub fn data(&self, name: &str) -> TensorData {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => {
                let (chunks, _) = view.data().as_chunks();
                chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
            }
            Dtype::I64 => {
                let (chunks, _) = view.data().as_chunks();
                chunks.iter().map(|bytes| i64::from_le_bytes(*bytes) as f32).collect()
            }
            other => panic!("{name}: {other:?}"),
        };
        TensorData::new(values, view.shape().to_vec())
    }

    /// The same as plain numbers, in the order in which they are stored.
    pub fn values(&self, name: &str) -> Vec<f32> {
        self.data(name).to_vec().unwrap()
    }

    /// The same on the default device.
    pub fn tensor<B: Backend, const D: usize>(&self, name: &str) -> Tensor<B, D> {
        Tensor::from_data(self.data(name), &Default::default())
    }

    /// The parameters under a prefix, such as `init`.
    pub fn state(&self, prefix: &str) -> StateDict {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let names = file.names().into_iter();
        names
            .filter_map(|name| Some((name, name.strip_prefix(prefix)?.strip_prefix('.')?)))
            .map(|(name, parameter)| (parameter.to_owned(), self.data(name)))
            .collect()
    }
}

/// Asserts that every value is within `tolerance` times the largest expected magnitude.
#[track_caller]
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    let scale = expected.iter().fold(0f32, |scale, v| scale.max(v.abs()));
    let error = found.iter().zip(expected).fold(0f32, |e, (a, b)| e.max((a - b).abs()));
    assert!(error <= tolerance * scale, "{what}: off by {error} where values reach {scale}");
}

/// All values of a tensor.
pub fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}
