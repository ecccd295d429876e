//! What a cache keeps, refuses and shares.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use common::{HEADER, START, bits, features, insert, is_there, key, write};
use nfbmr_cache::{CacheError, FORMAT_VERSION, FeatureCache, Features, Key, MAX_AXES};

#[test]
fn arrays_of_any_shape_and_bits_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.nfc");
    let shapes: [&[usize]; 6] = [&[], &[0], &[7], &[2, 0, 3], &[1, 3, 2, 2], &[1; MAX_AXES]];
    write(&path, &shapes);
    let special =
        [f32::NAN, -0.0, f32::INFINITY, f32::MIN_POSITIVE / 2.0, f32::from_bits(0x7f80_0001)];
    let special = Features { shape: vec![5], values: special.into() };
    let cache = FeatureCache::open(&path).unwrap();
    cache.insert(&key(6), &special.shape, &special.values).unwrap();
    drop(cache);

    let cache = FeatureCache::open(&path).unwrap();
    assert_eq!(cache.len(), 7);
    for (number, shape) in (0..).zip(shapes) {
        assert!(is_there(&cache, number, shape));
    }
    assert_eq!(bits(&cache.get(&key(6)).unwrap().unwrap()), bits(&special));
    assert!(cache.get(&key(7)).unwrap().is_none());
    assert!(!cache.read_into(&key(7), &mut [0.0; 5]).unwrap());
    assert_eq!(cache.bytes(), fs::metadata(&path).unwrap().len());
}

#[test]
fn a_key_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = FeatureCache::open(folder.path().join("features.nfc")).unwrap();
    assert!(cache.is_empty());
    insert(&cache, 0, &[3]);
    let bytes = cache.bytes();
    cache.insert(&key(0), &[2], &[1.0, 2.0]).unwrap();
    assert_eq!((cache.len(), cache.bytes()), (1, bytes));
    assert!(is_there(&cache, 0, &[3]));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cache = FeatureCache::open(folder.path().join("features.nfc")).unwrap();
    let refused =
        |shape: &[usize], values: &[f32]| cache.insert(&key(0), shape, values).unwrap_err();
    let error = refused(&[2, 3], &[0.0; 5]);
    assert!(
        matches!(&error, CacheError::Shape { shape, values: 5 } if *shape == [2, 3]),
        "{error}"
    );
    assert!(matches!(refused(&[1; MAX_AXES + 1], &[0.0]), CacheError::Axes { .. }));
    assert!(matches!(refused(&[usize::MAX, 2], &[]), CacheError::Axes { .. }));
    assert!(matches!(refused(&[u32::MAX as usize; 3], &[]), CacheError::Axes { .. }));
    assert!(cache.is_empty());

    insert(&cache, 0, &[2, 3]);
    for found in [0, 5, 7] {
        let error = cache.read_into(&key(0), &mut vec![0.0; found]).unwrap_err();
        assert!(
            matches!(error, CacheError::Buffer { expected: 6, found: named, .. } if named == found)
        );
    }
}

/// Asserts that opening fails, names the path and leaves the file as it is.
fn refused(path: &Path, content: &[u8]) -> CacheError {
    fs::write(path, content).unwrap();
    let error = FeatureCache::open(path).unwrap_err();
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert_eq!(fs::read(path).unwrap(), content);
    error
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.nfc");
    write(&path, &[&[2]]);
    let whole = fs::read(&path).unwrap();
    for foreign in ["x", "nfbmr cash", "nfbmr cash\n and much more"] {
        assert!(matches!(refused(&path, foreign.as_bytes()), CacheError::Foreign { .. }));
    }
    for version in [0, FORMAT_VERSION + 1] {
        let mut bytes = whole.clone();
        bytes[12..16].copy_from_slice(&version.to_le_bytes());
        let error = refused(&path, &bytes);
        assert!(matches!(error, CacheError::Version { found, .. } if found == version), "{error}");
    }
    let folder_error = FeatureCache::open(folder.path()).unwrap_err();
    assert!(matches!(folder_error, CacheError::NotAFile { .. }), "{folder_error}");
    let nowhere = folder.path().join("no folder/features.nfc");
    assert!(matches!(
        FeatureCache::open(&nowhere),
        Err(CacheError::Open { path, .. }) if path == nowhere
    ));
}

#[test]
fn one_opener_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.nfc");
    let cache = FeatureCache::open(&path).unwrap();
    let error = FeatureCache::open(&path).unwrap_err();
    assert!(matches!(&error, CacheError::InUse { path: named } if *named == path), "{error}");
    insert(&cache, 0, &[3]);
    drop(cache);
    assert!(is_there(&FeatureCache::open(&path).unwrap(), 0, &[3]));
}

#[test]
fn threads_share_a_cache_and_heal_it_once() {
    const NUMBERS: usize = 400;
    const THREADS: usize = 4;
    let shape = [1, 16, 100];
    let record = HEADER + 4 * 16 * 100;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.nfc");
    // Half of the numbers are there, and every third of those is damaged.
    write(&path, &[shape.as_slice(); NUMBERS / 2]);
    let mut bytes = fs::read(&path).unwrap();
    let damaged = (0..NUMBERS / 2).step_by(3);
    damaged.clone().for_each(|number| bytes[START + number * record + HEADER + 17] ^= 4);
    fs::write(&path, bytes).unwrap();

    let cache = FeatureCache::open(&path).unwrap();
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for number in 0..NUMBERS as u64 {
                    let expected = features(number, &shape);
                    together.wait();
                    match cache.get(&key(number)).unwrap() {
                        Some(found) => assert_eq!(bits(&found), bits(&expected)),
                        None => cache.insert(&key(number), &shape, &expected.values).unwrap(),
                    }
                    let found = cache.get(&key(number)).unwrap().unwrap();
                    assert_eq!(bits(&found), bits(&expected));
                }
            });
        }
    });
    assert_eq!(cache.len(), NUMBERS);
    assert_eq!(cache.bytes() as usize, START + (NUMBERS + damaged.len()) * record);
    drop(cache);
    let cache = FeatureCache::open(&path).unwrap();
    assert!((0..NUMBERS as u64).all(|number| is_there(&cache, number, &shape)));
}

#[test]
fn keys_tell_parts_apart() {
    let keys = [
        Key::builder().build(),
        Key::builder().part("", b"").build(),
        Key::builder().part("a", b"bc").build(),
        Key::builder().part("ab", b"c").build(),
        Key::builder().part("a", b"b").part("c", b"").build(),
        Key::builder().part("c", b"").part("a", b"b").build(),
        Key::builder().part("a", b"b").build(),
        Key::builder().part("a", b"b").part("", b"").build(),
    ];
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key), "{key}");
        assert_eq!(Key::from_bytes(*key.as_bytes()), *key);
    }
}
