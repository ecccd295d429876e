//! Damaged caches of features, also with headers whose checksums fit.

use nfbmr_cache::{FeatureCache, Key};

use crate::{MB, Reader, alone};

const START: usize = 16;
const HEADER: usize = 80;

fn key(number: u8) -> Key {
    Key::from_bytes([number; 32])
}

const SHAPES: [&[usize]; 4] = [&[3], &[2, 2, 2], &[], &[4, 5]];

/// Damages a header of the file and gives it the checksum that it should have.
fn claim(file: &mut [u8], number: u64, record: usize, field: usize) {
    let lengths = SHAPES.map(|shape| HEADER + 4 * shape.iter().product::<usize>());
    let at = START + lengths[..record].iter().sum::<usize>();
    let header = &mut file[at..at + HEADER];
    header[4 + 4 * field..8 + 4 * field].copy_from_slice(&(number as u32).to_le_bytes());
    let checksum = crc32fast::hash(&header[..HEADER - 4]);
    header[HEADER - 4..].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn feature_caches() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.nfc");
    let cache = FeatureCache::open(&path).unwrap();
    for (number, shape) in (0..).zip(SHAPES) {
        let values: Vec<f32> = (0..shape.iter().product()).map(|value| value as f32).collect();
        cache.insert(&key(number), shape, &values).unwrap();
    }
    drop(cache);
    let valid = std::fs::read(&path).unwrap();
    let reader =
        Reader { name: "feature caches", cases: 2_000, path: &path, named: &path, room: [MB, 16] };
    reader.try_all(
        |damage| {
            let mut file = valid.clone();
            if damage.below(2) == 0 {
                for _ in 0..=damage.below(2) {
                    let number = damage.number();
                    claim(&mut file, number, damage.below(4), damage.below(18));
                }
            }
            if damage.below(3) > 0 {
                damage.bytes(&mut file, &valid);
            }
            file
        },
        |path| {
            let cache = FeatureCache::open(path)?;
            for number in 0..5 {
                if let Some(features) = cache.get(&key(number))? {
                    assert_eq!(features.values.len(), features.shape.iter().product::<usize>());
                }
                cache.insert(&key(number), &[1], &[0.5])?;
            }
            Ok(())
        },
    );
}
