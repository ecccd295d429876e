//! Stages, strides and shapes by block.

use nfbmr_backbone::{BackboneConfig, BackboneError, Padding, Stage, Variant, WeightsSource};

/// Every variant up to its last block, with each padding.
fn networks() -> impl Iterator<Item = BackboneConfig> {
    let paddings = |variant: Variant| {
        let native = variant.native_resolution();
        [Padding::SameDynamic, Padding::SameStatic { native }, Padding::Symmetric]
    };
    Variant::ALL.into_iter().flat_map(move |variant| {
        let last = variant.block_count() - 1;
        let config =
            BackboneConfig::new(WeightsSource::TimmTf, variant, last).expect("every variant");
        paddings(variant).map(|padding| BackboneConfig { padding, ..config })
    })
}

#[test]
fn a_shape_is_that_of_the_network_that_ends_there() {
    for config in networks() {
        for block in 0..config.variant.block_count() {
            let own = BackboneConfig { block, ..config }.output_shape(130, 97).expect("an image");
            assert_eq!(config.shape(block, 130, 97).expect("an image"), own);
            // Whichever block is the last in use.
            let first = BackboneConfig { block: 0, ..config };
            assert_eq!(first.shape(block, 130, 97).expect("an image"), own);
        }
    }
}

#[test]
fn strides_and_grids_cover_the_image() {
    for config in networks() {
        let native = config.variant.native_resolution();
        // Padding that is fixed for the native resolution covers no other for sure.
        let others = if matches!(config.padding, Padding::SameStatic { .. }) { 0 } else { 4 };
        for side in [native, 97, 100, 128, 131].into_iter().take(1 + others) {
            for block in 0..=config.block {
                let stride = config.stride(block).expect("a block");
                let [channels, height, width] = config.shape(block, side, side).expect("an image");
                assert_eq!(Some(channels), config.variant.channels(block));
                assert_eq!([height, width], [side.div_ceil(stride); 2], "{config:?}, {block}");
            }
        }
    }
}

#[test]
fn stages_are_runs_of_blocks_of_one_shape() {
    for config in networks() {
        let stages = config.stages().expect("valid");
        assert_eq!(stages.len(), 7);
        let mut next = 0;
        for Stage { blocks, stride, channels } in stages {
            assert_eq!(blocks.start, next);
            assert!(!blocks.is_empty());
            next = blocks.end;
            for block in blocks {
                assert_eq!(config.stride(block).expect("a block"), stride);
                assert_eq!(config.variant.channels(block), Some(channels));
            }
        }
        assert_eq!(next, config.block + 1);
    }
}

#[test]
fn the_last_stage_ends_with_the_last_block() {
    let config = BackboneConfig::new(WeightsSource::Timm, Variant::Lite0, 6).expect("a block");
    let expected = [(0..1, 2, 16), (1..3, 4, 24), (3..5, 8, 40), (5..7, 16, 80)];
    let stage = |(blocks, stride, channels)| Stage { blocks, stride, channels };
    assert_eq!(config.stages().expect("valid"), expected.map(stage));
}

#[test]
fn a_block_past_the_end_has_no_shape() {
    let config = BackboneConfig::new(WeightsSource::Timm, Variant::Lite0, 6).expect("a block");
    let errors = [config.shape(16, 64, 64).map(drop), config.stride(16).map(drop)];
    for error in errors {
        assert!(matches!(error, Err(BackboneError::Block { blocks: 16, found: 16, .. })));
    }
    let error = BackboneConfig { block: 16, ..config }.stages();
    assert!(matches!(error, Err(BackboneError::Block { .. })));
}

#[test]
fn an_image_that_does_not_fit_is_told_what_would() {
    for config in networks() {
        for block in [0, config.block] {
            let config = BackboneConfig { block, ..config };
            config.check(1 << 16, 224).expect("the largest side");
            for side in [0, (1 << 16) + 1] {
                let error = config.check(224, side);
                assert!(
                    matches!(error, Err(BackboneError::Side { max: 65536, found, .. }) if found == side)
                );
            }
            match config.check(1, 224) {
                Ok(()) => assert!(config.shape(block, 1, 224).is_ok()),
                Err(BackboneError::TooSmall { min, height: 1, width: 224 }) => {
                    config.check(min, min).expect("the smallest side");
                    config.check(min - 1, 224).expect_err("a smaller one");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    let config =
        BackboneConfig::new(WeightsSource::EfficientnetPytorch, Variant::B5, 35).expect("a block");
    let error = config.check(1, 224).expect_err("too small").to_string();
    assert!(error.contains(" or more on each side"), "{error}");
}
