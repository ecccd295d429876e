//! Damaged model files of every system, also under checksums that fit.

use std::fs;
use std::path::Path;

use nfbmr::{BackboneWeights, FalseAlarmRate, StoredBackbone, System};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::Pipeline;
use nfbmr_test_support::rewrite::Content;
use serde_json::Value;

use crate::weights::few_blocks;
use crate::{MB, Reader, alone, suite};

/// The file of a model of each system, calibrated.
fn valid(weights: &BackboneWeights, path: &Path) -> Vec<Vec<u8>> {
    let (training, others) = (suite::gears(6, 0, 1), suite::gears(6, 0, 2));
    let file = |&system: &System| {
        let config = suite::small_of(system);
        let mut pipeline = suite::train_with::<Cpu>(&config, Some(weights), &training).unwrap();
        let rate = FalseAlarmRate::new(0.25).ok();
        let go_on = &mut |_: &_| std::ops::ControlFlow::Continue(());
        pipeline.calibrate(&others, rate, go_on).unwrap();
        pipeline.save(path, StoredBackbone::Referred).unwrap();
        fs::read(path).unwrap()
    };
    System::ALL.iter().map(file).collect()
}

/// The metadata of a model with the settings of another's system.
fn with_system_of(metadata: &str, other: &str) -> String {
    let [mut metadata, other] =
        [metadata, other].map(|metadata| serde_json::from_str::<Value>(metadata).unwrap());
    metadata["config"]["system"] = other["config"]["system"].clone();
    metadata.to_string()
}

#[test]
fn model_files() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    let weights = BackboneWeights::new(few_blocks());
    let weights = weights.clone().with_target(weights);
    let valid = valid(&weights, &path);
    let image = suite::gears(1, 1, 3).remove(1);
    let reader =
        Reader { name: "model files", cases: 300, path: &path, named: &path, room: [16 * MB, 16] };
    reader.try_all(
        |damage| {
            let mut file = damage.one_of(&valid).clone();
            if damage.below(4) == 0 {
                let other = damage.one_of(&valid);
                damage.bytes(&mut file, other);
                return file;
            }
            let mut content = Content::read(&file);
            if damage.below(8) == 0 {
                let other = Content::read(damage.one_of::<Vec<u8>>(&valid));
                content.metadata = with_system_of(&content.metadata, &other.metadata);
            }
            for _ in 0..=damage.below(3) {
                damage.content(&mut content);
            }
            content.write()
        },
        |path| {
            let pipeline = Pipeline::<Cpu>::load(path, Some(&weights), &Default::default())?;
            // A large input takes time and memory, as it says.
            if pipeline.config().input_size <= 128 {
                drop(pipeline.detect(&image));
            }
            Ok(())
        },
    );
}
