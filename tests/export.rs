//! Models written as ONNX graphs, and those that aren't, by name. That graphs score as models do is
//! for `tests/onnx/check`, which has runtimes.
#![cfg(all(feature = "flex", feature = "embedded-weights"))]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::fs;
use std::ops::ControlFlow;

use nfbmr::config::AlignmentMotion;
use nfbmr::{ExportError, OnnxExport, PipelineError, System, weights};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::{CrossFitting, Pipeline, TrainingStorage};

fn trained(config: &nfbmr::PipelineConfig) -> Pipeline<Cpu> {
    suite::train(config, &suite::gears(6, 0, 1)).unwrap()
}

fn refused(model: &Pipeline<Cpu>, export: &OnnxExport) -> ExportError {
    match model.to_onnx(export) {
        Err(PipelineError::Export(error)) => error,
        other => panic!("expected a refusal, found {:?}", other.map(|bytes| bytes.len())),
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn systems_are_written_or_refused_by_name() {
    let written = [System::NfBmr, System::Nf, System::Padim, System::PatchCore];
    for &system in System::ALL {
        let weights = suite::two_cnns();
        let (config, images) = (suite::small_of(system), suite::gears(6, 0, 1));
        let model = suite::train_with(&config, Some(&weights), &images).unwrap();
        if written.contains(&system) {
            let bytes = model.to_onnx(&OnnxExport::new()).unwrap();
            for output in ["score", "anomaly_map", "nfbmr.config"] {
                assert!(contains(&bytes, output), "{system}: {output}");
            }
            // Of a model that isn't calibrated.
            assert!(!contains(&bytes, "p_value") && !contains(&bytes, "nfbmr.threshold"));
            continue;
        }
        let error = refused(&model, &OnnxExport::new());
        assert!(matches!(error, ExportError::System { found, .. } if found == system.name()));
        let expected =
            format!("expected a system of `nf-bmr`, `nf`, `padim`, `patchcore`, found `{system}`");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

#[test]
fn parts_that_are_located_first_are_refused() {
    let mut config = suite::small();
    config.alignment = AlignmentMotion::Shift.into();
    let error = refused(&trained(&config), &OnnxExport::new());
    assert!(matches!(&error, ExportError::Alignment { found } if found == "shift"), "{error}");
    assert!(error.to_string().contains("found `alignment = shift`"), "{error}");
}

#[test]
fn sizes_that_no_image_has_are_refused() {
    let model = trained(&suite::small());
    for size in [(0, 5), (5, 0), (1 << 15, 5), (u32::MAX, u32::MAX)] {
        let error = refused(&model, &OnnxExport::new().size(size));
        let ExportError::Size { width, height, most } = error else { panic!("{error}") };
        assert_eq!(((width, height), most), (size, 1 << 14));
    }
}

#[test]
fn a_graph_is_a_file_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let model = trained(&suite::small());
    let export = OnnxExport::new().size((60, 40)).model_sha256("abc");
    let path = folder.path().join("part.onnx");
    model.export_onnx(&path, &export).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes, model.to_onnx(&export).unwrap());
    assert!(contains(&bytes, "60x40") && contains(&bytes, "nfbmr.model_sha256"));
    let error = model.export_onnx(folder.path(), &export).unwrap_err();
    assert!(matches!(error, PipelineError::Export(ExportError::Write { .. })), "{error}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn models_of_folds_are_one_graph() {
    let images = suite::gears(6, 0, 1);
    let (fitting, storage) = (CrossFitting::new(2, None), TrainingStorage::default());
    let model = suite::cross_fit::<Cpu>(
        &suite::small(),
        weights::embedded(),
        &images[..],
        fitting,
        &storage,
        &mut |_| ControlFlow::Continue(()),
    );
    let model = model.unwrap();
    let bytes = model.to_onnx(&OnnxExport::new()).unwrap();
    let one = model.models()[0].to_onnx(&OnnxExport::new()).unwrap();
    // The backbone is there once.
    assert!(bytes.len() > one.len() && bytes.len() < 2 * one.len());
    assert!(contains(&bytes, "p_value") && contains(&bytes, "nfbmr.false_alarm_rate"));
    assert!(!contains(&bytes, "nfbmr.threshold"));
}
