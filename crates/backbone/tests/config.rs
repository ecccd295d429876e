//! Architecture tables and configuration files.

use nfbmr_backbone::{
    BackboneConfig, BackboneError, Normalization, Padding, Variant, WeightsSource,
};

fn config(source: WeightsSource, variant: Variant, block: usize) -> BackboneConfig {
    BackboneConfig::new(source, variant, block).expect("a valid configuration")
}

#[test]
fn b5_is_the_network_of_the_paper() {
    assert_eq!(Variant::B5.block_count(), 39);
    assert_eq!(Variant::B5.channels(35), Some(304));
    assert_eq!(Variant::B5.stride(35), Some(32));
    let config = config(WeightsSource::EfficientnetPytorch, Variant::B5, 35);
    assert_eq!(config.output_shape(768, 768).expect("an image"), [304, 24, 24]);
}

#[test]
fn block_counts_are_those_of_the_published_networks() {
    let counts = Variant::ALL.map(Variant::block_count);
    assert_eq!(counts, [16, 23, 23, 26, 32, 39, 45, 55, 16, 21, 21, 24, 30]);
}

#[test]
fn first_block_and_last_block_are_scaled_in_b_only() {
    let ends = |variant: Variant| {
        let last = variant.block_count() - 1;
        (variant.channels(0), variant.stride(0), variant.channels(last), variant.stride(last))
    };
    assert_eq!(ends(Variant::B7), (Some(32), Some(2), Some(640), Some(32)));
    assert_eq!(ends(Variant::Lite4), (Some(24), Some(2), Some(448), Some(32)));
    assert_eq!(Variant::B7.channels(55), None);
    assert_eq!(Variant::B7.stride(55), None);
}

#[test]
fn names_survive_a_round_trip() {
    for variant in Variant::ALL {
        assert_eq!(variant.to_string().parse::<Variant>().expect("its own name"), variant);
        let json = serde_json::to_string(&variant).expect("serialises");
        assert_eq!(json, format!("\"{variant}\""));
    }
    let error = "b8".parse::<Variant>().expect_err("not one of ours").to_string();
    assert!(error.contains("lite4") && error.contains("`b8`"), "{error}");
}

#[test]
fn configurations_survive_a_round_trip() {
    for padding in [Padding::SameDynamic, Padding::SameStatic { native: 456 }, Padding::Symmetric] {
        let config = config(WeightsSource::EfficientnetPytorch, Variant::B5, 35);
        let config = BackboneConfig { padding, ..config };
        let json = serde_json::to_string(&config).expect("serialises");
        let back: BackboneConfig = serde_json::from_str(&json).expect("its own output");
        assert_eq!(back, config);
    }
}

#[test]
fn unknown_fields_are_refused() {
    let config = config(WeightsSource::EfficientnetLitePytorch, Variant::Lite0, 10);
    let json = serde_json::to_string(&config).expect("serialises");
    let typo = json.replacen('{', "{\"blok\":3,", 1);
    let error = serde_json::from_str::<BackboneConfig>(&typo).expect_err("a typo").to_string();
    assert!(error.contains("blok"), "{error}");
}

#[test]
fn sources_differ_in_their_details() {
    let own = config(WeightsSource::EfficientnetPytorch, Variant::B5, 0);
    assert_eq!(own.padding, Padding::SameStatic { native: 456 });
    assert_eq!((own.batch_norm_eps, own.normalization), (1e-3, Normalization::IMAGENET));
    let advprop = config(WeightsSource::EfficientnetPytorchAdvprop, Variant::B5, 0);
    assert_eq!(advprop, BackboneConfig { normalization: Normalization::HALF, ..own });
    let lite = config(WeightsSource::EfficientnetLitePytorch, Variant::Lite3, 0);
    assert_eq!(lite.padding, Padding::SameStatic { native: 280 });
    assert_eq!(lite.normalization, Normalization::HALF);
    let tf = config(WeightsSource::TimmTf, Variant::B0, 0);
    assert_eq!((tf.padding, tf.batch_norm_eps), (Padding::SameDynamic, 1e-3));
    assert_eq!(tf.normalization, Normalization::IMAGENET);
    assert_eq!(config(WeightsSource::TimmTf, Variant::Lite0, 0).normalization, Normalization::HALF);
    let timm = config(WeightsSource::Timm, Variant::Lite0, 0);
    assert_eq!((timm.padding, timm.batch_norm_eps), (Padding::Symmetric, 1e-5));
    assert_eq!(timm.normalization, Normalization::IMAGENET);
    let torchvision = |variant| config(WeightsSource::Torchvision, variant, 0);
    assert_eq!(torchvision(Variant::B4).batch_norm_eps, 1e-5);
    assert_eq!(torchvision(Variant::B5).batch_norm_eps, 1e-3);
    assert_eq!(torchvision(Variant::B5).padding, Padding::Symmetric);
}

#[test]
fn sources_have_their_networks_only() {
    let error =
        BackboneConfig::new(WeightsSource::Torchvision, Variant::Lite0, 0).expect_err("no Lite");
    let expected =
        "expected one of b0, b1, b2, b3, b4, b5, b6, b7, which torchvision has, found lite0";
    assert_eq!(error.to_string(), expected);
    let error = BackboneConfig::new(WeightsSource::EfficientnetLitePytorch, Variant::B0, 0);
    assert!(matches!(error, Err(BackboneError::NoSuchSource { .. })));
}

#[test]
fn source_names_survive_a_round_trip() {
    for source in WeightsSource::ALL {
        assert_eq!(source.to_string().parse::<WeightsSource>().expect("its own name"), source);
        let json = serde_json::to_string(&source).expect("serialises");
        assert_eq!(json, format!("\"{source}\""));
    }
    let error = "timm_tf".parse::<WeightsSource>().expect_err("not one of ours").to_string();
    assert!(error.contains("timm-tf-advprop") && error.contains("`timm_tf`"), "{error}");
}

#[test]
fn a_block_past_the_end_is_refused() {
    let error =
        BackboneConfig::new(WeightsSource::Timm, Variant::Lite0, 16).expect_err("16").to_string();
    assert_eq!(error, "lite0 has 16 blocks, expected an index below 16, found 16");
}

#[test]
fn values_out_of_range_are_refused() {
    let good = config(WeightsSource::EfficientnetLitePytorch, Variant::Lite0, 10);
    for eps in [-1.0, f64::NAN, f64::INFINITY] {
        let error = BackboneConfig { batch_norm_eps: eps, ..good }.validate();
        assert!(matches!(error, Err(BackboneError::BatchNormEps { .. })));
    }
    for native in [0, usize::MAX] {
        let padding = Padding::SameStatic { native };
        let error = BackboneConfig { padding, ..good }.validate();
        assert!(matches!(error, Err(BackboneError::Side { .. })));
    }
    let normalization = Normalization { mean: [0.5; 3], std: [0.5, 0.0, 0.5] };
    let error = BackboneConfig { normalization, ..good }.validate();
    assert!(matches!(error, Err(BackboneError::Normalization { .. })));
}

#[test]
fn sizes_without_an_output_are_refused() {
    let config = config(WeightsSource::EfficientnetPytorch, Variant::B0, 15);
    for side in [0, usize::MAX] {
        let error = config.output_shape(side, 64);
        assert!(matches!(error, Err(BackboneError::Side { .. })));
    }
    let error = config.output_shape(64, 1);
    assert!(matches!(error, Err(BackboneError::TooSmall { height: 64, width: 1, .. })));
    let dynamic = BackboneConfig { padding: Padding::SameDynamic, ..config };
    assert_eq!(dynamic.output_shape(64, 1).expect("SAME fits any size"), [320, 2, 1]);
}
