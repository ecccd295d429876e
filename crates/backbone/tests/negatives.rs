//! What a wrong detail does to the features: the reference would notice each.

mod common;

use common::{TOLERANCE, find, formula};
use nfbmr_backbone::{BackboneConfig, Padding, Variant, Weights};

/// A mistake has to miss the reference by this much.
const CLEAR: f32 = 10.0 * TOLERANCE;

/// The weights of a network without squeeze-excite, with gates that let everything pass.
fn with_open_gates(plain: Weights, config: &BackboneConfig) -> Weights {
    let mut weights = formula(config);
    for (name, tensor) in weights.clone().iter() {
        let (shape, count) = (tensor.shape().to_vec(), tensor.values().len());
        let value = if name.ends_with("_se_expand.bias") { 40.0 } else { 0.0 };
        if name.contains("_se_") {
            weights.insert(name, shape, vec![value; count]).expect("the shape fits");
        }
    }
    for (name, tensor) in plain.iter() {
        let (shape, values) = (tensor.shape().to_vec(), tensor.values().to_vec());
        weights.insert(name, shape, values).expect("the shape fits");
    }
    weights
}

#[test]
fn wrong_padding_is_noticed() {
    let case = find("efficientnet_pytorch", Variant::B0, [1, 96, 65]);
    let right = case.config();
    let weights = formula(&right);
    for padding in [Padding::SameDynamic, Padding::Symmetric] {
        let wrong = BackboneConfig { padding, ..right };
        // With an odd side the shapes differ already.
        assert!(case.differs_in_shape(&wrong));
    }
    let case = find("timm_tf", Variant::B0, [1, 96, 65]);
    let wrong = BackboneConfig { padding: Padding::Symmetric, ..case.config() };
    assert!(!case.differs_in_shape(&wrong));
    assert!(case.difference(&wrong, &weights) > CLEAR);
}

#[test]
fn wrong_epsilon_is_noticed() {
    for variant in [Variant::B0, Variant::Lite0] {
        let case = find("efficientnet_pytorch", variant, [1, 96, 65]);
        let wrong = BackboneConfig { batch_norm_eps: 1e-5, ..case.config() };
        assert!(case.difference(&wrong, &formula(&wrong)) > CLEAR);
    }
}

#[test]
fn wrong_activation_is_noticed() {
    let case = find("efficientnet_pytorch", Variant::Lite0, [1, 96, 65]);
    let right = case.config();
    let wrong = BackboneConfig { variant: Variant::B0, ..right };
    assert!(case.difference(&wrong, &with_open_gates(formula(&right), &wrong)) > CLEAR);
}

#[test]
fn missing_squeeze_excite_is_noticed() {
    let case = find("efficientnet_pytorch", Variant::B0, [1, 96, 65]);
    let right = case.config();
    let without = formula(&BackboneConfig { variant: Variant::Lite0, ..right });
    assert!(case.difference(&right, &with_open_gates(without, &right)) > CLEAR);
}
