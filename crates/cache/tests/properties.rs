//! Random use and random damage against a map in memory.

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::{bits, features, insert, is_there, key};
use nfbmr_cache::{FeatureCache, Features};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Insert { number: u64, shape: Vec<usize>, seed: u64 },
    Get { number: u64 },
    Reopen,
}

fn shape() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..5_usize, 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..12_u64, shape(), any::<u64>())
            .prop_map(|(number, shape, seed)| Step::Insert { number, shape, seed }),
        4 => (0..12_u64).prop_map(|number| Step::Get { number }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #[test]
    fn a_cache_is_a_map(steps in prop::collection::vec(step(), 0..60)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.nfc");
        let mut cache = FeatureCache::open(&path).unwrap();
        let mut model = BTreeMap::<u64, Features>::new();
        for step in steps {
            match step {
                Step::Insert { number, shape, seed } => {
                    let features = features(seed, &shape);
                    cache.insert(&key(number), &shape, &features.values).unwrap();
                    model.entry(number).or_insert(features);
                }
                Step::Get { number } => {
                    let found = cache.get(&key(number)).unwrap();
                    prop_assert_eq!(found.as_ref().map(bits), model.get(&number).map(bits));
                    prop_assert_eq!(cache.contains(&key(number)), found.is_some());
                }
                Step::Reopen => {
                    drop(cache);
                    cache = FeatureCache::open(&path).unwrap();
                }
            }
            prop_assert_eq!(cache.len(), model.len());
            prop_assert_eq!(cache.bytes(), fs::metadata(&path).unwrap().len());
        }
    }

    #[test]
    fn damage_gives_no_wrong_value(
        shapes in prop::collection::vec(shape(), 1..6),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        lost in 0..40_usize,
        behind in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.nfc");
        let cache = FeatureCache::open(&path).unwrap();
        (0..).zip(&shapes).for_each(|(number, shape)| insert(&cache, number, shape));
        drop(cache);
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - lost);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend(behind);
        fs::write(&path, bytes).unwrap();
        // A changed start is refused; every value of an opened file is right or absent, and heals.
        if let Ok(cache) = FeatureCache::open(&path) {
            for (number, shape) in (0..).zip(&shapes) {
                if !is_there(&cache, number, shape) {
                    insert(&cache, number, shape);
                }
            }
            drop(cache);
            let cache = FeatureCache::open(&path).unwrap();
            for (number, shape) in (0..).zip(&shapes) {
                prop_assert!(is_there(&cache, number, shape));
            }
        }
    }
}
