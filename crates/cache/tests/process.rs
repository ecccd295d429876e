//! A writer that is killed, and one whose disk is full.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use common::{insert, is_there};
use nfbmr_cache::{CacheError, FeatureCache};

const PATH: &str = "NFBMR_TEST_CACHE";
const SHAPE: [usize; 3] = [16, 30, 30];

/// Runs one of the tests below as a program of its own.
fn child(test: &str, path: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test]).env(PATH, path).stdout(Stdio::null());
    command
}

/// Inserts for as long as it is let; alone it does nothing.
#[test]
fn child_that_is_killed() {
    let Some(path) = env::var_os(PATH) else { return };
    let cache = FeatureCache::open(path).unwrap();
    (0..10_000).for_each(|number| insert(&cache, number, &SHAPE));
}

#[test]
fn a_killed_writer_leaves_whole_records_and_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.nfc");
    let length = || fs::metadata(&path).map_or(0, |metadata| metadata.len());
    let mut found = 0;
    for _ in 0..10 {
        let before = length();
        let mut child = child("child_that_is_killed", &path).spawn().unwrap();
        while length() < before + 500_000 {
            assert!(child.try_wait().unwrap().is_none(), "the child ended early");
            thread::sleep(Duration::from_millis(1));
        }
        assert!(matches!(FeatureCache::open(&path), Err(CacheError::InUse { .. })));
        child.kill().unwrap();
        child.wait().unwrap();
        let cache = FeatureCache::open(&path).unwrap();
        assert!(cache.len() as u64 >= found, "records of an earlier round are lost");
        found = cache.len() as u64;
        assert!(found > 0 && (0..found).all(|number| is_there(&cache, number, &SHAPE)));
    }
}

#[cfg(unix)]
mod unix {
    use super::*;

    /// The child of [`a_full_disk_is_an_error_that_leaves_the_cache_whole`]; alone it does nothing.
    #[test]
    fn child_on_a_full_disk() {
        let Some(path) = env::var_os(PATH).map(PathBuf::from) else { return };
        let cache = FeatureCache::open(&path).unwrap();
        insert(&cache, 0, &[1000]);
        let before = cache.bytes();
        for _ in 0..2 {
            match cache.insert(&common::key(1), &[100_000], &[1.0; 100_000]) {
                Err(CacheError::Write { path: named, offset, .. }) => {
                    assert_eq!((named, offset), (path.clone(), before));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(cache.bytes(), before);
            assert_eq!(fs::metadata(&path).unwrap().len(), before);
            assert!(!cache.contains(&common::key(1)));
            assert!(is_there(&cache, 0, &[1000]));
        }
        insert(&cache, 2, &[1000]);
        assert!(is_there(&cache, 2, &[1000]));
    }

    /// A limit on the length of files fails a write in its middle, as a full disk does.
    #[test]
    fn a_full_disk_is_an_error_that_leaves_the_cache_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.nfc");
        let inner = child("unix::child_on_a_full_disk", &path);
        let status = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""])
            .arg(inner.get_program())
            .args(inner.get_args())
            .env(PATH, &path)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let cache = FeatureCache::open(&path).unwrap();
        assert_eq!(cache.len(), 2);
        assert!(is_there(&cache, 0, &[1000]) && is_there(&cache, 2, &[1000]));
    }

    #[test]
    fn a_device_is_no_cache() {
        let error = FeatureCache::open("/dev/zero").unwrap_err();
        assert!(matches!(error, CacheError::NotAFile { .. }), "{error}");
    }
}
