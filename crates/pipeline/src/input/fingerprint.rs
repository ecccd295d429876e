//! The content of an image in a few bytes, by which images that a model knows are told.

use std::sync::Arc;

use image::RgbImage;
use sha2::{Digest, Sha256};

/// The content of an image that was brought to the network's input: half the SHA-256 of its size and
/// pixels, by which no two images agree by chance.
pub(crate) type Fingerprint = [u8; 16];

pub(crate) fn fingerprint(image: &RgbImage) -> Fingerprint {
    let (width, height) = image.dimensions();
    let mut hasher = Sha256::new();
    for part in [&width.to_le_bytes()[..], &height.to_le_bytes(), image.as_raw()] {
        hasher.update(part);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    #[expect(clippy::indexing_slicing, reason = "16 of 32 bytes")]
    std::array::from_fn(|i| digest[i])
}

/// The images that a model was trained or calibrated on; models of one trainer share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrainedOn {
    /// Ascending.
    fingerprints: Arc<[Fingerprint]>,
}

impl TrainedOn {
    pub(crate) fn new(mut fingerprints: Vec<Fingerprint>) -> Self {
        fingerprints.sort_unstable();
        Self { fingerprints: fingerprints.into() }
    }

    pub(crate) fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.fingerprints.binary_search(fingerprint).is_ok()
    }

    /// Ascending.
    pub(crate) fn fingerprints(&self) -> &[Fingerprint] {
        &self.fingerprints
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn content_is_size_and_pixels() {
        let image = RgbImage::from_fn(4, 2, |x, y| Rgb([x as u8, y as u8, 7]));
        let mut changed = image.clone();
        changed.get_pixel_mut(3, 1).0[2] = 8;
        let turned = RgbImage::from_raw(2, 4, image.as_raw().clone()).unwrap();
        let trained_on = TrainedOn::new(vec![fingerprint(&image), [255; 16], [0; 16]]);
        assert!(trained_on.contains(&fingerprint(&image.clone())));
        assert!(!trained_on.contains(&fingerprint(&changed)));
        assert!(!trained_on.contains(&fingerprint(&turned)));
    }

    /// Model files hold fingerprints, so that they never change. By Python's `hashlib`:
    /// `sha256(struct.pack("<II", 2, 1) + bytes([1, 2, 3, 4, 5, 6])).hexdigest()[:32]`.
    #[test]
    fn fingerprints_never_change() {
        let image = RgbImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let hexadecimal: String = fingerprint(&image).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hexadecimal, "f25af82c68d29a6c012779bae23ccc6e");
    }
}
