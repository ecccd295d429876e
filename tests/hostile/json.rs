//! Damaged JSON: configurations and calibrations.

use std::error::Error;
use std::fs;
use std::path::Path;

use nfbmr::calibration::{CrossConformal, SplitConformal};
use nfbmr::{FalseAlarmRate, PipelineConfig, SplitCalibration, System};
use nfbmr_calibration::DriftMonitor;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{MB, Reader, alone, suite};

/// What a program makes of a JSON file: its reader has no name of the file, so the program adds it.
fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, Box<dyn Error>> {
    let parsed = serde_json::from_slice(&fs::read(path)?);
    parsed.map_err(|error| format!("{}: {error}", path.display()).into())
}

fn damaged(name: &str, valid: &[Value], read: impl Fn(&Path) -> Result<(), Box<dyn Error>>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.json");
    for valid in valid {
        fs::write(&path, valid.to_string()).unwrap();
        read(&path).unwrap();
    }
    let reader = Reader { name, cases: 2_000, path: &path, named: &path, room: [MB, 64] };
    reader.try_all(
        |damage| {
            let mut value = damage.one_of(valid).clone();
            for _ in 0..=damage.below(3) {
                damage.json(&mut value);
            }
            let mut bytes = value.to_string().into_bytes();
            if damage.below(4) == 0 {
                damage.bytes(&mut bytes, b"[[[[{\"a\":1e999,NaN,\\ud800");
            }
            bytes
        },
        read,
    );
}

#[test]
fn configurations() {
    let _alone = alone();
    let presets = [PipelineConfig::default(), PipelineConfig::paper()];
    let systems = System::ALL.iter().map(|&system| suite::small_of(system));
    let valid: Vec<Value> =
        presets.into_iter().chain(systems).map(|config| json!(config)).collect();
    damaged("configurations", &valid, |path| {
        let config: PipelineConfig = parse(path)?;
        assert_eq!(config.fingerprint().len(), 16);
        // What a valid one of these says of itself must make sense, whatever its numbers.
        if config.validate().is_ok() {
            config.multiply_adds().unwrap();
        }
        Ok(())
    });
}

#[test]
fn calibrations() {
    let _alone = alone();
    let rate = FalseAlarmRate::new(0.1).unwrap();
    let scores: Vec<f32> = (0..30).map(|score| score as f32 / 7.0).collect();
    let split = SplitConformal::new(scores.clone()).unwrap();
    damaged("split-conformal scores", &[json!(split)], |path| {
        let split: SplitConformal = parse(path)?;
        split.verdict(1.0, &split.default_threshold()).unwrap();
        Ok(())
    });
    let folds = scores.chunks(10).map(<[f32]>::to_vec);
    let cross = CrossConformal::new(folds).unwrap();
    damaged("cross-conformal scores", &[json!(cross)], |path| {
        let cross: CrossConformal = parse(path)?;
        let (rate, _) = cross.default_rate();
        cross.bound(rate).unwrap();
        cross.verdict(&vec![0.0; cross.folds().len()], rate).unwrap();
        Ok(())
    });
    let mut monitor = DriftMonitor::new(&split, rate, 1);
    for (image, &score) in scores.iter().enumerate() {
        monitor.observe(score, image as f64 / 30.0).unwrap();
    }
    damaged("drift monitors", &[json!(monitor)], |path| {
        let mut monitor: DriftMonitor = parse(path)?;
        for score in [0.5, -1e30, 1e30] {
            drop(monitor.observe(score, 0.5));
        }
        Ok(())
    });
    let scores = json!({"scores": scores});
    let rate = 0.1;
    let threshold = json!({"value": split.threshold(FalseAlarmRate::new(rate).unwrap()).unwrap().value, "set_by_hand": false});
    let valid = json!({
        "rate": rate, "basis": "asked", "threshold": threshold, "pixel_threshold": threshold,
        "image_scores": scores, "pixel_scores": scores,
    });
    damaged("calibrations", &[valid], |path| {
        let calibration: SplitCalibration = parse(path)?;
        calibration.verdict(0.5).unwrap();
        Ok(())
    });
}
