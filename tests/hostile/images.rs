//! Damaged images in every format and encoding that is read.

use std::fs;
use std::path::{Path, PathBuf};

use nfbmr::data::{Limits, load_image};

use crate::{MB, Reader, alone};

/// Valid images, in every format and encoding that is read.
fn valid() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    let small = |path: &Path| fs::metadata(path).unwrap().len() < 20_000;
    let mut valid: Vec<_> = files
        .into_iter()
        .filter(|path| small(path) && load_image(path, &Limits::default()).is_ok())
        .collect();
    valid.sort();
    assert!(valid.len() > 35, "{valid:?}");
    valid.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Gives the chunks of a PNG the checksums they should have.
fn check_png(png: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = png.get(at..at + 4) {
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let Some(chunk) = png.get(at + 4..at + 8 + length) else { return };
        let checksum = crc32fast::hash(chunk).to_be_bytes();
        let end = at + 8 + length;
        match png.get_mut(end..end + 4) {
            Some(old) => old.copy_from_slice(&checksum),
            None => return,
        }
        at = end + 4;
    }
}

#[test]
fn images() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let valid = valid();
    // A header within the limits is believed.
    let limits = Limits { max_pixels: 1 << 16, max_alloc: 1 << 20 };
    let reader =
        Reader { name: "images", cases: 2_000, path: &path, named: &path, room: [32 * MB, 16] };
    reader.try_all(
        |damage| {
            let mut image = damage.one_of(&valid).clone();
            let other = damage.one_of(&valid);
            damage.bytes(&mut image, other);
            if image.starts_with(b"\x89PNG") && damage.below(4) > 0 {
                check_png(&mut image);
            }
            image
        },
        |path| Ok(load_image(path, &limits).map(drop)?),
    );
}
