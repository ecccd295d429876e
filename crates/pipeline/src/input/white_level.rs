//! The value that is white in 16-bit images, guessed from all of them.

use std::fmt;

use nfbmr_data::{largest_16_bit, largest_value};
use rayon::prelude::*;

use crate::error::PipelineError;
use crate::input::images::{CHUNK, Images};

/// White of 10, 12, 14 and 16 bits.
const WHITE: [u16; 4] = [1023, 4095, 16383, u16::MAX];

/// What 16-bit images say of the value that is white, together: cameras put 10, 12 or 14 bits in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WhiteLevel {
    /// The least of 1023, 4095, 16383 and 65535 that no value exceeds.
    pub value: u16,
    /// The largest value.
    pub largest: u16,
    /// The number of 16-bit images.
    pub images: usize,
}

impl fmt::Display for WhiteLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, largest, images } = self;
        let images = match images {
            1 => "1 image of 16 bits, whose".to_owned(),
            images => format!("{images} images of 16 bits, whose"),
        };
        write!(f, "{value}, guessed from {images} largest value is {largest}")
    }
}

/// Guesses the white level of images by all of them; `None` where none has 16 bits without declaring how
/// many of them it uses (see [`load_image`](nfbmr_data::load_image)). Files of other images aren't decoded.
///
/// It is what [`PipelineConfig::white_level`](crate::PipelineConfig::white_level) becomes in training where it
/// is not set. Guess it before from images to calibrate on as well: a brighter one is refused later.
///
/// # Errors
/// [`PipelineError::Data`] for a file that can't be read, unless those are to be skipped.
pub fn white_level<'a>(images: impl Into<Images<'a>>) -> Result<Option<WhiteLevel>, PipelineError> {
    let largest: Vec<u16> = match images.into() {
        Images::Decoded(images) => {
            images.par_iter().filter_map(|(_, image)| largest_16_bit(image)).collect()
        }
        Images::Files { paths, limits, mut on_bad } => {
            let mut largest = Vec::new();
            // So that a bad file ends it before all are read.
            for paths in paths.chunks(CHUNK) {
                let values: Vec<_> =
                    paths.par_iter().map(|path| largest_value(path, &limits)).collect();
                largest.extend(on_bad.keep_good(values)?.into_iter().flatten());
            }
            largest
        }
    };
    let images = largest.len();
    Ok(largest.into_iter().max().map(|largest| {
        let value = WHITE.into_iter().find(|&white| largest <= white).unwrap_or(u16::MAX);
        WhiteLevel { value, largest, images }
    }))
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GrayImage, ImageBuffer, Luma};

    use super::*;

    fn deep(value: u16) -> DynamicImage {
        ImageBuffer::from_pixel(2, 1, Luma([value])).into()
    }

    #[test]
    fn the_brightest_image_decides() {
        let level = |values: &[u16]| {
            let images: Vec<DynamicImage> = values.iter().map(|&value| deep(value)).collect();
            white_level(&images).unwrap().map(|level| (level.value, level.largest))
        };
        assert_eq!(level(&[]), None);
        assert_eq!(level(&[0, 1023, 5]), Some((1023, 1023)));
        assert_eq!(level(&[1023, 1024]), Some((4095, 1024)));
        assert_eq!(level(&[4096, 9]), Some((16383, 4096)));
        assert_eq!(level(&[16384]), Some((65535, 16384)));
    }

    #[test]
    fn images_of_8_bits_do_not_count() {
        let shallow: DynamicImage = GrayImage::from_pixel(2, 1, Luma([255])).into();
        assert_eq!(white_level(std::slice::from_ref(&shallow)).unwrap(), None);
        let level = white_level(&vec![shallow, deep(3821), deep(7)]).unwrap().unwrap();
        assert_eq!(
            level.to_string(),
            "4095, guessed from 2 images of 16 bits, whose largest value is 3821"
        );
    }
}
