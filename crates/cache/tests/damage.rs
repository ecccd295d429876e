//! Files cut anywhere and changed anywhere: no wrong value, no panic, nothing lost that is whole.

mod common;

use std::fs;
use std::path::Path;

use common::{HEADER, START, insert, is_there, key, write};
use nfbmr_cache::{CacheError, FeatureCache};

const SHAPES: [&[usize]; 4] = [&[3], &[2, 2, 2], &[], &[1, 5]];

/// Asserts that of [`SHAPES`] just these numbers are whole, that all are after the others were inserted
/// again, and that they stay.
fn whole_and_healed(path: &Path, whole: impl Fn(u64) -> bool, what: &str) {
    let cache = FeatureCache::open(path).unwrap();
    for (number, shape) in (0..).zip(SHAPES) {
        assert_eq!(is_there(&cache, number, shape), whole(number), "record {number}, {what}");
    }
    (0..).zip(SHAPES).for_each(|(number, shape)| insert(&cache, number, shape));
    drop(cache);
    let cache = FeatureCache::open(path).unwrap();
    assert_eq!(cache.len(), SHAPES.len(), "{what}");
    for (number, shape) in (0..).zip(SHAPES) {
        assert!(is_there(&cache, number, shape), "record {number} inserted again, {what}");
    }
}

#[test]
fn a_file_cut_anywhere_keeps_every_whole_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.nfc");
    let offsets = write(&path, &SHAPES);
    let bytes = fs::read(&path).unwrap();
    for length in 0..=bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let cache = FeatureCache::open(&path).unwrap();
        let end = offsets.iter().rev().find(|end| **end <= length).unwrap_or(&START);
        assert_eq!(cache.bytes(), *end as u64, "cut at {length}");
        assert_eq!(fs::metadata(&path).unwrap().len(), *end as u64, "cut at {length}");
        drop(cache);
        let whole = |number| offsets[number as usize + 1] <= length;
        whole_and_healed(&path, whole, &format!("cut at {length}"));
    }
}

#[test]
fn a_changed_byte_costs_its_record_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.nfc");
    let offsets = write(&path, &SHAPES);
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            fs::write(&path, &changed).unwrap();
            if at < START {
                let error = FeatureCache::open(&path).unwrap_err();
                assert!(
                    matches!(error, CacheError::Foreign { .. } | CacheError::Version { .. }),
                    "{error}"
                );
                continue;
            }
            let damaged = |number: u64| {
                (offsets[number as usize]..offsets[number as usize + 1]).contains(&at)
            };
            whole_and_healed(&path, |number| !damaged(number), &format!("byte {at} ^ {change}"));
        }
    }
}

#[cfg(unix)] // Where locks bind, nobody else can cut it.
#[test]
fn a_file_cut_while_it_is_open_loses_the_rest_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.nfc");
    let offsets = write(&path, &SHAPES);
    let cache = FeatureCache::open(&path).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(offsets[1] as u64 + 90).unwrap();
    for (number, shape) in (0..).zip(SHAPES) {
        assert_eq!(is_there(&cache, number, shape), number == 0);
        insert(&cache, number, shape);
        assert!(is_there(&cache, number, shape));
    }
    drop(cache);
    whole_and_healed(&path, |_| true, "cut while open");
}

/// A header as it should be, of any number of axes and any lengths.
fn header(rank: u32, axes: [u32; 8]) -> Vec<u8> {
    let mut bytes = b"feat".to_vec();
    bytes.extend(rank.to_le_bytes());
    bytes.extend(key(9).as_bytes());
    bytes.extend(axes.map(u32::to_le_bytes).as_flattened());
    bytes.extend(crc32fast::hash(&[]).to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    assert_eq!(bytes.len(), HEADER);
    bytes
}

#[test]
fn a_header_is_believed_within_its_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.nfc");
    write(&path, &SHAPES);
    let whole = fs::read(&path).unwrap();
    let with = |claim: &[u8]| {
        fs::write(&path, [&whole[..START], claim, &whole[START..]].concat()).unwrap();
        let cache = FeatureCache::open(&path).unwrap();
        (cache.contains(&key(9)), cache.len())
    };
    assert_eq!(with(&header(1, [0; 8])), (true, SHAPES.len() + 1), "the header is sound");
    let claims = [
        (1, [1 << 31; 8]),
        (2, [1 << 31, 1 << 31, 0, 0, 0, 0, 0, 0]),
        (8, [u32::MAX; 8]),
        (9, [1; 8]),
        (u32::MAX, [1; 8]),
        (1, [whole.len() as u32; 8]),
    ];
    for (rank, axes) in claims {
        assert_eq!(with(&header(rank, axes)), (false, SHAPES.len()), "{rank} axes of {axes:?}");
        whole_and_healed(&path, |_| true, "after a header that claims too much");
    }
}

#[test]
fn a_large_hole_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.nfc");
    write(&path, &SHAPES);
    let whole = fs::read(&path).unwrap();
    let hole = vec![0; 1 << 20];
    fs::write(&path, [&whole[..START], &hole, &whole[START..], &hole].concat()).unwrap();
    let cache = FeatureCache::open(&path).unwrap();
    assert_eq!(cache.bytes() as usize, whole.len() + hole.len());
    drop(cache);
    whole_and_healed(&path, |_| true, "around a hole");
}
