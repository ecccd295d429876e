//! The formula that fills tensors here and in `fixtures/generate.py`, and the comparison with what
//! the original implementations made of them.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod pth;
pub mod published;

use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData};
use nfbmr_backbone::{Backbone, BackboneConfig, BackboneError, Variant, Weights, WeightsSource};
use nfbmr_backend::Cpu;
use serde::Deserialize;

/// Largest difference allowed, in standard deviations of the block's output.
pub const TOLERANCE: f32 = 1e-3;

#[derive(Deserialize)]
pub struct Case {
    pub source: String,
    pub variant: Variant,
    /// Batch, height and width.
    pub size: [usize; 3],
    pub blocks: Vec<Sample>,
}

/// What a block puts out: values at evenly spaced positions.
#[derive(Deserialize)]
pub struct Sample {
    pub block: usize,
    pub shape: [usize; 4],
    pub mean: f32,
    pub std: f32,
    pub values: Vec<f32>,
}

/// The package whose naming backbones are loaded from.
pub fn own(variant: Variant) -> WeightsSource {
    if variant.is_lite() {
        WeightsSource::EfficientnetLitePytorch
    } else {
        WeightsSource::EfficientnetPytorch
    }
}

impl Case {
    pub fn config(&self) -> BackboneConfig {
        let last = self.blocks.last().expect("a case has blocks").block;
        let source = match self.source.as_str() {
            "efficientnet_pytorch" => own(self.variant),
            "timm_tf" => WeightsSource::TimmTf,
            "torchvision" => WeightsSource::Torchvision,
            other => panic!("unknown source {other}"),
        };
        BackboneConfig::new(source, self.variant, last).expect("a valid configuration")
    }

    /// The largest difference from the reference, in standard deviations of the block.
    pub fn difference(&self, config: &BackboneConfig, weights: &Weights) -> f32 {
        let backbone = Backbone::<Cpu>::load(config, weights, &Default::default()).expect("loads");
        difference(&backbone, image(self.size), &self.blocks)
    }

    /// The same through blocks that may have other shapes than the reference.
    pub fn differs_in_shape(&self, config: &BackboneConfig) -> bool {
        let [_, height, width] = self.size;
        let last = self.blocks.last().expect("a case has blocks");
        config.output_shape(height, width).expect("an image") != last.shape[1..]
    }
}

/// The image that the references were computed for, of this batch, height and width.
pub fn image([batch, height, width]: [usize; 3]) -> Tensor<Cpu, 4> {
    let shape = [batch, 3, height, width];
    let values = uniform("image", shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

pub fn difference(backbone: &Backbone<Cpu>, image: Tensor<Cpu, 4>, samples: &[Sample]) -> f32 {
    let blocks: Vec<usize> = samples.iter().map(|sample| sample.block).collect();
    let outputs = backbone.forward_blocks(image, &blocks).expect("runs");
    samples.iter().zip(outputs).map(|(sample, output)| sample.difference(output)).fold(0., f32::max)
}

impl Sample {
    fn difference(&self, output: Tensor<Cpu, 4>) -> f32 {
        assert_eq!(output.dims(), self.shape, "block {}", self.block);
        let values: Vec<f32> = output.into_data().to_vec().expect("f32");
        let count = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let square = |&v: &f32| (f64::from(v) - mean).powi(2);
        let std = (values.iter().map(square).sum::<f64>() / count).sqrt();
        let steps = self.values.len() - 1;
        let at = |index: usize| values[index * (values.len() - 1) / steps];
        let points = self.values.iter().enumerate().map(|(i, &value)| at(i) - value);
        let moments = [mean as f32 - self.mean, std as f32 - self.std];
        points
            .chain(moments)
            .map(|d| if d.is_nan() { f32::INFINITY } else { d.abs() / self.std })
            .fold(0., f32::max)
    }
}

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).expect("fixtures are committed")
}

pub fn cases() -> Vec<Case> {
    serde_json::from_slice(&bytes("reference.json")).expect("reference.json is valid")
}

pub fn find(source: &str, variant: Variant, size: [usize; 3]) -> Case {
    let same = |case: &Case| case.source == source && case.variant == variant && case.size == size;
    cases().into_iter().find(same).expect("the case is committed")
}

/// Values from -1 to 1: FNV-1a of the name, mixed with the index by splitmix64.
pub fn uniform(name: &str, count: usize) -> Vec<f32> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let value = |index: u64| {
        let mut z = index.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (1..=count as u64).map(value).collect()
}

pub fn fill(name: &str, shape: &[usize]) -> Vec<f32> {
    let mut values = uniform(name, shape.iter().product());
    let squeezes = ["_se_reduce", "se.conv_reduce", "fc1"].iter().any(|part| name.contains(part));
    let (offset, scale) = if name.ends_with("running_var") {
        (0.1, 0.05)
    } else if shape.len() == 1 {
        (if name.ends_with(".weight") { 1.0 } else { 0.0 }, 0.1)
    } else {
        let projects = shape.len() == 4 && shape[2] == 1 && shape[1] >= shape[0] && !squeezes;
        let gain: f32 = match shape[1] / shape[0] {
            _ if !projects => 0.5,
            1 | 6 if shape[1].is_multiple_of(shape[0]) => 0.1,
            _ => 1.0,
        };
        (0.0, (gain / shape[1..].iter().product::<usize>() as f32).sqrt())
    };
    values.iter_mut().for_each(|value| *value = offset + scale * *value);
    values
}

/// Weights for this network by the formula; the error of loading none tells which tensors it needs.
pub fn formula(config: &BackboneConfig) -> Weights {
    let empty = Backbone::<Cpu>::load(config, &Weights::new(), &Default::default());
    let Err(BackboneError::Weights { problems, .. }) = empty else {
        panic!("expected a list of missing tensors");
    };
    let mut weights = Weights::new();
    for problem in problems {
        let nfbmr_backbone::WeightProblem::Missing { name, expected } = problem else {
            panic!("expected only missing tensors, found {problem}");
        };
        let values = fill(&name, &expected);
        weights.insert(name, expected, values).expect("the shape fits");
    }
    weights
}
