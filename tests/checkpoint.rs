//! A training that is interrupted and resumed gives what an uninterrupted one gives.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use image::DynamicImage;
use nfbmr::{
    CheckpointError, Phase, PipelineConfig, PipelineError, Progress, StoredBackbone, System,
    TrainingStorage,
};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::{Pipeline, Trainer};

/// Trains with a checkpoint until `stop` says so.
fn train(
    config: &PipelineConfig,
    images: &[DynamicImage],
    checkpoint: &Path,
    mut stop: impl FnMut(&Progress) -> bool,
) -> Result<Pipeline<Cpu>, PipelineError> {
    let weights = suite::two_cnns();
    let device = Default::default();
    let mut progress = |progress: &Progress| match stop(progress) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let mut storage = TrainingStorage::default();
    storage.checkpoint = Some(checkpoint.to_owned());
    let mut trainer =
        Trainer::<Cpu>::new(config, Some(&weights), images, &storage, &device, &mut progress)?;
    trainer.train(config, &mut progress)
}

fn config(system: System) -> PipelineConfig {
    let mut config = suite::small_of(system);
    suite::trainings(&mut config.system).into_iter().for_each(|training| training.epochs = 3);
    config
}

/// The bytes of a model's file.
fn saved(pipeline: &Pipeline<Cpu>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    pipeline.save(&path, StoredBackbone::Referred).unwrap();
    fs::read(path).unwrap()
}

fn refusal(result: Result<Pipeline<Cpu>, PipelineError>, path: &Path) -> CheckpointError {
    match result {
        Err(PipelineError::Checkpoint { path: named, source }) => {
            assert_eq!(named, path);
            source
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_resumed_training_gives_the_same_model_to_the_bit() {
    let images = suite::gears(6, 0, 21);
    let systems: [(_, &[_]); 4] = [
        (System::Nf, &[Phase::Flow]),
        (System::NfBmr, &[Phase::Flow, Phase::Bmr]),
        (System::NfBpfm, &[Phase::Flow, Phase::Bpfm]),
        (System::MbPfm, &[Phase::Bpfm]),
    ];
    for (system, phases) in systems {
        let config = config(system);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let expected =
            saved(&train(&config, &images, &folder.path().join("other"), |_| false).unwrap());
        for &phase in phases {
            for epoch in [1, 3] {
                let stop = |progress: &Progress| (progress.phase, progress.epoch) == (phase, epoch);
                match train(&config, &images, &path, stop) {
                    Err(PipelineError::Interrupted(found)) => assert_eq!(found, phase),
                    other => panic!("{system}: {:?}", other.map(drop)),
                }
            }
        }
        let resumed = train(&config, &images, &path, |_| false).unwrap();
        assert!(saved(&resumed) == expected, "{system}");
        // All is in the checkpoint now.
        let trains = |phase| matches!(phase, Phase::Flow | Phase::Bmr | Phase::Bpfm);
        let again = train(&config, &images, &path, |progress| trains(progress.phase)).unwrap();
        assert!(saved(&again) == expected, "{system}");
    }
}

#[test]
fn a_resumed_training_starts_after_the_last_epoch_kept() {
    let images = suite::gears(6, 0, 22);
    let config = config(System::Nf);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let third = |progress: &Progress| progress.phase == Phase::Flow && progress.epoch == 3;
    train(&config, &images, &path, third).unwrap_err();
    let mut first = None;
    train(&config, &images, &path, |progress| {
        if progress.phase == Phase::Flow && first.is_none() {
            first = Some((progress.epoch, progress.images, progress.total_images));
        }
        false
    })
    .unwrap();
    // The first epoch is kept at once, the second comes less than five seconds later.
    assert_eq!(first, Some((2, 6 + 4, 18)));
}

#[test]
fn a_checkpoint_of_another_training_is_refused_with_the_difference() {
    let images = suite::gears(6, 0, 23);
    let config = config(System::Nf);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    train(&config, &images, &path, |_| false).unwrap();
    let before = fs::read(&path).unwrap();

    let mut other = config.clone();
    suite::trainings(&mut other.system)[0].epochs = 4;
    let error = refusal(train(&other, &images, &path, |_| false), &path).to_string();
    assert!(
        error.contains("config.system.nf.flow_training.epochs: expected 4, found 3"),
        "{error}"
    );
    let error = refusal(train(&config, &images[..5], &path, |_| false), &path).to_string();
    assert!(error.contains("images: expected 5, found 6"), "{error}");
    let mut others = images.clone();
    others[0] = suite::gears(1, 0, 24).remove(0);
    let error = refusal(train(&config, &others, &path, |_| false), &path).to_string();
    assert!(error.contains("images_sha256: expected"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before, "a refused checkpoint stays as it is");
}

#[test]
fn files_that_are_no_checkpoints_are_refused_with_their_reason() {
    let images = suite::gears(3, 0, 25);
    let config = config(System::Nf);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let pipeline = train(&config, &images, &path, |_| false).unwrap();
    let whole = fs::read(&path).unwrap();
    let refused = || refusal(train(&config, &images, &path, |_| false), &path);

    for at in (0..whole.len()).step_by(whole.len() / 23) {
        fs::write(&path, &whole[..at]).unwrap();
        assert!(matches!(refused(), CheckpointError::SafeTensors(_)), "cut at {at}");
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        fs::write(&path, changed).unwrap();
        refused();
    }
    pipeline.save(&path, StoredBackbone::Referred).unwrap();
    assert!(matches!(refused(), CheckpointError::Foreign));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(refused(), CheckpointError::NotAFile));
}

#[cfg(unix)]
mod unix {
    use std::process::{Command, Stdio};

    use super::*;

    const CHECKPOINT: &str = "NFBMR_TEST_FULL_CHECKPOINT";

    fn images() -> Vec<DynamicImage> {
        suite::gears(6, 0, 26)
    }

    /// The child of [`a_full_disk_leaves_the_last_checkpoint`]; alone it does nothing.
    #[test]
    fn child_on_a_full_disk() {
        let Some(path) = std::env::var_os(CHECKPOINT) else { return };
        let path = Path::new(&path);
        let error = refusal(train(&config(System::Nf), &images(), path, |_| false), path);
        assert!(matches!(error, CheckpointError::Io(_)), "{error}");
    }

    /// A limit on the length of files fails a write in its middle, as a full disk does.
    #[test]
    fn a_full_disk_leaves_the_last_checkpoint() {
        let config = config(System::Nf);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        train(&config, &images(), &path, |progress| progress.epoch == 2).unwrap_err();
        let before = fs::read(&path).unwrap();
        let status = Command::new("sh")
            .arg("-c")
            .arg("trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact unix::child_on_a_full_disk")
            .arg(std::env::current_exe().unwrap())
            .env(CHECKPOINT, &path)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");

        let expected = train(&config, &images(), &folder.path().join("other"), |_| false);
        let resumed = train(&config, &images(), &path, |_| false);
        assert_eq!(saved(&resumed.unwrap()), saved(&expected.unwrap()));
    }
}
