//! Features and detectors to test with.
#![allow(dead_code)] // Each test uses its part.

use std::ops::ControlFlow;

use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::Cpu;
use nfbmr_peers::{Padim, PadimConfig, PatchCore, PatchCoreConfig};

pub type Features = Tensor<Cpu, 4>;

pub const SIZE: [usize; 2] = [24, 20];

pub fn go_on(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub fn features(values: Vec<f32>, shape: [usize; 4]) -> Features {
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

pub fn zeros(shape: [usize; 4]) -> Features {
    Tensor::zeros(shape, &Default::default())
}

pub fn patchcore(config: &PatchCoreConfig, train: &[Features], seed: u64) -> PatchCore<Cpu> {
    PatchCore::fit(config, train, seed, &mut go_on).unwrap()
}

pub fn padim(config: &PadimConfig, train: &[Features], seed: u64) -> Padim<Cpu> {
    Padim::fit(config, train, seed, &mut go_on).unwrap()
}

pub fn values<const D: usize>(tensor: &Tensor<Cpu, D>) -> Vec<f32> {
    tensor.to_data().to_vec().unwrap()
}

/// Values that are never alike, the same for the same `salt`.
pub fn varied(shape: [usize; 4], salt: u64) -> Features {
    let count: usize = shape.iter().product();
    let value = |i: u64| ((i + 1) as f64 * (0.618_034 + salt as f64 * 0.1)).fract() as f32 - 0.5;
    features((0..count as u64).map(value).collect(), shape)
}
