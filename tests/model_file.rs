//! What a model file refuses, and that it loses nothing.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;

use image::{DynamicImage, Rgb, RgbImage};
use nfbmr::{
    BackboneWeights, Calibration, ModelError, PipelineError, StoredBackbone, System, weights,
};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::{FORMAT_VERSION, Pipeline};
use nfbmr_test_support::rewrite::{self, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

fn load(path: &Path, weights: Option<&BackboneWeights>) -> Result<Pipeline<Cpu>, ModelError> {
    match Pipeline::load(path, weights, &Default::default()) {
        Ok(pipeline) => Ok(pipeline),
        Err(PipelineError::Model { path: named, source }) => {
            assert_eq!(named, path);
            Err(source)
        }
        Err(other) => panic!("{other}"),
    }
}

/// Writes a model anew with its metadata and tensors changed, under a checksum that fits, and loads it.
fn rewrite(
    path: &Path,
    metadata: impl Fn(String) -> String,
    change: impl Fn(&str, &mut Tensor) -> bool,
) -> Result<Pipeline<Cpu>, ModelError> {
    let changed = path.with_extension("changed");
    rewrite::rewrite(path, &changed, metadata, change);
    load(&changed, weights::embedded())
}

/// A model trained for a moment, saved in `folder`.
fn saved(folder: &Path) -> PathBuf {
    let path = folder.join("model.nfbmr");
    let pipeline = suite::train::<Cpu>(&suite::small(), &suite::gears(3, 0, 1)).unwrap();
    pipeline.save(&path, StoredBackbone::Referred).unwrap();
    path
}

#[test]
fn files_that_are_no_models_are_refused_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    let all = |_: &str, _: &mut Tensor| true;
    let same = |metadata: String| metadata;

    assert!(rewrite(&path, same, all).is_ok(), "the helper itself changes nothing");
    assert!(matches!(load(&folder.path().join("none"), None), Err(ModelError::Io(_))));
    let text = folder.path().join("text");
    fs::write(&text, "not a model").unwrap();
    assert!(matches!(load(&text, None), Err(ModelError::SafeTensors(_))));
    let foreign = folder.path().join("foreign");
    fs::write(&foreign, nfbmr_weights_file()).unwrap();
    assert!(matches!(load(&foreign, None), Err(ModelError::Foreign)));

    let newer = |metadata: String| {
        let version = |v: u64| format!("\"format_version\":{v}");
        metadata.replace(&version(FORMAT_VERSION), &version(FORMAT_VERSION + 1))
    };
    assert!(matches!(
        rewrite(&path, newer, all),
        Err(ModelError::Version { found, expected })
            if (found, expected) == (FORMAT_VERSION + 1, FORMAT_VERSION)
    ));
    let unknown_field = |metadata: String| metadata.replace("\"fusion\"", "\"fusoin\"");
    assert!(matches!(rewrite(&path, unknown_field, all), Err(ModelError::Metadata(_))));
    let two_flow_blocks = |metadata: String| metadata.replace("\"couplings\":2", "\"couplings\":3");
    assert!(matches!(rewrite(&path, two_flow_blocks, all), Err(ModelError::Unusable(_))));
    for huge in ["99999999999", "18446744073709551615"] {
        let huge =
            |metadata: String| metadata.replace("\"latent\":16", &format!("\"latent\":{huge}"));
        assert!(matches!(rewrite(&path, huge, all), Err(ModelError::Parameters { .. })));
    }
    let huge_input =
        |metadata: String| metadata.replace("\"input_size\":48", "\"input_size\":65536");
    assert!(matches!(rewrite(&path, huge_input, all), Err(ModelError::Unusable(_))));
    for tiling in [r#""size":0,"overlap":0"#, r#""size":32,"overlap":32"#, r#""size":4294967264"#] {
        let tiled = |metadata: String| {
            metadata.replace("\"fit\":", &format!("\"tiling\":{{{tiling}}},\"fit\":"))
        };
        assert!(matches!(rewrite(&path, tiled, all), Err(ModelError::Unusable(_))));
    }
    let nan = |name: &str, tensor: &mut Tensor| {
        if name == "flow.1.couplings.1.first.conv1.bias" {
            tensor.data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
        true
    };
    match rewrite(&path, same, nan) {
        Err(ModelError::State { network, source }) if network == "flow.1" => {
            let problem = "couplings.1.first.conv1.bias: holds values that are not finite";
            assert_eq!(source.0, [problem]);
        }
        other => panic!("{other:?}"),
    }
    let without = |name: &str, _: &mut Tensor| name != "bmr.0.shared.conv2.weight";
    match rewrite(&path, same, without) {
        Err(ModelError::State { network, source }) if network == "bmr.0" => {
            assert_eq!(source.0, ["shared.conv2.weight: missing"]);
        }
        other => panic!("{other:?}"),
    }
    let edited = |edit: &dyn Fn(&mut Value)| {
        let metadata = |metadata: String| {
            let mut metadata = serde_json::from_str(&metadata).unwrap();
            edit(&mut metadata);
            metadata.to_string()
        };
        rewrite(&path, metadata, all)
    };
    let without_bmr = |metadata: &mut Value| {
        metadata["config"]["system"] = json!(suite::small_of(System::Nf).system);
    };
    assert!(matches!(
        edited(&without_bmr),
        Err(ModelError::UnknownTensor(name, "nf")) if name.starts_with("bmr.")
    ));
    for (constant, named) in
        [("permutations", "permutations"), ("mean_residuals", "mean residuals")]
    {
        let truncated = edited(&|metadata| {
            metadata["constants"][constant].as_array_mut().unwrap().truncate(1);
        });
        assert!(
            matches!(truncated, Err(ModelError::Levels { name, expected: 2, found: 1 }) if name == named),
            "{constant}"
        );
        let without = edited(&|metadata| {
            metadata["constants"].as_object_mut().unwrap().remove(constant);
        });
        assert!(matches!(without, Err(ModelError::NoConstant(name)) if name == constant));
    }
    assert!(matches!(
        edited(&|metadata| metadata["constants"]["surprise"] = json!(1)),
        Err(ModelError::UnknownConstant(name, "nf-bmr")) if name == "surprise"
    ));
    assert!(matches!(
        edited(&|metadata| metadata["constants"]["mean_residuals"][1]["target"] = json!(0.0)),
        Err(ModelError::MeanResiduals { .. })
    ));
    let of_another_system = edited(&|metadata| {
        metadata["config"]["system"]["nf-bmr"]["bpfm"] = json!({});
    });
    assert!(matches!(of_another_system, Err(ModelError::Metadata(_))));
    let unknown_system = |metadata: String| metadata.replace("\"nf-bmr\"", "\"nf-bmx\"");
    assert!(matches!(rewrite(&path, unknown_system, all), Err(ModelError::Metadata(_))));
    assert!(matches!(load(&path, None), Err(ModelError::Backbone { found: None, .. })));
    let other = BackboneWeights::new(b"other".as_slice());
    assert!(matches!(load(&path, Some(&other)), Err(ModelError::Backbone { found: Some(_), .. })));
}

fn calibrate(pipeline: &mut Pipeline<Cpu>, images: &[DynamicImage]) -> Result<(), PipelineError> {
    pipeline.calibrate(images, None, &mut |_| ControlFlow::Continue(())).map(|_| ())
}

#[test]
fn calibrations_that_calibrating_does_not_give_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    let mut pipeline = load(&path, weights::embedded()).unwrap();
    calibrate(&mut pipeline, &suite::gears(24, 0, 2)).unwrap();
    pipeline.save(&path, StoredBackbone::Referred).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let metadata = |metadata: String| {
            let mut metadata = serde_json::from_str::<Value>(&metadata).unwrap();
            change(&mut metadata["calibration"]);
            metadata.to_string()
        };
        rewrite(&path, metadata, |_, _| true)
    };
    let same = with(&|_| {}).unwrap();
    assert_eq!(same.calibration(), pipeline.calibration());
    let reversed = with(&|calibration| {
        calibration["image_scores"]["scores"].as_array_mut().unwrap().reverse();
    });
    assert_eq!(reversed.unwrap().calibration(), pipeline.calibration());
    assert_eq!(with(&|calibration| *calibration = Value::Null).unwrap().calibration(), None);

    let refused = |change: &dyn Fn(&mut Value), reason: &str| match with(change) {
        Err(ModelError::Metadata(error)) => {
            assert!(error.to_string().contains(reason), "{error} is not {reason}");
        }
        other => panic!("{reason}: {other:?}"),
    };
    let values: [(&str, Value, &str); 15] = [
        ("/rate", json!(0.0), "above 0 and below 1, found 0"),
        ("/rate", json!(0.1), "expected a calibration with the default rate of its images"),
        ("/basis", json!("smallest_supported"), "the default rate of its images"),
        ("/basis", json!("guessed"), "unknown variant"),
        ("/threshold/value", json!(1e39), "number out of range"),
        ("/threshold/value", json!(null), "expected f32"),
        ("/threshold/value", json!(1e6), "the thresholds of its rate, or ones set by hand"),
        ("/pixel_threshold/value", json!(-1e6), "the thresholds of its rate"),
        ("/threshold", json!(1.0), "DecisionThreshold"),
        ("/image_scores/scores", json!([]), "at least 1 normal image, found none"),
        ("/image_scores/scores/0", json!(-1e39), "number out of range"),
        ("/image_scores/scores", json!([1.0]), "as many image scores as pixel scores, found 1 and"),
        ("/pixel_scores/scores", json!([0.5]), "as many image scores as pixel scores"),
        ("/pixel_scores", json!({}), "missing field `scores`"),
        ("", json!({}), "missing field"),
    ];
    for (pointer, value, reason) in values {
        let change = |calibration: &mut Value| {
            *calibration.pointer_mut(pointer).unwrap() = value.clone();
        };
        refused(&change, reason);
    }
    refused(&|calibration| calibration["threshhold"] = json!(1.0), "unknown field `threshhold`");
    let unsupported = |calibration: &mut Value| {
        (calibration["rate"], calibration["basis"]) = (json!(0.001), json!("asked"));
    };
    refused(&unsupported, "expected at least 999 normal images");
    let by_hand = with(&|calibration| {
        calibration["threshold"] = json!({"value": 1e6, "set_by_hand": true});
    });
    let by_hand = by_hand.unwrap();
    let threshold = by_hand.calibration().and_then(Calibration::threshold).unwrap();
    assert_eq!((threshold.value, threshold.set_by_hand), (1e6, true));
}

#[test]
fn fingerprints_of_another_shape_or_type_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    let with = |change: &dyn Fn(&mut Tensor) -> bool| {
        let tensor = |name: &str, tensor: &mut Tensor| name != "trained_on" || change(tensor);
        rewrite(&path, |metadata| metadata, tensor)
    };
    assert_eq!(with(&|_| true).unwrap().training_images(), 3);
    assert!(matches!(with(&|_| false), Err(ModelError::SafeTensors(_))));
    for shape in [vec![48], vec![6, 8], vec![16, 3], vec![3, 16, 1]] {
        let result = with(&|tensor| {
            tensor.shape = shape.clone();
            true
        });
        match result {
            Err(ModelError::Fingerprints { name: "trained_on", found }) => assert_eq!(found, shape),
            other => panic!("{other:?}"),
        }
    }
    let cut = with(&|tensor| {
        tensor.shape = vec![3, 15];
        tensor.data.truncate(45);
        true
    });
    assert!(matches!(cut, Err(ModelError::Fingerprints { .. })));
    let empty = with(&|tensor| {
        tensor.shape = vec![0, 16];
        tensor.data.clear();
        true
    });
    assert_eq!(empty.unwrap().training_images(), 0);
    let signed = with(&|tensor| {
        tensor.dtype = Dtype::I8;
        true
    });
    assert!(matches!(signed, Err(ModelError::DType { expected: "U8", .. })));
}

/// A safetensors file without nfbmr's metadata.
fn nfbmr_weights_file() -> Vec<u8> {
    let data = [0u8; 8];
    let view = TensorView::new(Dtype::F32, vec![2], &data);
    safetensors::serialize([("x", view.unwrap())], None).unwrap()
}

#[test]
fn a_damaged_file_is_refused_wherever_the_damage_is() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(saved(folder.path())).unwrap();
    assert!(whole.len() < 800_000, "{} bytes", whole.len());
    let path = folder.path().join("damaged");
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        match load(&path, weights::embedded()) {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(_) => panic!("loaded although {what}"),
        }
    };
    for length in (0..whole.len()).step_by(1000) {
        refused(&whole[..length], &format!("cut at {length}"));
    }
    refused(&[&whole[..], b"x"].concat(), "longer by a byte");
    let header = 8 + SafeTensors::read_metadata(&whole).unwrap().0;
    for at in (0..header).chain((header..whole.len()).step_by(1000)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        refused(&bytes, &format!("byte {at} was changed"));
    }
}

#[test]
fn an_included_backbone_is_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    let pipeline = suite::train::<Cpu>(&suite::small(), &suite::gears(3, 0, 1)).unwrap();
    pipeline.save(&path, StoredBackbone::Included).unwrap();
    let flipped = |name: &str, tensor: &mut Tensor| {
        if name == "backbone" {
            tensor.data[1_000_000] ^= 1;
        }
        true
    };
    // The weights given would do, but the file's own come first where they fit.
    let metadata = |metadata: String| metadata;
    assert!(rewrite(&path, metadata, flipped).is_ok());
    let changed = path.with_extension("changed");
    assert!(matches!(load(&changed, None), Err(ModelError::Backbone { found: Some(_), .. })));
}

/// What training gives, and what a file keeps of it, is what it was.
#[test]
fn a_known_training_gives_a_known_score() {
    const SCORE: f32 = 1308.8389;
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    let mut pipeline = load(&path, weights::embedded()).unwrap();
    calibrate(&mut pipeline, &suite::gears(6, 0, 2)).unwrap();
    pipeline.save(&path, StoredBackbone::Referred).unwrap();
    let pipeline = load(&path, weights::embedded()).unwrap();
    let detection = pipeline.detect(&pattern()).unwrap();
    suite::assert_close("score", &[detection.score], &[SCORE], 1e-3);
    assert_eq!(pipeline.training_images(), 3);
    assert_eq!(pipeline.calibration().unwrap().images(), 6);
    // It is unlike any gear.
    let verdict = detection.verdict.unwrap();
    assert_eq!((verdict.p_value, verdict.is_anomalous), (1.0 / 7.0, true));
}

/// An image that needs no generator, which may change.
fn pattern() -> DynamicImage {
    let pixel = |x: u32, y: u32| Rgb([(5 * x) as u8, (5 * y) as u8, (x * y) as u8]);
    RgbImage::from_fn(suite::SIDE, suite::SIDE, pixel).into()
}

#[test]
fn saving_replaces_a_file_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    fs::write(&path, "old").unwrap();
    let pipeline = suite::train::<Cpu>(&suite::small(), &suite::gears(3, 0, 1)).unwrap();
    pipeline.save(&path, StoredBackbone::Referred).unwrap();
    assert!(load(&path, weights::embedded()).is_ok());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let first = fs::read(&path).unwrap();
    pipeline.save(&path, StoredBackbone::Referred).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first, "the same model gives the same bytes");
}

/// Asserts that saving at `path` fails with the system's answer and leaves the folder as it was.
fn saving_fails(pipeline: &Pipeline<Cpu>, path: &Path, kind: Option<ErrorKind>) {
    let folder = path.parent().unwrap();
    let before = content(folder);
    match pipeline.save(path, StoredBackbone::Referred) {
        Err(PipelineError::Model { path: named, source: ModelError::Io(error) }) => {
            assert_eq!(named, path);
            assert!(kind.is_none_or(|kind| error.kind() == kind), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(content(folder), before);
}

/// Names in a folder, files with their content.
fn content(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).map(|p| (p.clone(), fs::read(&p).ok())).collect()
}

#[test]
fn a_target_that_cannot_be_written_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = suite::train::<Cpu>(&suite::small(), &suite::gears(3, 0, 1)).unwrap();
    saving_fails(&pipeline, &folder.path().join("no folder/model"), Some(ErrorKind::NotFound));

    let read_only = folder.path().join("read-only");
    fs::write(&read_only, "precious").unwrap();
    let mut permissions = fs::metadata(&read_only).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&read_only, permissions).unwrap();
    saving_fails(&pipeline, &read_only, Some(ErrorKind::PermissionDenied));

    // A folder that took the target's place meanwhile.
    let replaced = folder.path().join("replaced");
    fs::create_dir(&replaced).unwrap();
    saving_fails(&pipeline, &replaced, None);
}

#[test]
fn a_reader_sees_a_whole_file_while_others_replace_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    let pipelines = [1, 2].map(|seed| {
        let mut config = suite::small();
        config.seed = seed;
        suite::train::<Cpu>(&config, &suite::gears(3, 0, 1)).unwrap()
    });
    pipelines[0].save(&path, StoredBackbone::Referred).unwrap();
    thread::scope(|scope| {
        for pipeline in &pipelines {
            let path = &path;
            scope.spawn(move || {
                (0..20).for_each(|_| pipeline.save(path, StoredBackbone::Referred).unwrap())
            });
        }
        for _ in 0..20 {
            let seed = load(&path, weights::embedded()).unwrap().config().seed;
            assert!([1, 2].contains(&seed));
        }
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
mod unix {
    use std::process::Command;

    use super::*;

    const FOLDER: &str = "NFBMR_TEST_FULL_FOLDER";

    /// The child of [`a_full_disk_loses_nothing`]; alone it does nothing.
    #[test]
    fn child_on_a_full_disk() {
        let Some(folder) = std::env::var_os(FOLDER) else { return };
        let pipeline = suite::train::<Cpu>(&suite::small(), &suite::gears(3, 0, 1)).unwrap();
        saving_fails(&pipeline, &Path::new(&folder).join("model.nfbmr"), None);
    }

    /// A limit on the length of files fails a write in its middle, as a full disk does.
    #[test]
    fn a_full_disk_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.nfbmr"), "the old model").unwrap();
        let status = Command::new("sh")
            .arg("-c")
            .arg("trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact unix::child_on_a_full_disk")
            .arg(std::env::current_exe().unwrap())
            .env(FOLDER, folder.path())
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(fs::read(folder.path().join("model.nfbmr")).unwrap(), b"the old model");
    }

    #[test]
    fn a_new_file_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (model, other) = (saved(folder.path()), folder.path().join("other"));
        fs::write(&other, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&model), mode(&other));
    }

    #[test]
    fn a_device_is_no_model() {
        let error = load(Path::new("/dev/zero"), None).unwrap_err();
        assert!(error.to_string().contains("regular file"), "{error}");
    }
}
