//! How an image becomes what the networks see, in training and in detection: masked, aligned, brought to the input's
//! size, turned and mirrored, cut into tiles, in this order.

use std::sync::Arc;

use image::{DynamicImage, Rgb, RgbImage};
use imageproc::geometric_transformations::{Border, Interpolation, Projection, warp_into};
use nfbmr_data::{Fit, Fitted, Rect, Size, fit_rgb, resize_rgb, to_rgb8};
use nfbmr_pose::{Affine, Scene, Template};

use super::alignment::{Aligned, Alignment, Located};
use super::fingerprint::{Fingerprint, fingerprint};
use super::{Augmentation, Mask, Tiles, overlapping};
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
    pub(crate) alignment: Alignment,
    /// That of the alignment, once it is learnt.
    pub(crate) template: Option<Arc<Template>>,
    pub(crate) tiles: Option<Tiles>,
    pub(crate) augmentation: Augmentation,
}

/// An image as the networks see it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) image: RgbImage,
    /// The part of it that shows the image, or the box of the part.
    pub(crate) content: Rect,
    /// How it lies there, where it is aligned.
    pub(crate) aligned: Option<Aligned>,
}

/// A training image.
#[derive(Clone, Debug)]
pub(crate) struct TrainingImage {
    /// Of the image as it is without alignment, so that copies are told whatever a model knows.
    pub(crate) content: Fingerprint,
    pub(crate) located: Option<Located>,
    /// As the networks see it, then its copies.
    pub(crate) copies: Vec<RgbImage>,
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

    /// An image in 8 bits; what isn't inspected is painted over before pixels are mixed.
    pub(crate) fn masked_rgb(&self, image: &DynamicImage) -> Result<RgbImage, PipelineError> {
        let image = to_rgb8(image, self.white_level)?;
        let content = Rect { x: 0, y: 0, width: image.width(), height: image.height() };
        Ok(self.masked(Fitted { image, content }).image)
    }

    /// An image as the networks see it.
    pub(crate) fn fit(&self, image: &DynamicImage) -> Result<Seen, PipelineError> {
        let image = self.masked_rgb(image)?;
        match &self.template {
            Some(template) => self.align(&image, template),
            None => {
                let Fitted { image, content } = self.unaligned(&image)?;
                Ok(Seen { image, content, aligned: None })
            }
        }
    }

    /// The content of an image, by which it is known: as the networks would see it without alignment.
    pub(crate) fn content(&self, image: &DynamicImage) -> Result<Fingerprint, PipelineError> {
        Ok(fingerprint(&self.unaligned(&self.masked_rgb(image)?)?.image))
    }

    /// An image that is masked, at the size of the input; what the resize mixed of the outside is painted over.
    fn unaligned(&self, image: &RgbImage) -> Result<Fitted, PipelineError> {
        Ok(self.masked(fit_rgb(image, self.size, self.fit)?))
    }

    /// An image as the networks see it, then its copies. What a turned one shows where nothing is inspected is
    /// painted over once more.
    pub(crate) fn training_image(
        &self,
        image: &DynamicImage,
    ) -> Result<TrainingImage, PipelineError> {
        let masked = self.masked_rgb(image)?;
        let Some(template) = &self.template else {
            let fitted = self.unaligned(&masked)?;
            let content = fingerprint(&fitted.image);
            let copies = self.augmentation.copies_of(&fitted).into_iter();
            let copies = copies.map(|copy| self.masked(copy).image).collect();
            return Ok(TrainingImage { content, located: None, copies });
        };
        let content = fingerprint(&self.unaligned(&masked)?.image);
        let Seen { image, content: rect, aligned } = self.align(&masked, template)?;
        let copies = self.augmentation.copies_of(&Fitted { image, content: rect }).into_iter();
        let repainted = |mut copy: Fitted| {
            if let (Some(aligned), Some(_)) = (&aligned, &self.mask) {
                self.paint(&mut copy.image, &aligned.inspected);
            }
            copy.image
        };
        let copies = copies.map(repainted).collect();
        Ok(TrainingImage { content, located: aligned.map(|aligned| aligned.located), copies })
    }

    /// What isn't inspected, painted over.
    fn masked(&self, mut fitted: Fitted) -> Fitted {
        if let Some(mask) = &self.mask {
            mask.paint(&mut fitted.image, fitted.content, Rgb(self.fill));
        }
        fitted
    }

    fn paint(&self, image: &mut RgbImage, inspected: &[bool]) {
        let pixels = image.pixels_mut().zip(inspected);
        pixels.filter(|(_, inspected)| !**inspected).for_each(|(pixel, _)| *pixel = Rgb(self.fill));
    }

    /// The box of the part, where it is found in the image, fills the input. Beyond the border of the image its outermost
    /// pixels go on.
    fn align(&self, image: &RgbImage, template: &Template) -> Result<Seen, PipelineError> {
        let (width, height) = image.dimensions();
        let size = Size { width, height };
        // An image without pixels is refused as any other.
        let content = self.fit.placement(size, self.size.into())?;
        let content = match self.fit {
            Fit::Squash => content,
            _ => {
                let [width, height] =
                    template.sides().map(|side| (4096.0 * side).round().max(1.0) as u32);
                self.fit.placement(Size { width, height }, self.size.into())?
            }
        };
        let location = template.locate(&Scene::new(image));
        let problem =
            location.problem.or_else(|| template.beyond(&self.alignment.tolerance, &location.pose));
        let to_template = Affine::along_axes(
            [1.0 / f64::from(content.width), 1.0 / f64::from(content.height)],
            [
                -f64::from(content.x) / f64::from(content.width),
                -f64::from(content.y) / f64::from(content.height),
            ],
        );
        let of_template = template.to_image(&location.pose, [width, height]);
        let to_image = to_template.then(&of_template);
        let corner = |x: f64, y: f64| of_template.apply([x, y]);
        let [x, y] = corner(0.5, 0.5);
        let located = Located {
            x,
            y,
            angle: template.deviation(&location.pose).0.unwrap_or(location.pose.angle.to_degrees()),
            scale: location.pose.scale,
            confidence: location.confidence,
            problem,
            corners: [corner(0.0, 0.0), corner(1.0, 0.0), corner(1.0, 1.0), corner(0.0, 1.0)],
        };
        let mut seen = warped(image, &to_image, self.size)?;
        if let Fit::Letterbox { fill } = self.fit {
            let inside = |x: u32, y: u32| {
                (content.x..content.x + content.width).contains(&x)
                    && (content.y..content.y + content.height).contains(&y)
            };
            let outside = seen.enumerate_pixels_mut().filter(|(x, y, _)| !inside(*x, *y));
            outside.for_each(|(.., pixel)| *pixel = Rgb(fill));
        }
        let inspected = self.shown(&to_image, content, size);
        if self.mask.is_some() {
            self.paint(&mut seen, &inspected);
        }
        Ok(Seen { image: seen, content, aligned: Some(Aligned { located, to_image, inspected }) })
    }

    /// Whether each pixel of the input shows something of the image that is inspected.
    fn shown(&self, to_image: &Affine, content: Rect, size: Size) -> Vec<bool> {
        let mask = self.mask.as_ref().map(|mask| mask.at(size));
        let Rect { x: left, y: top, width, height } = content;
        let pixels = (0..self.size).flat_map(|y| (0..self.size).map(move |x| (x, y)));
        let shown = |(x, y): (u32, u32)| {
            let [u, v] = to_image.apply([f64::from(x) + 0.5, f64::from(y) + 0.5]);
            let inside = (left..left + width).contains(&x)
                && (top..top + height).contains(&y)
                && (0.0..f64::from(size.width)).contains(&u)
                && (0.0..f64::from(size.height)).contains(&v);
            let at = || v as usize * size.width as usize + u as usize;
            inside && mask.as_ref().is_none_or(|mask| mask.get(at()).copied().unwrap_or(false))
        };
        pixels.map(shown).collect()
    }
}

impl Aligned {
    /// Which cells of a map of that size over the input show something of the image that is inspected, by half of their
    /// pixels or more; where none does, those of which any pixel does.
    pub(crate) fn cells(&self, map: Size, input: u32) -> Vec<bool> {
        let (columns, rows) = (map.width as usize, map.height as usize);
        let (mut shown, mut all) = (vec![0u32; columns * rows], vec![0u32; columns * rows]);
        let side = input.max(1) as usize;
        for (index, &inspected) in self.inspected.iter().enumerate() {
            let cell = index / side * rows / side * columns + index % side * columns / side;
            if let (Some(shown), Some(all)) = (shown.get_mut(cell), all.get_mut(cell)) {
                *shown += u32::from(inspected);
                *all += 1;
            }
        }
        let cells: Vec<bool> =
            shown.iter().zip(&all).map(|(shown, all)| *all > 0 && 2 * shown >= *all).collect();
        match cells.contains(&true) {
            true => cells,
            false => overlapping(&self.inspected, input.into(), map),
        }
    }
}

/// An image on a square of that side, whose places `to_image` maps to those of the image.
fn warped(image: &RgbImage, to_image: &Affine, side: u32) -> Result<RgbImage, PipelineError> {
    let [[a, b, _], [d, e, _]] = to_image.rows;
    // Pixels of the image for one of the square; more than one are averaged first.
    let step = (a * e - b * d).abs().sqrt();
    let (width, height) = image.dimensions();
    let reduced = |own: u32| ((f64::from(own) / step).round().max(1.0) as u32).min(own);
    let smaller = match step > 1.0 {
        true => Some(resize_rgb(image, reduced(width), reduced(height))?),
        false => None,
    };
    let source = smaller.as_ref().unwrap_or(image);
    let stretch = [
        f64::from(source.width()) / f64::from(width),
        f64::from(source.height()) / f64::from(height),
    ];
    // The library's pixels are points: (0, 0) is the middle of the first one.
    let map = Affine::along_axes([1.0; 2], [0.5; 2])
        .then(to_image)
        .then(&Affine::along_axes(stretch, [-0.5; 2]));
    let to_square = map.inverse().and_then(|map| {
        let [[a, b, c], [d, e, f]] = map.rows.map(|row| row.map(|value| value as f32));
        Projection::from_matrix([a, b, c, d, e, f, 0.0, 0.0, 1.0])
    });
    let failed =
        || PipelineError::Config("alignment: expected a part with a size, found none".to_owned());
    let to_square = to_square.ok_or_else(failed)?;
    let mut square = RgbImage::new(side, side);
    warp_into(source, to_square, Interpolation::Bilinear, Border::Replicate, &mut square);
    Ok(square)
}
