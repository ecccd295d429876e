//! What a model file refuses, and that it loses nothing.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use nfbmr::backend::Cpu;
use nfbmr::pipeline::{FORMAT_VERSION, ModelError, Pipeline};
use nfbmr::{BackboneWeights, PipelineError, weights};
use safetensors::SafeTensors;

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

/// Writes a model anew with its metadata and tensors changed.
fn rewrite(
    path: &Path,
    metadata: impl Fn(String) -> String,
    keep: impl Fn(&str) -> bool,
) -> Result<Pipeline<Cpu>, ModelError> {
    let bytes = fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let old = header.metadata().as_ref().unwrap()["nfbmr"].clone();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter().filter(|(name, _)| keep(name));
    let metadata = HashMap::from([("nfbmr".to_owned(), metadata(old))]);
    let changed = path.with_extension("changed");
    fs::write(&changed, safetensors::serialize(tensors, Some(metadata)).unwrap()).unwrap();
    load(&changed, weights::embedded())
}

#[test]
fn files_that_are_no_models_are_refused_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    let pipeline = suite::train::<Cpu>(&suite::small(), &suite::gears(3, 0, 1)).unwrap();
    pipeline.save(&path).unwrap();
    let all = |_: &str| true;
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
        Err(ModelError::Version { found, newest })
            if (found, newest) == (FORMAT_VERSION + 1, FORMAT_VERSION)
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
    let without = |name: &str| name != "bmr.shared.conv2.weight";
    match rewrite(&path, same, without) {
        Err(ModelError::State { network: "bmr", source }) => {
            assert_eq!(source.0, ["shared.conv2.weight: missing"]);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(load(&path, None), Err(ModelError::Backbone { found: None, .. })));
    let other = BackboneWeights::new(b"other".as_slice());
    assert!(matches!(load(&path, Some(&other)), Err(ModelError::Backbone { found: Some(_), .. })));
}

/// A safetensors file without nfbmr's metadata.
fn nfbmr_weights_file() -> Vec<u8> {
    let data = [0u8; 8];
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2], &data);
    safetensors::serialize([("x", view.unwrap())], None).unwrap()
}

#[test]
fn saving_replaces_a_file_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    fs::write(&path, "old").unwrap();
    let pipeline = suite::train::<Cpu>(&suite::small(), &suite::gears(3, 0, 1)).unwrap();
    pipeline.save(&path).unwrap();
    assert!(load(&path, weights::embedded()).is_ok());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let first = fs::read(&path).unwrap();
    pipeline.save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first, "the same model gives the same bytes");

    let nowhere = folder.path().join("no folder").join("model.nfbmr");
    assert!(matches!(pipeline.save(nowhere), Err(PipelineError::Model { .. })));
}
