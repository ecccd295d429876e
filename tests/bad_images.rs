//! Odd images are scored, and training does what the caller chose about bad files.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use nfbmr::data::{DataError, Limits, OnBadFile, list_images, load_image};
use nfbmr::{Images, Phase, PipelineError, weights};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::Pipeline;
use tempfile::TempDir;

fn bad(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad").join(name)
}

/// A folder with `good` images of gears, and `bad` files between them.
fn folder(good: u64, bad_names: &[&str]) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    for (index, image) in suite::gears(good, 0, 1).iter().enumerate() {
        image.save(folder.path().join(format!("{index}.png"))).unwrap();
    }
    for name in bad_names {
        fs::copy(bad(name), folder.path().join(format!("0-{name}"))).unwrap();
    }
    let files = list_images(&folder).unwrap();
    assert_eq!(files.len(), good as usize + bad_names.len());
    (folder, files)
}

fn train<'a>(images: impl Into<Images<'a>>) -> Result<Pipeline<Cpu>, PipelineError> {
    let progress = &mut |_: &_| ControlFlow::Continue(());
    Pipeline::train(&suite::small(), weights::embedded(), images, &Default::default(), progress)
}

fn names_of(errors: &[DataError]) -> Vec<String> {
    let name = |error: &DataError| match error {
        DataError::Decode { path, .. } => path.file_name().unwrap().to_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    errors.iter().map(name).collect()
}

#[test]
fn whatever_decodes_has_a_score_and_a_map_of_its_size() {
    let pipeline = suite::train::<Cpu>(&suite::small(), &suite::gears(3, 0, 1)).unwrap();
    let mut scored = 0;
    for path in list_images(bad("")).unwrap() {
        let Ok(image) = load_image(&path, &Limits::default()) else { continue };
        if image.width() == 4_000 {
            continue; // One more size, for a lot of time.
        }
        let detection = pipeline.detect(&image).unwrap();
        let map = &detection.anomaly_map;
        assert!(detection.score.is_finite(), "{}", path.display());
        assert!(map.values.iter().all(|value| value.is_finite()), "{}", path.display());
        assert_eq!((map.width, map.height), (image.width(), image.height()), "{}", path.display());
        scored += 1;
    }
    assert!(scored >= 40, "{scored}");
}

#[test]
fn training_stops_at_a_bad_file_and_names_it() {
    for name in ["truncated.png", "truncated_scan.jpg", "bomb.png", "text.png", "empty.png"] {
        let (_folder, files) = folder(3, &[name]);
        match train(&files).unwrap_err() {
            PipelineError::Data(error) => assert_eq!(names_of(&[error]), [format!("0-{name}")]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn training_skips_bad_files_and_reports_them() {
    let (_folder, files) = folder(3, &["truncated.png", "bomb.png"]);
    let mut skipped = Vec::new();
    let mut seen = 0;
    let skipping = Images::Files {
        paths: &files,
        limits: Limits::default(),
        on_bad: OnBadFile::Skip(&mut skipped),
    };
    let pipeline = Pipeline::<Cpu>::train(
        &suite::small(),
        weights::embedded(),
        skipping,
        &Default::default(),
        &mut |progress| {
            if progress.phase == Phase::Features {
                seen = progress.images;
                assert_eq!(progress.total_images, 5);
            }
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    assert_eq!(seen, 5, "skipped files count as seen");
    assert_eq!(names_of(&skipped), ["0-bomb.png", "0-truncated.png"]);

    let good = suite::gears(3, 0, 1);
    let without = suite::train::<Cpu>(&suite::small(), &good).unwrap();
    let score = |pipeline: &Pipeline<Cpu>| pipeline.detect(&good[0]).unwrap().score;
    assert_eq!(score(&pipeline), score(&without), "as if they were not there");
}

#[test]
fn too_few_images_are_left() {
    let (_folder, files) = folder(1, &["truncated.png", "bomb.png"]);
    let mut skipped = Vec::new();
    let limits = Limits::default();
    let on_bad = OnBadFile::Skip(&mut skipped);
    let error = train(Images::Files { paths: &files, limits, on_bad }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "training needs 2 images of good parts or more, found 1 besides 2 files that can't be read"
    );
    assert_eq!(skipped.len(), 2);
}

#[test]
fn limits_hold_in_training() {
    let (_folder, files) = folder(3, &[]);
    let limits = Limits { max_pixels: 100, ..Limits::default() };
    let images = Images::Files { paths: &files, limits, on_bad: OnBadFile::Stop };
    let error = train(images).unwrap_err().to_string();
    assert!(error.ends_with("0.png: expected at most 100 pixels, found 48 x 48"), "{error}");
}
