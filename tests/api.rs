//! What the public types promise at compile time, and devices by name.

use nfbmr::{AnomalyModel, BackboneWeights, Detection, PipelineConfig, PipelineError};

const fn send_and_sync<T: Send + Sync + ?Sized>() {}

#[cfg(feature = "flex")]
const _: () = send_and_sync::<nfbmr::Pipeline>();
#[cfg(feature = "flex")]
const _: () = send_and_sync::<nfbmr::CrossFitted>();
#[cfg(feature = "ndarray")]
const _: () = send_and_sync::<nfbmr::pipeline::Pipeline<nfbmr::backend::NdArray>>();
#[cfg(feature = "cuda")]
const _: () = send_and_sync::<nfbmr::pipeline::Pipeline<nfbmr::backend::Cuda>>();
const _: () = send_and_sync::<Box<dyn AnomalyModel>>();
const _: () = send_and_sync::<BackboneWeights>();
const _: () = send_and_sync::<Detection>();
const _: () = send_and_sync::<PipelineError>();

/// `detect` takes `&self`.
#[cfg(feature = "flex")]
const _: fn(&nfbmr::Pipeline, &image::DynamicImage) -> Result<Detection, PipelineError> =
    nfbmr::Pipeline::detect;

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_left_out_of_the_build_says_which_feature_brings_it() {
    let error = nfbmr::load("model", None, nfbmr::DeviceName::Cuda(0)).err().unwrap();
    assert!(error.to_string().contains("--features cuda"), "{error}");
}

#[test]
fn presets_validate_and_round_trip_through_json() {
    use PipelineConfig as Config;
    for config in [Config::default(), Config::fast(), Config::accurate(), Config::paper()] {
        config.validate().unwrap();
        let json = serde_json::to_string(&config).unwrap();
        let back: PipelineConfig = serde_json::from_str(&json).unwrap();
        assert_eq!(back, config);
        assert_eq!(back.fingerprint(), config.fingerprint());
    }
    assert_eq!(PipelineConfig::paper().validate().unwrap(), [304, 24, 24]);
    assert_ne!(PipelineConfig::default().fingerprint(), PipelineConfig::paper().fingerprint());
}

#[test]
fn unknown_fields_are_refused_by_name() {
    let mut config = serde_json::to_value(PipelineConfig::default()).unwrap();
    for (pointer, field) in [("", "epochs"), ("/flow", "width"), ("/bmr_training", "epoch")] {
        let mut changed = config.clone();
        changed.pointer_mut(pointer).unwrap()[field] = 1.into();
        let error = serde_json::from_value::<PipelineConfig>(changed).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
    config["pooling"] = "median".into();
    assert!(serde_json::from_value::<PipelineConfig>(config).is_err());
}

#[test]
fn values_without_meaning_are_refused() {
    type Change = fn(&mut PipelineConfig);
    let refused = |change: Change| {
        let mut config = PipelineConfig::default();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    };
    use nfbmr::pipeline::Pooling;
    let cases: [(Change, &str); 10] = [
        (|c| c.flow_training.batch_size = 0, "flow_training.batch_size"),
        (|c| c.bmr_training.learning_rate = f64::NAN, "bmr_training.learning_rate"),
        (|c| c.bmr_training.weight_decay = -1.0, "bmr_training.weight_decay"),
        (|c| c.flow_training.max_grad_norm = Some(0.0), "flow_training.max_grad_norm"),
        (|c| c.pooling = Pooling::TopFraction(0.0), "top_fraction"),
        (|c| c.input_size = 0, "input_size"),
        (|c| c.backbone.block = 99, "99"),
        (|c| c.earlier_blocks = vec![7, 4], "earlier_blocks must ascend"),
        (|c| c.earlier_blocks = vec![10], "before backbone.block 10, found [10]"),
        (|c| c.whitening.as_mut().unwrap().ridge = -1.0, "ridge must be positive"),
    ];
    for (change, name) in cases {
        let error = refused(change);
        assert!(error.contains(name), "{error} does not name {name}");
    }
}

#[test]
fn two_cnns_that_do_not_match_are_refused() {
    use nfbmr::backbone::{BackboneConfig, Variant};
    use nfbmr::pipeline::TargetCnnConfig;
    let refused = |system: &str, target: Option<TargetCnnConfig>| {
        let mut config = PipelineConfig::default();
        config.system = system.parse().unwrap();
        config.target_cnn = target;
        config.validate().unwrap_err().to_string()
    };
    let config = PipelineConfig::default();
    let last = BackboneConfig { block: 17, variant: Variant::Lite1, ..config.backbone };
    let target = TargetCnnConfig::counterpart(&config, last).unwrap();
    assert_eq!((&target.earlier_blocks[..], target.backbone.block), (&[6, 10][..], 14));
    assert!(refused("pfm", None).contains("expected target_cnn, found none"));
    let mut one = target.clone();
    one.earlier_blocks.clear();
    assert!(refused("mb-pfm", Some(one)).contains("found [14] and [4, 7, 10]"));
    let mut finer = target.clone();
    (finer.backbone.block, finer.earlier_blocks) = (5, vec![4]);
    assert!(refused("bpfm", Some(finer)).contains("over the same grid"));
    let mut none = target;
    none.latents.clear();
    assert!(refused("bpfm", Some(none)).contains("target_cnn.latents"));
    let short = BackboneConfig { block: 8, ..last };
    let error = TargetCnnConfig::counterpart(&config, short).unwrap_err().to_string();
    assert!(error.contains("last block, 8, comes before the stage of block 7"), "{error}");
}

/// Features of earlier blocks are averaged to the grid of the last and come before its channels.
#[cfg(all(feature = "flex", feature = "embedded-weights"))]
#[test]
fn features_of_several_blocks_are_put_together() {
    use burn::tensor::Tensor;
    use burn::tensor::module::avg_pool2d;
    use nfbmr::backend::Cpu;
    use nfbmr::pipeline::{FeatureExtractor, Pipeline};
    use nfbmr::weights;

    let mut config = PipelineConfig::default();
    (config.input_size, config.system) = (64, nfbmr::System::Padim);
    let images: Vec<_> = [2u8, 3]
        .map(|step| {
            let pixel =
                |x: u32, y: u32| image::Rgb([(x * 4) as u8, (y as u8) * step, x as u8 ^ y as u8]);
            image::DynamicImage::from(image::RgbImage::from_fn(64, 64, pixel))
        })
        .into();
    let device = Default::default();
    let mut go_on = |_: &_| std::ops::ControlFlow::Continue(());
    let pipeline =
        Pipeline::<Cpu>::train(&config, weights::embedded(), &images[..], &device, &mut go_on);
    let pipeline = pipeline.unwrap();
    let source = pipeline.source();
    assert_eq!(source.blocks(), [4, 7, 10]);

    let x = Tensor::<Cpu, 4>::random([2, 3, 64, 64], burn::tensor::Distribution::Default, &device);
    let found = source.extract(x.clone()).unwrap();
    // Lite0's inputs are normalised by mean and standard deviation 0.5.
    let blocks = source.backbone().forward_blocks((x.clone() - 0.5) / 0.5, &[4, 7, 10]).unwrap();
    let [first, second, last] = blocks.try_into().unwrap();
    let first = avg_pool2d(first, [2, 2], [2, 2], [0, 0], true, false);
    let expected = Tensor::cat(vec![first, second, last], 1);
    assert_eq!(found.dims(), [2, 232, 4, 4]);
    let difference: f32 = (found.clone() - expected).abs().max().into_scalar();
    assert!(difference < 1e-5, "{difference}");

    // A pyramid has a level for each stride, of all blocks up to it.
    config.system = nfbmr::System::Nf;
    config.flow_training.epochs = 0;
    let pipeline =
        Pipeline::<Cpu>::train(&config, weights::embedded(), &images[..], &device, &mut go_on);
    let pipeline = pipeline.unwrap();
    let source = pipeline.source();
    assert_eq!(source.level_blocks(), [vec![4], vec![4, 7, 10]]);
    let [fine, coarse] = source.levels(x.clone()).unwrap().try_into().unwrap();
    let blocks = source.backbone().forward_blocks((x - 0.5) / 0.5, &[4]).unwrap();
    for (level, expected) in [(fine, &blocks[0]), (coarse, &found)] {
        assert_eq!(level.into_data(), expected.clone().into_data());
    }
    assert_eq!(
        pipeline.flows().iter().map(|flow| flow.flow().channels()).collect::<Vec<_>>(),
        [40, 232]
    );
}
