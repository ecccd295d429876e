//! Loading and running with what does not fit.

mod common;

use burn::tensor::Tensor;
use common::formula;
use nfbmr_backbone::{
    Backbone, BackboneConfig, BackboneError, Padding, Variant, WeightProblem, Weights,
    WeightsSource,
};
use nfbmr_backend::Cpu;

fn config(block: usize) -> BackboneConfig {
    BackboneConfig::new(WeightsSource::EfficientnetPytorch, Variant::B0, block).expect("valid")
}

fn load(config: &BackboneConfig, weights: &Weights) -> Result<Backbone<Cpu>, BackboneError> {
    Backbone::load(config, weights, &Default::default())
}

fn zeros(shape: [usize; 4]) -> Tensor<Cpu, 4> {
    Tensor::zeros(shape, &Default::default())
}

#[test]
fn backbones_move_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Backbone<Cpu>>();
}

#[test]
fn every_problem_is_listed_at_once() {
    let config = config(1);
    let mut weights = formula(&config);
    weights.remove("_bn0.bias").expect("present");
    weights.insert("_blocks.0._bn1.weight", [1], vec![1.0]).expect("fits");
    weights.insert("_blocks.1._bn0.bias", [96], vec![f32::NAN; 96]).expect("fits");
    weights.insert("_blocks.1._bn2.running_var", [24], vec![-1.0; 24]).expect("fits");
    let Err(BackboneError::Weights { variant, block, problems }) = load(&config, &weights) else {
        panic!("expected an error about the weights");
    };
    assert_eq!((variant, block), (Variant::B0, 1));
    let name = |layer: &str| layer.to_owned();
    let expected = [
        WeightProblem::Missing { name: name("_bn0.bias"), expected: vec![32] },
        WeightProblem::Shape {
            name: name("_blocks.0._bn1.weight"),
            expected: vec![32],
            found: vec![1],
        },
        WeightProblem::NotFinite { name: name("_blocks.1._bn0.bias") },
        WeightProblem::Variance { name: name("_blocks.1._bn2.running_var") },
    ];
    assert_eq!(problems, expected);
    let message = BackboneError::Weights { variant, block, problems }.to_string();
    assert!(message.contains("_bn0.bias: missing, expected [32]"), "{message}");
    assert!(message.contains("_blocks.0._bn1.weight: expected [32], found [1]"), "{message}");
}

#[test]
fn nothing_after_the_last_block_is_needed() {
    let (short, long) = (config(4), config(6));
    let weights = formula(&long);
    let selected = weights.select(&short).expect("all there");
    assert!(selected.iter().eq(formula(&short).iter()));
    assert_eq!(selected.config().expect("its own record"), Some(short));
    let image = || {
        Tensor::from_data(
            burn::tensor::TensorData::new(common::uniform("image", 3 * 40 * 40), [1, 3, 40, 40]),
            &Default::default(),
        )
    };
    let short = load(&short, &selected).expect("loads").forward(image()).expect("runs");
    let deep = load(&long, &weights).expect("loads");
    let levels = deep.forward_blocks(image(), &[6, 4]).expect("runs");
    assert_eq!(levels[1].to_data(), short.to_data());
    assert_eq!(levels[0].to_data(), deep.forward(image()).expect("runs").to_data());
}

/// What the weights record and what is asked for have to agree, except in the last block.
#[test]
fn other_details_than_those_on_record_are_refused() {
    let whole = config(2);
    let weights = formula(&whole).select(&whole).expect("all there");
    load(&config(1), &weights).expect("a shorter network");
    let advprop = BackboneConfig::new(WeightsSource::TimmTfAdvprop, Variant::B0, 1).expect("valid");
    let other = BackboneConfig { padding: Padding::Symmetric, ..advprop };
    let Err(BackboneError::Weights { problems, .. }) = load(&other, &weights) else {
        panic!("expected an error about the weights");
    };
    let keys = ["padding", "normalization_mean", "normalization_std"];
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), keys.len(), "{texts:?}");
    assert!(texts.iter().zip(keys).all(|(text, key)| text.starts_with(key)), "{texts:?}");
    let expected = "padding: expected symmetric, found same_static 224 in the metadata";
    assert_eq!(texts[0], expected);
}

/// At the native resolution they give the same features; away from it the caller chooses.
#[test]
fn either_kind_of_same_padding_is_taken() {
    let whole =
        BackboneConfig::new(WeightsSource::EfficientnetPytorch, Variant::B2, 8).expect("valid");
    let weights = formula(&whole).select(&whole).expect("all there");
    let dynamic = BackboneConfig { padding: Padding::SameDynamic, ..whole };
    let features = |config: &BackboneConfig, side: usize| {
        let ramp = Tensor::arange(0..(3 * side * side) as i64, &Default::default());
        let image = (ramp.float() * 0.01).sin().reshape([1, 3, side, side]);
        load(config, &weights).expect("loads").forward(image).expect("runs").into_data()
    };
    assert_eq!(features(&whole, 260), features(&dynamic, 260));
    assert_ne!(features(&whole, 96), features(&dynamic, 96));
}

#[test]
fn records_without_meaning_are_refused() {
    let whole = config(0);
    let mut weights = formula(&whole).select(&whole).expect("all there");
    weights.metadata_mut().insert("batch_norm_eps".to_owned(), "tiny".to_owned());
    let error = load(&whole, &weights).expect_err("no number").to_string();
    let expected = "metadata batch_norm_eps of the weights: expected a number, found tiny";
    assert_eq!(error, expected);
    weights.metadata_mut().remove("batch_norm_eps");
    let error = load(&whole, &weights).expect_err("a part").to_string();
    assert!(error.ends_with("expected a number, found nothing"), "{error}");
}

#[test]
fn no_blocks_asked_for_gives_no_outputs() {
    let backbone = load(&config(0), &formula(&config(0))).expect("loads");
    assert!(backbone.forward_blocks(zeros([1, 3, 32, 32]), &[]).expect("runs").is_empty());
}

#[test]
fn inputs_that_do_not_fit_are_errors() {
    let config = config(2);
    let backbone = load(&config, &formula(&config)).expect("loads");
    for shape in [[0, 3, 32, 32], [1, 1, 32, 32], [1, 4, 32, 32]] {
        let error = backbone.forward(zeros(shape)).expect_err("wrong shape");
        assert!(matches!(error, BackboneError::Input { found } if found == shape));
    }
    let error = backbone.forward(zeros([1, 3, 32, 0])).expect_err("no pixels");
    assert!(matches!(error, BackboneError::Side { found: 0, .. }));
    let error = backbone.forward(zeros([1, 3, 1, 32])).expect_err("too small");
    assert!(matches!(error, BackboneError::TooSmall { height: 1, width: 32, .. }));
    let error = backbone.forward_blocks(zeros([1, 3, 32, 32]), &[3]).expect_err("not loaded");
    assert!(matches!(error, BackboneError::NotLoaded { last: 2, found: 3 }));
}

/// Where `output_shape` says that a size fits, the network runs and gives that shape.
#[test]
fn shapes_foretold_are_shapes_given() {
    let whole = config(15);
    let weights = formula(&whole);
    for padding in [Padding::SameDynamic, Padding::SameStatic { native: 224 }, Padding::Symmetric] {
        let config = BackboneConfig { padding, ..whole };
        let backbone = load(&config, &weights).expect("loads");
        for (height, width) in [(1, 1), (2, 9), (17, 8), (33, 31), (32, 64)] {
            let foretold = config.output_shape(height, width).ok();
            let given = backbone.forward(zeros([1, 3, height, width])).ok();
            assert_eq!(foretold, given.map(|x| [x.dims()[1], x.dims()[2], x.dims()[3]]));
        }
    }
}
