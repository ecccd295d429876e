//! Damaged files of backbone weights, ours and published ones.

use std::fs;
use std::path::Path;

use nfbmr::{BackboneWeights, weights};
use nfbmr_backbone::{Backbone, Storage, Weights, WeightsSource};
use nfbmr_backend::Cpu;

use crate::{MB, Reader, alone, measure};

/// The embedded weights without all but the first blocks, as a file.
pub fn few_blocks() -> Vec<u8> {
    let embedded = weights::embedded().unwrap().as_bytes();
    let whole = Weights::from_safetensors(embedded).unwrap();
    let mut few = Weights::new();
    for (name, tensor) in whole.iter() {
        let block = name.strip_prefix("_blocks.").and_then(|name| name.split('.').next());
        if block.is_none_or(|block| block.parse::<usize>().unwrap() <= 4)
            && !name.starts_with("_fc")
        {
            few.insert(name, tensor.shape(), tensor.values().to_vec()).unwrap();
        }
    }
    few.metadata_mut().extend(whole.metadata().clone());
    few.to_safetensors(Storage::F16).unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/backbone/tests/fixtures");
    fs::read(fixtures.join(name)).unwrap()
}

#[test]
fn an_archive_that_claims_many_files_takes_no_memory_for_them() {
    let _alone = alone();
    let mut file = fixture("zip.pth");
    let end = file.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    file[end + 10..end + 12].fill(0xFF);
    let (result, peak) = measure(|| Weights::from_bytes(&file));
    result.unwrap_err();
    assert!(peak < MB, "{peak} bytes");
}

#[test]
fn backbone_weights() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    let pytorch = ["zip.pth", "legacy.pth", "integers.pth"].map(fixture);
    let small = Weights::from_bytes(&pytorch[0]).unwrap().to_safetensors(Storage::F32).unwrap();
    let valid = [pytorch.as_slice(), &[small, few_blocks()]].concat();
    let reader = Reader { name: "weights", cases: 500, path: &path, named: &path, room: [MB, 128] };
    reader.try_all(
        |damage| {
            let mut file = damage.one_of(&valid).clone();
            let other = damage.one_of(&valid);
            damage.bytes(&mut file, other);
            file
        },
        |path| {
            // Whatever they are, they must not harm those who name the source either.
            let bytes = fs::read(path)?;
            drop(Weights::import(&bytes, Some(WeightsSource::EfficientnetLitePytorch)));
            let weights = BackboneWeights::open(path)?;
            if let Ok(Some(config)) = weights.config()
                && let Ok(weights) = Weights::from_bytes(weights.as_bytes())
            {
                drop(Backbone::<Cpu>::load(&config, &weights, &Default::default()));
            }
            Ok(())
        },
    );
}
