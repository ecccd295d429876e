//! What the examples share: a progress bar and pictures.

use std::ops::ControlFlow;

use image::{Rgb, RgbImage};
use indicatif::{ProgressBar, ProgressStyle};
use nfbmr::{Phase, Progress};

/// A phase, and the level that it is about.
type Stage = (Phase, Option<(usize, usize)>);

/// A progress bar over the phases of a training.
pub struct Bar {
    bar: ProgressBar,
    stage: Option<Stage>,
}

impl Bar {
    /// A bar labelled with the name of what is trained.
    pub fn new(name: &str) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {msg}");
        let bar = ProgressBar::new(1).with_prefix(name.to_owned());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, stage: None }
    }

    /// Shows the progress of a training.
    pub fn show(&mut self, progress: &Progress) -> ControlFlow<()> {
        let stage = (progress.phase, progress.level);
        if self.stage.replace(stage) != Some(stage) {
            self.bar.reset();
        }
        self.bar.set_length(progress.total_images as u64);
        self.bar.set_position(progress.images as u64);
        self.bar.set_message(progress.to_string());
        ControlFlow::Continue(())
    }

    /// Removes the bar.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Images of one size in rows of `columns`.
#[allow(dead_code)] // Not every example draws.
pub fn grid(images: &[RgbImage], columns: usize) -> RgbImage {
    const GAP: u32 = 4;
    let (width, height) = images.first().map_or((0, 0), |image| image.dimensions());
    let rows = images.len().div_ceil(columns) as u32;
    let size = (columns as u32 * (width + GAP) - GAP, rows * (height + GAP) - GAP);
    let mut canvas = RgbImage::from_pixel(size.0, size.1, Rgb([255; 3]));
    for (i, image) in images.iter().enumerate() {
        let x = (i % columns) as u32 * (width + GAP);
        let y = (i / columns) as u32 * (height + GAP);
        image::imageops::replace(&mut canvas, image, x.into(), y.into());
    }
    canvas
}
