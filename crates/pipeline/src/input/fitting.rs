//! How an image becomes what the networks see, in training and in detection.

use image::{DynamicImage, Rgb, RgbImage};
use nfbmr_data::{Fit, Fitted, Rect, fit_rgb, to_rgb8};

use super::{Augmentation, Mask, Tiles};
use crate::error::PipelineError;

/// The input of the networks, resolved: images that it brings to the same pixels have the same features.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Input {
    /// Side of the square in pixels.
    pub(crate) size: u32,
    pub(crate) fit: Fit,
    pub(crate) white_level: Option<u16>,
    pub(crate) mask: Option<Mask>,
    /// The colour of what the mask leaves out.
    pub(crate) fill: [u8; 3],
    pub(crate) tiles: Option<Tiles>,
    pub(crate) augmentation: Augmentation,
}

impl Input {
    /// Side of the images that the networks take: of a tile, or of the whole input.
    pub(crate) fn network_size(&self) -> u32 {
        self.tiles.map_or(self.size, |tiles| tiles.size)
    }

    /// How many images the networks see of each one.
    pub(crate) fn tile_count(&self) -> usize {
        self.tiles.map_or(1, Tiles::count)
    }

    /// How many images training sees of each one.
    pub(crate) fn samples(&self) -> usize {
        self.tile_count() * self.augmentation.copies()
    }

    /// The images that the networks see of one that was brought to the input.
    pub(crate) fn cut(&self, image: RgbImage) -> Vec<RgbImage> {
        match self.tiles {
            Some(tiles) => tiles.cut(&image),
            None => vec![image],
        }
    }

    /// An image as the network sees it. What isn't inspected is painted over before pixels are mixed by the
    /// resize, and after.
    pub(crate) fn fit(&self, image: &DynamicImage) -> Result<Fitted, PipelineError> {
        let image = to_rgb8(image, self.white_level)?;
        let content = Rect { x: 0, y: 0, width: image.width(), height: image.height() };
        let Fitted { image, .. } = self.masked(Fitted { image, content });
        Ok(self.masked(fit_rgb(&image, self.size, self.fit)?))
    }

    /// An image as the network sees it, then its copies. What a turned one shows where nothing is inspected is
    /// painted over once more.
    pub(crate) fn training_images(
        &self,
        image: &DynamicImage,
    ) -> Result<Vec<RgbImage>, PipelineError> {
        let copies = self.augmentation.copies_of(&self.fit(image)?).into_iter();
        Ok(copies.map(|copy| self.masked(copy).image).collect())
    }

    /// What isn't inspected, painted over.
    fn masked(&self, mut fitted: Fitted) -> Fitted {
        if let Some(mask) = &self.mask {
            mask.paint(&mut fitted.image, fitted.content, Rgb(self.fill));
        }
        fitted
    }
}
