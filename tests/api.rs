//! What the public types promise at compile time, and devices by name.

use nfbmr::config::{NfBmrConfig, TargetCnnConfig, TwoCnnsConfig};
use nfbmr::{
    AnomalyModel, BackboneWeights, Calibration, Detection, Pipeline, PipelineConfig, PipelineError,
    SystemConfig,
};

const fn send_and_sync<T: Send + Sync + ?Sized>() {}

const _: () = send_and_sync::<Pipeline>();
#[cfg(feature = "flex")]
const _: () = send_and_sync::<nfbmr_pipeline::Pipeline<nfbmr_backend::Cpu>>();
#[cfg(feature = "flex")]
const _: () = send_and_sync::<nfbmr_pipeline::CrossFitted<nfbmr_backend::Cpu>>();
#[cfg(feature = "ndarray")]
const _: () = send_and_sync::<nfbmr_pipeline::Pipeline<nfbmr_backend::NdArray>>();
#[cfg(feature = "cuda")]
const _: () = send_and_sync::<nfbmr_pipeline::Pipeline<nfbmr_backend::Cuda>>();
const _: () = send_and_sync::<Box<dyn AnomalyModel>>();
const _: () = send_and_sync::<BackboneWeights>();
const _: () = send_and_sync::<Calibration>();
const _: () = send_and_sync::<Detection>();
const _: () = send_and_sync::<PipelineError>();

/// `detect` takes `&self`.
const _: fn(&Pipeline, &image::DynamicImage) -> Result<Detection, PipelineError> = Pipeline::detect;

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_left_out_of_the_build_says_which_feature_brings_it() {
    let error = Pipeline::builder().device(nfbmr::DeviceName::Cuda(0)).load("model").unwrap_err();
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
    let own = "/system/nf-bmr";
    let unknown = [("", "epochs"), ("/flow", "width"), ("/bmr_training", "epoch"), ("", "bpfm")];
    let unknown = unknown.map(|(pointer, field)| (format!("{own}{pointer}"), field));
    for (pointer, field) in [(String::new(), "epochs")].into_iter().chain(unknown) {
        let mut changed = config.clone();
        changed.pointer_mut(&pointer).unwrap()[field] = 1.into();
        let error = serde_json::from_value::<PipelineConfig>(changed).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
    config.pointer_mut(own).unwrap()["pooling"] = "median".into();
    assert!(serde_json::from_value::<PipelineConfig>(config).is_err());
}

#[test]
fn values_without_meaning_are_refused() {
    type Change = fn(&mut PipelineConfig, &mut NfBmrConfig);
    let refused = |change: Change| {
        let (mut config, mut own) = (PipelineConfig::default(), NfBmrConfig::default());
        change(&mut config, &mut own);
        config.system = own.into();
        config.validate().unwrap_err().to_string()
    };
    use nfbmr::config::Pooling;
    let cases: [(Change, &str); 10] = [
        (|_, own| own.flow_training.batch_size = 0, "flow_training.batch_size"),
        (|_, own| own.bmr_training.learning_rate = f64::NAN, "bmr_training.learning_rate"),
        (|_, own| own.bmr_training.weight_decay = -1.0, "bmr_training.weight_decay"),
        (|_, own| own.flow_training.max_grad_norm = Some(0.0), "flow_training.max_grad_norm"),
        (|_, own| own.pooling = Pooling::TopFraction(0.0), "top_fraction"),
        (|c, _| c.input_size = 0, "input_size"),
        (|c, _| c.backbone.block = 99, "99"),
        (|c, _| c.earlier_blocks = vec![7, 4], "earlier_blocks must ascend"),
        (|c, _| c.earlier_blocks = vec![10], "before backbone.block 10, found [10]"),
        (|_, own| own.whitening.as_mut().unwrap().ridge = -1.0, "ridge must be positive"),
    ];
    for (change, name) in cases {
        let error = refused(change);
        assert!(error.contains(name), "{error} does not name {name}");
    }
}

#[test]
fn two_cnns_that_do_not_match_are_refused() {
    use nfbmr::config::{
        BackboneConfig, BidirectionalPfmConfig, MultiBlockPfmConfig, PfmConfig, Variant,
    };
    let refused = |system: fn(TwoCnnsConfig) -> SystemConfig, target_cnn| {
        let mut config = PipelineConfig::default();
        config.system = system(TwoCnnsConfig { target_cnn, ..TwoCnnsConfig::default() });
        config.validate().unwrap_err().to_string()
    };
    let [pfm, bpfm, mb_pfm]: [fn(TwoCnnsConfig) -> SystemConfig; 3] = [
        |own| PfmConfig(own).into(),
        |own| BidirectionalPfmConfig(own).into(),
        |own| MultiBlockPfmConfig(own).into(),
    ];
    let config = PipelineConfig::default();
    let blocks = config.blocks().unwrap();
    let last = BackboneConfig { block: 17, variant: Variant::Lite1, ..config.backbone };
    let counterpart = |last| TargetCnnConfig::counterpart(&config.backbone, &blocks, last);
    let target = counterpart(last).unwrap();
    assert_eq!((&target.earlier_blocks[..], target.backbone.block), (&[6, 10][..], 14));
    assert!(refused(pfm, None).contains("expected target_cnn, found none"));
    let mut one = target.clone();
    one.earlier_blocks.clear();
    assert!(refused(mb_pfm, Some(one)).contains("found [14] and [4, 7, 10]"));
    let mut finer = target.clone();
    (finer.backbone.block, finer.earlier_blocks) = (5, vec![4]);
    assert!(refused(bpfm, Some(finer)).contains("over the same grid"));
    let mut none = target;
    none.latents.clear();
    assert!(refused(bpfm, Some(none)).contains("target_cnn.latents"));
    let short = BackboneConfig { block: 8, ..last };
    let error = counterpart(short).unwrap_err().to_string();
    assert!(error.contains("last block, 8, comes before the stage of block 7"), "{error}");
}

/// Features of earlier blocks are averaged to the grid of the last and come before its channels.
#[cfg(all(feature = "flex", feature = "embedded-weights"))]
#[test]
fn features_of_several_blocks_are_put_together() {
    use burn::tensor::Tensor;
    use burn::tensor::module::avg_pool2d;
    use nfbmr::config::{NfConfig, PadimConfig};
    use nfbmr::weights;
    use nfbmr_backend::Cpu;
    use nfbmr_pipeline::{FeatureExtractor, Pipeline};

    let mut config = PipelineConfig::default();
    (config.input_size, config.system) = (64, PadimConfig::default().into());
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
    let [found] = source.extract(x.clone()).unwrap().try_into().unwrap();
    // Lite0's inputs are normalised by mean and standard deviation 0.5.
    let blocks = source.backbone().forward_blocks((x.clone() - 0.5) / 0.5, &[4, 7, 10]).unwrap();
    let [first, second, last] = blocks.try_into().unwrap();
    let first = avg_pool2d(first, [2, 2], [2, 2], [0, 0], true, false);
    let expected = Tensor::cat(vec![first, second, last], 1);
    assert_eq!(found.dims(), [2, 232, 4, 4]);
    let difference: f32 = (found.clone() - expected).abs().max().into_scalar();
    assert!(difference < 1e-5, "{difference}");

    // A pyramid has a level for each stride, of all blocks up to it.
    let mut own = NfConfig::default();
    own.flow_training.epochs = 0;
    config.system = own.into();
    let pipeline =
        Pipeline::<Cpu>::train(&config, weights::embedded(), &images[..], &device, &mut go_on);
    let pipeline = pipeline.unwrap();
    let source = pipeline.source();
    assert_eq!(source.level_blocks(), [vec![4], vec![4, 7, 10]]);
    let [fine, coarse] = source.extract(x.clone()).unwrap().try_into().unwrap();
    let blocks = source.backbone().forward_blocks((x - 0.5) / 0.5, &[4]).unwrap();
    for (level, expected) in [(fine, &blocks[0]), (coarse, &found)] {
        assert_eq!(level.into_data(), expected.clone().into_data());
    }
    assert_eq!(
        pipeline.flows().iter().map(|flow| flow.flow().channels()).collect::<Vec<_>>(),
        [40, 232]
    );
}
