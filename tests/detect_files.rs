//! Detection of many files.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use nfbmr::data::{DataError, Limits};
use nfbmr::{PipelineError, detect_files};
use nfbmr_backend::Cpu;

#[test]
fn files_score_in_order_and_bad_ones_in_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let images = suite::gears(9, 0, 1);
    let model = suite::train::<Cpu>(&suite::small(), &images).unwrap();
    let mut paths: Vec<PathBuf> = (0..9).map(|i| folder.path().join(format!("{i}.png"))).collect();
    for (path, image) in paths.iter().zip(&images) {
        image.save(path).unwrap();
    }
    fs::write(&paths[3], "no image").unwrap();
    paths.push(folder.path().join("absent.png"));

    let mut results = Vec::new();
    detect_files(&model, &paths, &Limits::default(), &mut |path, detected| {
        results.push((path.to_owned(), detected));
        ControlFlow::Continue(())
    });
    assert!(results.iter().map(|(path, _)| path).eq(&paths));
    for (index, (path, detected)) in results.iter().enumerate() {
        match (index, detected) {
            (3, Err(PipelineError::Data(DataError::Decode { path: found, .. })))
            | (9, Err(PipelineError::Data(DataError::Read { path: found, .. }))) => {
                assert_eq!(found, path);
            }
            (_, Ok(detected)) => {
                let alone = model.detect(&images[index]).unwrap();
                assert_eq!(detected.image, images[index].to_rgb8());
                assert_eq!(detected.detection.score, alone.score);
                assert_eq!(detected.detection.anomaly_map, alone.anomaly_map);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_caller_stops_detection() {
    let model = suite::train::<Cpu>(&suite::small(), &suite::gears(4, 0, 1)).unwrap();
    let paths = vec![PathBuf::from("absent.png"); 20];
    let mut seen = 0;
    detect_files(&model, &paths, &Limits::default(), &mut |_, detected| {
        assert!(detected.is_err());
        seen += 1;
        if seen == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(seen, 7);
    detect_files(&model, &[], &Limits::default(), &mut |_, _| unreachable!("there is no file"));
}
