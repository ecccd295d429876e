//! What the examples share: a progress bar and pictures.

use std::ops::ControlFlow;

use image::{Rgb, RgbImage};
use indicatif::{ProgressBar, ProgressStyle};
use nfbmr::{Phase, Progress, ScoreMap};

/// A progress bar over the phases of a training.
pub struct Bar {
    bar: ProgressBar,
    phase: Option<Phase>,
}

impl Bar {
    /// A bar labelled with the name of what is trained.
    pub fn new(name: &str) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {msg}");
        let bar = ProgressBar::new(1).with_prefix(name.to_owned());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, phase: None }
    }

    /// Shows the progress of a training.
    pub fn show(&mut self, progress: &Progress) -> ControlFlow<()> {
        if self.phase.replace(progress.phase) != Some(progress.phase) {
            self.bar.reset();
        }
        self.bar.set_length(progress.total_images as u64);
        self.bar.set_position(progress.images as u64);
        let loss = progress.loss.map_or(String::new(), |loss| format!(", loss {loss:.4}"));
        self.bar.set_message(format!(
            "{}: epoch {}/{}{loss}, {:.0} images/s, {:.0} s left",
            progress.phase,
            progress.epoch.min(progress.epochs),
            progress.epochs,
            progress.images_per_s,
            progress.remaining.as_secs_f64(),
        ));
        ControlFlow::Continue(())
    }

    /// Removes the bar.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// An anomaly map over its image: nothing at `low`, full colour at `high`.
#[allow(dead_code)] // Not every example draws.
pub fn heatmap(image: &RgbImage, map: &ScoreMap, low: f32, high: f32) -> RgbImage {
    let mut overlay = image.clone();
    for (pixel, value) in overlay.pixels_mut().zip(&map.values) {
        let heat = ((value - low) / (high - low)).clamp(0.0, 1.0);
        let color = colorous::INFERNO.eval_continuous(f64::from(heat));
        for (channel, color) in pixel.0.iter_mut().zip([color.r, color.g, color.b]) {
            let mixed =
                f32::from(*channel) * (1.0 - heat) * 0.6 + f32::from(color) * (0.4 + 0.6 * heat);
            *channel = mixed.min(255.0) as u8;
        }
    }
    overlay
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
