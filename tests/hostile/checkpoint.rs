//! Damaged checkpoints of trainings, also under checksums that fit.

use std::fs;
use std::ops::ControlFlow;

use nfbmr::{BackboneWeights, Progress, TrainingStorage};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::Trainer;
use nfbmr_test_support::rewrite::Content;

use crate::weights::few_blocks;
use crate::{MB, Reader, alone, suite};

#[test]
fn checkpoints() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let weights = BackboneWeights::new(few_blocks());
    let mut config = suite::small();
    suite::trainings(&mut config.system).into_iter().for_each(|training| training.epochs = 1);
    let images = suite::gears(3, 0, 31);
    let go_on = &mut |_: &Progress| ControlFlow::Continue(());
    let mut storage = TrainingStorage::default();
    storage.checkpoint = Some(path.clone());
    let device = Default::default();
    let mut trainer =
        Trainer::<Cpu>::new(&config, Some(&weights), &images, &storage, &device, go_on).unwrap();
    trainer.train(&config, go_on).unwrap();
    let valid = fs::read(&path).unwrap();
    let reader =
        Reader { name: "checkpoints", cases: 200, path: &path, named: &path, room: [16 * MB, 16] };
    let mut files = 0;
    reader.try_all(
        |damage| {
            files += 1;
            if files % 1000 == 0 {
                // burn forgets networks that were made and never trained when another one is.
                suite::train_with::<Cpu>(&config, Some(&weights), &images).unwrap();
            }
            let mut file = valid.clone();
            if damage.below(4) == 0 {
                damage.bytes(&mut file, &valid);
                return file;
            }
            let mut content = Content::read(&file);
            for _ in 0..=damage.below(3) {
                damage.content(&mut content);
            }
            content.write()
        },
        |_| Ok(trainer.train(&config, go_on).map(drop)?),
    );
}
