//! Records that are told by their number.

use std::path::Path;

use nfbmr_cache::{FeatureCache, Features, Key};

/// Bytes of the file's and of a record's header.
pub const START: usize = 16;
pub const HEADER: usize = 80;

pub fn key(number: u64) -> Key {
    Key::builder().part("number", &number.to_le_bytes()).build()
}

/// Features that only this number has, any bits among them.
pub fn features(number: u64, shape: &[usize]) -> Features {
    let mut state = number.wrapping_add(1);
    let mut value = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number | 1);
        f32::from_bits((state >> 32) as u32)
    };
    let values = (0..shape.iter().product()).map(|_| value()).collect();
    Features { shape: shape.into(), values }
}

pub fn bits(features: &Features) -> (&[usize], Vec<u32>) {
    (&features.shape, features.values.iter().map(|value| value.to_bits()).collect())
}

pub fn insert(cache: &FeatureCache, number: u64, shape: &[usize]) {
    cache.insert(&key(number), shape, &features(number, shape).values).unwrap();
}

/// Whether a number is there; if so, it must be right.
pub fn is_there(cache: &FeatureCache, number: u64, shape: &[usize]) -> bool {
    let expected = features(number, shape);
    let Some(found) = cache.get(&key(number)).unwrap() else {
        assert!(!cache.contains(&key(number)), "{number} is known to be absent");
        return false;
    };
    assert_eq!(bits(&found), bits(&expected), "{number}");
    let mut buffer = vec![0.0; expected.values.len()];
    assert!(cache.read_into(&key(number), &mut buffer).unwrap());
    assert_eq!(
        bits(&Features { shape: shape.into(), values: buffer }),
        bits(&expected),
        "{number}"
    );
    true
}

/// Writes a cache of records numbered by their place and gives the place in the file where each starts,
/// and where the last ends.
#[allow(dead_code)] // Not every suite needs it.
pub fn write(path: &Path, shapes: &[&[usize]]) -> Vec<usize> {
    let cache = FeatureCache::open(path).unwrap();
    let mut offsets = vec![START];
    for (number, shape) in (0..).zip(shapes) {
        insert(&cache, number, shape);
        offsets.push(offsets[offsets.len() - 1] + HEADER + 4 * shape.iter().product::<usize>());
    }
    assert_eq!(cache.bytes(), offsets[shapes.len()] as u64);
    offsets
}
