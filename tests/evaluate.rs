//! What evaluation makes of labelled images.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::ops::ControlFlow;

use nfbmr::backend::Cpu;
use nfbmr::data::synthetic::{Counts, Kind, PartClass, write_mvtec};
use nfbmr::data::{Limits, load_image, mvtec};
use nfbmr::metrics::{MetricError, auroc};
use nfbmr::pipeline::evaluate;

#[test]
fn an_evaluation_is_what_its_images_give() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Counts { train: 4, test_good: 3, test_defect: 3 };
    write_mvtec(folder.path(), Kind::Part(PartClass::Gear), &counts, suite::SIDE, 1).unwrap();
    let mut set = mvtec(folder.path()).unwrap();
    let limits = Limits::default();
    let images: Vec<_> =
        set.train.iter().map(|sample| load_image(&sample.path, &limits).unwrap()).collect();
    let model = suite::train::<Cpu>(&suite::small(), &images).unwrap();

    let mut seen = 0;
    let mut go_on = |_: &_, _: &_| {
        seen += 1;
        ControlFlow::Continue(())
    };
    let evaluation = evaluate(&model, &set.test, &limits, &mut go_on).unwrap();
    assert_eq!(seen, set.test.len());
    for (tested, sample) in evaluation.images.iter().zip(&set.test) {
        let detection = model.detect(&load_image(&sample.path, &limits).unwrap()).unwrap();
        assert_eq!((&tested.sample, tested.score), (sample, detection.score));
        assert_eq!(tested.source, detection.source.map(|source| source.score));
        assert_eq!(tested.likelihood, detection.likelihood.map(|likelihood| likelihood.score));
    }
    let image = evaluation.image_metrics().unwrap();
    assert_eq!(image.auroc, auroc(&evaluation.scores(), &evaluation.labels()).unwrap());
    let pixel = evaluation.pixel_metrics().unwrap().unwrap();
    for metric in [pixel.auroc, pixel.aupro] {
        assert!((0.0..=1.0).contains(&metric.value) && metric.error < 1e-3, "{metric:?}");
    }
    assert!(evaluation.auroc_of(|tested| tested.target).unwrap().is_some());

    let defect = set.test.iter().position(|sample| sample.is_defect()).unwrap();
    set.test[defect].mask = None;
    let mut stop = |_: &_, _: &_| ControlFlow::Break(());
    let evaluation = evaluate(&model, &set.test, &limits, &mut stop).unwrap();
    assert_eq!(evaluation.images.len(), 1, "the caller stopped it");
    assert_eq!(evaluation.pixel_metrics(), Ok(None), "a defect has no mask");
    assert!(matches!(evaluation.image_metrics(), Err(MetricError::OneClass { .. })));
}
