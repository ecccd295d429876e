//! Published files in every naming and format.

mod common;

use common::published::{Published, PublishedCase, published};
use common::{TOLERANCE, difference, image, pth};
use nfbmr_backbone::{
    Backbone, BackboneConfig, BackboneError, Normalization, Storage, Variant, WeightProblem,
    Weights, WeightsSource,
};
use nfbmr_backend::Cpu;

fn safetensors(weights: &Weights) -> Vec<u8> {
    weights.to_safetensors(Storage::F32).expect("writes")
}

fn import(weights: &Weights, source: Option<WeightsSource>) -> Result<Weights, BackboneError> {
    Weights::import(&safetensors(weights), source)
}

/// Runs the weights as they say themselves; the difference from what the package computes.
fn run(weights: &Weights, case: &PublishedCase) -> f32 {
    let config = weights.config().expect("values with a meaning").expect("recorded");
    let backbone = Backbone::<Cpu>::load(&config, weights, &Default::default()).expect("loads");
    difference(&backbone, image(case.size), &case.blocks)
}

/// Imports the network as published and compares it with what the package computes.
fn check(published: &Published, case: &PublishedCase) {
    let PublishedCase { source, variant, tensors, .. } = case;
    let imported = import(&published.weights(tensors), Some(*source)).expect("imports");
    assert_eq!(imported.source().expect("a known source"), Some(*source));
    let last = variant.block_count() - 1;
    let expected = BackboneConfig::new(*source, *variant, last).expect("valid");
    assert_eq!(imported.config().expect("values with a meaning"), Some(expected));
    let difference = run(&imported, case);
    assert!(difference < TOLERANCE, "{source} {variant}: off by {difference}");
}

fn check_all(wanted: &[WeightsSource]) {
    let published = published();
    let cases = published.cases.iter().filter(|case| wanted.contains(&case.source));
    let count = cases.map(|case| check(&published, case)).count();
    assert_eq!(count, 2, "one B0 and one other");
}

#[test]
fn efficientnet_pytorch_naming_gives_its_features() {
    check_all(&[WeightsSource::EfficientnetPytorch, WeightsSource::EfficientnetLitePytorch]);
}

#[test]
fn timm_naming_gives_the_features_of_timm() {
    check_all(&[WeightsSource::Timm]);
}

#[test]
fn timm_naming_gives_the_features_of_tensorflow_weights() {
    check_all(&[WeightsSource::TimmTf]);
}

#[test]
fn torchvision_naming_gives_its_features() {
    check_all(&[WeightsSource::Torchvision]);
}

/// The references tell apart what naming and shapes cannot.
#[test]
fn another_source_of_the_same_naming_gives_other_features() {
    let published = published();
    for (source, other) in
        [(WeightsSource::Timm, WeightsSource::TimmTf), (WeightsSource::TimmTf, WeightsSource::Timm)]
    {
        let case = published.cases.iter().find(|case| case.source == source).expect("present");
        let imported = import(&published.weights(&case.tensors), Some(other)).expect("imports");
        let difference = run(&imported, case);
        assert!(difference > 10.0 * TOLERANCE, "{source} as {other}: off by only {difference}");
    }
}

#[test]
fn details_are_those_the_packages_publish() {
    for details in published().details {
        let config = BackboneConfig::new(details.source, details.variant, 0).expect("valid");
        assert_eq!(config.batch_norm_eps, details.eps, "{} {}", details.source, details.variant);
        for [mean, std] in details.inputs {
            let published = Normalization { mean, std };
            assert_eq!(config.normalization, published, "{} {}", details.source, details.variant);
        }
    }
}

#[test]
fn every_format_gives_the_same_weights() {
    let lite = published().weights("timm lite0");
    let source = Some(WeightsSource::TimmTf);
    let expected = import(&lite, source).expect("imports");
    let entries = pth::entries(&lite);
    for file in [pth::zip(&entries), pth::legacy(&entries)] {
        let imported = Weights::import(&file, source).expect("imports");
        assert!(imported.iter().eq(expected.iter()));
        let sha256 = |weights: &Weights| weights.metadata()["source_sha256"].clone();
        assert_eq!(sha256(&imported).len(), 64);
        assert_ne!(sha256(&imported), sha256(&expected));
        for place in 0..200 {
            let length = place * file.len() / 200;
            assert!(Weights::import(&file[..length], source).is_err(), "{length} bytes");
        }
    }
}

/// The network that an error is about.
fn recognised(error: BackboneError) -> Variant {
    match error {
        BackboneError::AmbiguousSource { variant, .. } => variant,
        BackboneError::Weights { variant, .. } => variant,
        other => panic!("{other}"),
    }
}

#[test]
fn sources_that_content_cannot_tell_have_to_be_named() {
    let published = published();
    let choices = |key: &str| {
        let error = import(&published.weights(key), None).expect_err("several sources");
        let text = error.to_string();
        let (start, choices) = text.split_once("one of ").expect("a list of choices");
        assert!(start.starts_with(&format!("these {} weights", recognised(error))), "{text}");
        choices.to_owned()
    };
    assert_eq!(choices("timm b0"), "timm-tf, timm-tf-advprop, timm, timm-ra4");
    assert_eq!(choices("timm lite0"), "timm-tf, timm");
    let own = choices("efficientnet_pytorch b0");
    assert_eq!(own, "efficientnet-pytorch, efficientnet-pytorch-advprop");
}

#[test]
fn sources_that_content_tells_need_not_be_named() {
    let published = published();
    let cases = [
        ("efficientnet_pytorch lite0", WeightsSource::EfficientnetLitePytorch),
        ("torchvision b0", WeightsSource::Torchvision),
    ];
    for (key, source) in cases {
        let weights = published.weights(key);
        let imported = import(&weights, None).expect("imports");
        assert_eq!(imported.source().expect("known"), Some(source));
        let error = import(&weights, Some(WeightsSource::TimmTf)).expect_err("another naming");
        assert!(matches!(error, BackboneError::OtherSource { found: WeightsSource::TimmTf, .. }));
    }
}

#[test]
fn a_file_imported_before_needs_no_source() {
    let weights = published().weights("timm b0");
    let first = import(&weights, Some(WeightsSource::TimmTfAdvprop)).expect("imports");
    assert_eq!(import(&first, None).expect("imports"), first);
    let config = first.config().expect("valid").expect("recorded");
    let short = first.select(&BackboneConfig { block: 3, ..config }).expect("all there");
    assert_eq!(import(&short, None).expect("imports"), short);
    let error = import(&first, Some(WeightsSource::Timm)).expect_err("not what is recorded");
    assert!(
        matches!(error, BackboneError::OtherSource { found: WeightsSource::Timm, .. }),
        "{error}"
    );
}

#[test]
fn metadata_of_the_file_name_the_source() {
    let mut weights = published().weights("timm lite0");
    weights.metadata_mut().insert("source_kind".to_owned(), "timm".to_owned());
    let imported = import(&weights, None).expect("imports");
    assert_eq!(imported.source().expect("known"), Some(WeightsSource::Timm));
    weights.metadata_mut().insert("source_kind".to_owned(), "timm_tf".to_owned());
    let error = import(&weights, None).expect_err("no such source").to_string();
    assert!(error.contains("source_kind") && error.ends_with("found timm_tf"), "{error}");
}

#[test]
fn the_prefix_of_data_parallel_is_dropped() {
    let plain = published().weights("torchvision b0");
    let mut wrapped = Weights::new();
    for (name, tensor) in plain.iter() {
        let (shape, values) = (tensor.shape().to_vec(), tensor.values().to_vec());
        wrapped.insert(format!("module.{name}"), shape, values).expect("the shape fits");
    }
    let expected = import(&plain, None).expect("imports");
    assert!(import(&wrapped, None).expect("imports").iter().eq(expected.iter()));
}

#[test]
fn every_problem_is_listed_at_once_under_the_names_of_the_file() {
    let mut weights = published().weights("torchvision b0");
    weights.remove("features.0.1.bias").expect("present");
    weights.remove("features.7.0.block.3.0.weight").expect("present");
    weights.insert("features.1.0.block.0.1.weight", [1], vec![1.0]).expect("fits");
    weights.insert("features.2.0.block.0.1.bias", [96], vec![f32::NAN; 96]).expect("fits");
    weights.insert("features.2.0.block.9.weight", [2], vec![0.0; 2]).expect("fits");
    weights.insert("aux.weight", [1], vec![0.0]).expect("fits");
    let Err(BackboneError::Weights { variant, block, problems }) = import(&weights, None) else {
        panic!("expected an error about the weights");
    };
    assert_eq!((variant, block), (Variant::B0, 15));
    let name = |name: &str| name.to_owned();
    let expected = [
        WeightProblem::Missing { name: name("features.0.1.bias"), expected: vec![32] },
        WeightProblem::Shape {
            name: name("features.1.0.block.0.1.weight"),
            expected: vec![32],
            found: vec![1],
        },
        WeightProblem::NotFinite { name: name("features.2.0.block.0.1.bias") },
        WeightProblem::Missing {
            name: name("features.7.0.block.3.0.weight"),
            expected: vec![320, 1152, 1, 1],
        },
        WeightProblem::Unexpected { name: name("aux.weight"), found: vec![1] },
        WeightProblem::Unexpected { name: name("features.2.0.block.9.weight"), found: vec![2] },
    ];
    assert_eq!(problems, expected);
    let message = BackboneError::Weights { variant, block, problems }.to_string();
    assert!(message.contains("aux.weight: unexpected, found [1]"), "{message}");
}

#[test]
fn other_networks_are_refused() {
    let mut weights = Weights::new();
    for name in ["conv1.weight", "layer1.0.conv1.weight", "fc.weight"] {
        weights.insert(name, [1], vec![0.0]).expect("fits");
    }
    let error = import(&weights, None).expect_err("a ResNet").to_string();
    assert!(error.ends_with("found 3 tensors, the first of them conv1.weight"), "{error}");
    assert!(error.contains("torchvision (features.1.0.block.0.0.weight)"), "{error}");
    let error = import(&Weights::new(), None).expect_err("nothing").to_string();
    assert!(error.ends_with("found 0 tensors"), "{error}");
}
