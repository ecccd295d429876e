//! What evaluation makes of labelled images.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::ops::ControlFlow;

use std::path::Path;

use nfbmr::data::{Dataset, LabelledImage, Layout, Limits, OnBadFile, datasets, load_image};
use nfbmr::evaluation::{MetricError, Tested, auroc, evaluate};
use nfbmr::{
    AnomalyModel, CalibrateError, CrossFitting, Detection, StoredBackbone, System, report, weights,
};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::Pipeline;
use nfbmr_synthetic::{Counts, Kind, PartClass, write_mvtec};

/// The only category of a data set.
fn mvtec(folder: &Path) -> Dataset {
    datasets(folder, Layout::Mvtec, &Default::default()).unwrap().remove(0)
}

#[test]
fn an_evaluation_is_what_its_images_give() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Counts { train: 4, test_good: 3, test_defect: 3 };
    write_mvtec(folder.path(), Kind::Part(PartClass::Gear), &counts, suite::SIDE, 1).unwrap();
    let mut set = mvtec(folder.path());
    let limits = Limits::default();
    let images: Vec<_> =
        set.train.iter().map(|sample| load_image(&sample.path, &limits).unwrap()).collect();
    let model = suite::train::<Cpu>(&suite::small(), &images).unwrap();

    let mut seen = 0;
    let mut go_on = |_: &_, _: &_| {
        seen += 1;
        ControlFlow::Continue(())
    };
    let evaluation = evaluate(&model, &set.test, &limits, OnBadFile::Stop, &mut go_on).unwrap();
    assert_eq!(seen, set.test.len());
    for (tested, sample) in evaluation.images.iter().zip(&set.test) {
        let detection = model.detect(&load_image(&sample.path, &limits).unwrap()).unwrap();
        assert_eq!((&tested.image, tested.score), (sample, detection.score));
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

    assert_eq!((evaluation.masks().defects, evaluation.masks().used), (3, 3));

    set.test.retain(LabelledImage::is_defect);
    set.test[0].masks.clear();
    let mut stop = |_: &_, _: &_| ControlFlow::Break(());
    let evaluation = evaluate(&model, &set.test, &limits, OnBadFile::Stop, &mut stop).unwrap();
    assert_eq!(evaluation.images.len(), 1, "the caller stopped it");
    assert_eq!(evaluation.pixel_metrics(), Ok(None), "the defect has no mask");
    assert_eq!(evaluation.masks().missing, [&*set.test[0].path]);
    assert!(matches!(evaluation.image_metrics(), Err(MetricError::OneClass { .. })));
}

/// A system that gives a score alone has no map, no regions, no pixel threshold and no pixel metrics, nor have folds
/// of it.
#[test]
fn a_score_alone_has_no_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Counts { train: 0, test_good: 3, test_defect: 3 };
    write_mvtec(folder.path(), Kind::Part(PartClass::Gear), &counts, suite::SIDE, 5).unwrap();
    let set = mvtec(folder.path());
    let config = suite::small_of(System::DifferNet);
    let images = suite::gears(8, 0, 6);
    let mut go_on = |_: &_| ControlFlow::Continue(());
    let mut model = suite::train::<Cpu>(&config, &images[..4]).unwrap();
    model.calibrate(&images[4..], None, &mut go_on).unwrap();
    let path = folder.path().join("model");
    model.save(&path, StoredBackbone::Referred).unwrap();
    let mut model = Pipeline::<Cpu>::load(&path, weights::embedded(), &Default::default()).unwrap();
    let calibration = model.calibration_mut().unwrap();
    assert!(calibration.pixel_threshold().is_none() && calibration.heat_scale().is_none());
    let refused = calibration.set_pixel_threshold(1.0).unwrap_err();
    assert!(matches!(refused, CalibrateError::NoMap), "{refused}");

    let (storage, fitting) = (Default::default(), CrossFitting::new(2, None));
    let weights = weights::embedded();
    let folds =
        suite::cross_fit::<Cpu>(&config, weights, &images, fitting, &storage, &mut go_on).unwrap();
    for model in [&model as &dyn AnomalyModel, &folds] {
        let mut seen = 0;
        let mut each = |_: &Tested, detection: &Detection| {
            assert!(detection.anomaly_map.is_none() && detection.is_anomalous().is_some());
            let json = serde_json::to_value(detection).unwrap();
            assert_eq!((&json["regions"], &json["width"]), (&serde_json::Value::Null, &0.into()));
            seen += 1;
            ControlFlow::Continue(())
        };
        let limits = Limits::default();
        let evaluation = evaluate(model, &set.test, &limits, OnBadFile::Stop, &mut each).unwrap();
        evaluation.image_metrics().unwrap();
        assert_eq!(evaluation.pixel_metrics(), Ok(None));
        assert_eq!((seen, evaluation.masks().defects), (6, 0));
        let run = report::run("gear", 0, "differnet", &evaluation);
        let examples = report::examples(model, &evaluation, &run, &limits).unwrap();
        let pictured =
            |example: &report::Example| example.heatmap.is_some() || example.overlay.is_some();
        assert!(!examples.is_empty() && !examples.iter().any(pictured));
    }
}

/// Pixel metrics are those of the images that have a mask, and the evaluation names the others.
#[test]
fn defects_without_a_mask_are_left_out_of_pixel_metrics_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Counts { train: 4, test_good: 3, test_defect: 6 };
    write_mvtec(folder.path(), Kind::Part(PartClass::Gear), &counts, suite::SIDE, 3).unwrap();
    let mut set = mvtec(folder.path());
    let model = suite::train::<Cpu>(&suite::small(), &suite::gears(4, 0, 3)).unwrap();
    let evaluated = |model: &dyn AnomalyModel, samples: &[LabelledImage]| {
        let mut go_on = |_: &_, _: &_| ControlFlow::Continue(());
        evaluate(model, samples, &Limits::default(), OnBadFile::Stop, &mut go_on)
    };
    let picture = |name: &str, side: u32, value: fn(u32) -> u8| {
        let path = folder.path().join(name);
        image::GrayImage::from_fn(side, side, |x, _| image::Luma([value(x)])).save(&path).unwrap();
        path
    };
    let black = picture("black.png", suite::SIDE, |_| 0);
    let most = picture("most.png", suite::SIDE, |x| u8::from(x < 30));
    let half = picture("half.png", suite::SIDE, |x| u8::from(x < 24));
    let other = picture("other.png", suite::SIDE + 1, |_| 1);

    let defects: Vec<usize> = (0..9).filter(|&index| set.test[index].is_defect()).collect();
    let [no_mask, empty, inverted, several, ..] = defects[..] else { panic!("{defects:?}") };
    set.test[no_mask].masks.clear();
    set.test[empty].masks = vec![black.clone(); 2];
    set.test[inverted].masks = vec![most.clone()];
    // An empty mask among others is none the worse, and half of an image isn't most of it.
    set.test[several].masks = vec![black, half];
    let evaluation = evaluated(&model, &set.test).unwrap();
    let masks = evaluation.masks();
    assert_eq!((masks.defects, masks.used, masks.not_inspected), (6, 4, 0));
    assert_eq!(masks.missing, [&*set.test[no_mask].path]);
    assert_eq!(masks.empty, [&*set.test[empty].path]);
    assert_eq!(masks.mostly_marked, [most]);
    let mut with_masks = set.test.clone();
    let without = [no_mask, empty].map(|index| set.test[index].path.clone());
    with_masks.retain(|sample| !without.contains(&sample.path));
    let expected = evaluated(&model, &with_masks).unwrap();
    assert!(evaluation.pixel_metrics().unwrap().is_some());
    assert_eq!(evaluation.pixel_metrics(), expected.pixel_metrics());
    assert_eq!(evaluation.images.len(), 9);
    assert_eq!(evaluation.image_metrics().unwrap().auroc, {
        auroc(&evaluation.scores(), &evaluation.labels()).unwrap()
    });

    let mut wrong = set.test.clone();
    wrong[several].masks.push(other.clone());
    let problem = evaluated(&model, &wrong).unwrap_err().to_string();
    assert!(problem.contains(&format!("{}, found 49 x 49", other.display())), "{problem}");
    wrong.iter_mut().for_each(|sample| sample.masks.clear());
    let evaluation = evaluated(&model, &wrong).unwrap();
    assert_eq!((evaluation.masks().missing.len(), evaluation.pixel_metrics()), (6, Ok(None)));
}

/// Of a model that inspects the left half, the pixels of the right half say nothing.
#[test]
fn pixel_metrics_leave_out_what_is_not_inspected() {
    use image::{GrayImage, Luma};
    use nfbmr::config::Mask;
    use nfbmr_metrics::PixelHistogram;

    let folder = tempfile::tempdir().unwrap();
    let counts = Counts { train: 4, test_good: 2, test_defect: 3 };
    write_mvtec(folder.path(), Kind::Part(PartClass::Gear), &counts, suite::SIDE, 4).unwrap();
    let mut set = mvtec(folder.path());
    let columns = suite::SIDE as usize;
    let column = |x, _| Luma([if (20..30).contains(&x) { 255 } else { 0 }]);
    let path = folder.path().join("bar.png");
    GrayImage::from_fn(suite::SIDE, suite::SIDE, column).save(&path).unwrap();
    for sample in set.test.iter_mut().filter(|sample| sample.is_defect()) {
        sample.masks = vec![path.clone()];
    }
    let mut config = suite::small();
    let left = GrayImage::from_fn(2, 1, |x, _| Luma([u8::from(x == 0)]));
    config.mask = Some(Mask::new(&left.into()).unwrap());
    let model = suite::train::<Cpu>(&config, &suite::gears(4, 0, 3)).unwrap();

    let mut halves = PixelHistogram::new();
    let mut add = |tested: &Tested, detection: &Detection| {
        let map = detection.anomaly_map.values.chunks(columns);
        let map: Vec<f32> = map.flat_map(|row| row[..columns / 2].to_vec()).collect();
        let defect = tested.image.is_defect();
        let mask: Vec<bool> = (0..map.len()).map(|pixel| defect && pixel % 24 >= 20).collect();
        halves.add(&map, 24, suite::SIDE, Some(&mask)).unwrap();
        ControlFlow::Continue(())
    };
    let evaluation =
        evaluate(&model, &set.test, &Limits::default(), OnBadFile::Stop, &mut add).unwrap();
    let found = evaluation.pixel_metrics().unwrap().unwrap();
    assert_eq!(found.auroc, halves.auroc().unwrap());
    assert_eq!(found.aupro, halves.aupro(0.3).unwrap());
    assert_eq!(found.f1_max, halves.f1_max().unwrap());
    assert_eq!(evaluation.masks().not_inspected, 3 * 6 * u64::from(suite::SIDE));

    let right = |x, _| Luma([u8::from(x >= 24)]);
    GrayImage::from_fn(suite::SIDE, suite::SIDE, right).save(&path).unwrap();
    let mut go_on = |_: &_, _: &_| ControlFlow::Continue(());
    let evaluation =
        evaluate(&model, &set.test, &Limits::default(), OnBadFile::Stop, &mut go_on).unwrap();
    assert_eq!((evaluation.masks().used, evaluation.pixel_metrics()), (3, Ok(None)));
}

/// What a report shows is what the evaluation has.
#[test]
fn an_evaluation_makes_a_report() {
    use nfbmr::report::{self, Report};

    let folder = tempfile::tempdir().unwrap();
    let counts = Counts { train: 4, test_good: 5, test_defect: 8 };
    write_mvtec(folder.path(), Kind::Part(PartClass::Gear), &counts, suite::SIDE, 2).unwrap();
    let mut set = mvtec(folder.path());
    let limits = Limits::default();
    let model = suite::train::<Cpu>(&suite::small(), &suite::gears(4, 0, 2)).unwrap();
    let mut go_on = |_: &_, _: &_| ControlFlow::Continue(());
    let evaluation = evaluate(&model, &set.test, &limits, OnBadFile::Stop, &mut go_on).unwrap();
    let run = report::run("gear", 7, "nf-bmr", &evaluation);
    assert_eq!(run.scores.len(), 13);
    let scores: Vec<f32> = run.scores.iter().map(|score| score.score).collect();
    assert_eq!(scores, evaluation.scores());
    let pixel = evaluation.pixel_metrics().unwrap().unwrap();
    assert_eq!(run.pixel.map(|found| found.aupro), Some(pixel.aupro.value));
    let auroc = evaluation.image_metrics().unwrap().auroc;
    assert!(run.image_auroc_interval.is_some_and(|[low, high]| low <= auroc && auroc <= high));

    let examples = report::examples(&model, &evaluation, &run, &limits).unwrap();
    // Three false alarms, three misses and the three clearest defects.
    assert_eq!(examples.len(), 9);
    assert_eq!(examples.iter().filter(|example| example.defect.is_some()).count(), 6);
    let lowest = |defect: bool| {
        let labelled = scores.iter().zip(evaluation.labels());
        labelled.filter(move |(_, label)| *label == defect).map(|(score, _)| *score)
    };
    assert_eq!(examples[0].score, lowest(false).fold(f32::MIN, f32::max), "the worst false alarm");
    assert_eq!(examples[3].score, lowest(true).fold(f32::MAX, f32::min), "the worst miss");
    assert!(examples.iter().all(|example| example.mask.is_some() == example.defect.is_some()));
    assert!(examples.iter().all(|example| example.heatmap.is_some()));
    assert!(examples.iter().all(|example| example.scale == examples[0].scale), "one for all");
    let likelihoods: Vec<_> = evaluation.images.iter().map(|tested| tested.likelihood).collect();
    assert!(likelihoods.iter().all(Option::is_some));
    assert!(run.scores.iter().map(|score| score.likelihood).eq(likelihoods));

    let projections = report::projections(&model, &evaluation, &limits).unwrap();
    let spaces: Vec<&str> = projections.iter().map(|projection| &*projection.space).collect();
    assert_eq!(spaces, ["source", "target"]);
    assert_ne!(projections[0].points, projections[1].points);
    for projection in &projections {
        assert_eq!(projection.points.len(), 13);
        let defects = projection.points.iter().map(|point| point.defect.is_some());
        assert!(defects.eq(evaluation.labels()));
        let [first, second] = projection.explained;
        assert!(first >= second && second > 0.0 && first + second <= 1.0, "{first} {second}");
    }

    let mut report = Report::new("gears");
    report.runs.push(run);
    report.examples = examples;
    assert!(report.to_html().unwrap().contains("data:image/png;base64"));

    // Of good images alone there is less to say.
    set.test.retain(|sample| !sample.is_defect());
    let evaluation = evaluate(&model, &set.test, &limits, OnBadFile::Stop, &mut go_on).unwrap();
    let run = report::run("gear", 7, "nf-bmr", &evaluation);
    assert_eq!((run.image_auroc_interval, run.pixel), (None, None));
    assert_eq!(report::examples(&model, &evaluation, &run, &limits).unwrap().len(), 3);
}

/// By another way than the library's: positions summed one by one.
#[test]
fn mean_features_are_means_over_the_positions() {
    use burn::tensor::{Tensor, TensorData};
    use nfbmr_pipeline::FeatureExtractor;

    let model = suite::train::<Cpu>(&suite::small(), &suite::gears(4, 0, 2)).unwrap();
    let image = &suite::gears(5, 0, 2)[4];
    let found = model.mean_features(image).unwrap();

    let side = suite::SIDE as usize;
    let pixels = TensorData::new(image.to_rgb32f().into_raw(), [1, side, side, 3]);
    let pixels = Tensor::<Cpu, 4>::from_data(pixels, &Default::default()).permute([0, 3, 1, 2]);
    let (mut source, mut target) = (found.source.as_slice(), found.target.as_deref().unwrap());
    let levels = model.source().extract(pixels).unwrap();
    assert!(levels.len() > 1);
    for (flow, y) in model.flows().iter().zip(levels) {
        let y = flow.whiten(y).unwrap();
        let z = flow.flow().forward(y.clone()).unwrap().z;
        for (rest, features) in [(&mut source, y), (&mut target, z)] {
            let [_, channels, height, width] = features.dims();
            let values: Vec<f32> = features.into_data().to_vec().unwrap();
            let found = rest.split_off(..channels).unwrap();
            for (found, channel) in found.iter().zip(values.chunks(height * width)) {
                let mean = channel.iter().sum::<f32>() / channel.len() as f32;
                assert!((found - mean).abs() < 1e-5 * (1.0 + mean.abs()), "{found} for {mean}");
            }
        }
    }
    assert!(source.is_empty() && target.is_empty());
}

#[test]
fn a_system_without_a_target_space_is_shown_in_the_source_space_alone() {
    use nfbmr::{System, report};

    let folder = tempfile::tempdir().unwrap();
    let counts = Counts { train: 4, test_good: 2, test_defect: 2 };
    write_mvtec(folder.path(), Kind::Part(PartClass::Gear), &counts, suite::SIDE, 2).unwrap();
    let set = mvtec(folder.path());
    let config = suite::small_of(System::PatchCore);
    let model = suite::train::<Cpu>(&config, &suite::gears(4, 0, 2)).unwrap();
    let limits = Limits::default();
    let evaluate = |samples: &[_]| {
        evaluate(&model, samples, &limits, OnBadFile::Stop, &mut |_, _| ControlFlow::Continue(()))
            .unwrap()
    };
    let evaluation = evaluate(&set.test);
    let projections = report::projections(&model, &evaluation, &limits).unwrap();
    let spaces: Vec<&str> = projections.iter().map(|projection| &*projection.space).collect();
    assert_eq!(spaces, ["source"]);
    let run = report::run("gear", 0, "patchcore", &evaluation);
    assert!(run.scores.iter().all(|score| score.likelihood.is_none()));
    assert!(report::projections(&model, &evaluate(&[]), &limits).unwrap().is_empty());
}

/// What can't be read changes nothing for the rest.
#[test]
fn images_that_cannot_be_read_stop_it_or_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Counts { train: 4, test_good: 4, test_defect: 4 };
    write_mvtec(folder.path(), Kind::Part(PartClass::Gear), &counts, suite::SIDE, 2).unwrap();
    let set = mvtec(folder.path());
    let limits = Limits::default();
    let model = suite::train::<Cpu>(&suite::small(), &suite::gears(4, 0, 2)).unwrap();
    let mut go_on = |_: &_, _: &_| ControlFlow::Continue(());

    let good = set.test.iter().position(|image| !image.is_defect()).unwrap();
    let defect = set.test.iter().rposition(LabelledImage::is_defect).unwrap();
    let without: Vec<_> = (0..set.test.len())
        .filter(|index| ![good, defect].contains(index))
        .map(|index| set.test[index].clone())
        .collect();
    let expected = evaluate(&model, &without, &limits, OnBadFile::Stop, &mut go_on).unwrap();

    let mask = &set.test[defect].masks[0];
    std::fs::write(&set.test[good].path, "no image").unwrap();
    std::fs::write(mask, "no mask").unwrap();
    let error = evaluate(&model, &set.test, &limits, OnBadFile::Stop, &mut go_on).unwrap_err();
    let named = [&set.test[good].path, mask].map(|path| path.display().to_string());
    assert!(named.iter().any(|path| error.to_string().contains(path)), "{error}");

    let mut skipped = Vec::new();
    let on_bad = OnBadFile::Skip(&mut skipped);
    let evaluation = evaluate(&model, &set.test, &limits, on_bad, &mut go_on).unwrap();
    let all: String = skipped.iter().map(|error| format!("{error}\n")).collect();
    assert_eq!(skipped.len(), 2, "{all}");
    assert!(named.iter().all(|path| all.contains(path)), "{all}");
    assert_eq!(evaluation.scores(), expected.scores());
    assert_eq!(evaluation.masks(), expected.masks());
    assert_eq!(evaluation.pixel_metrics(), expected.pixel_metrics());
}
