//! Where long work stands, and who is told of it. Knows the errors alone.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::error::{Phase, PipelineError};

/// Where training or calibration stands; reported after every batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Which model of how many is trained, from 1, where there is one for each fold.
    pub fold: Option<(usize, usize)>,
    /// Which level is trained of how many, from 1, where a system has a network for each.
    pub level: Option<(usize, usize)>,
    /// The stage.
    pub phase: Phase,
    /// Epoch in progress, from 1.
    pub epoch: usize,
    /// Epochs of the stage.
    pub epochs: usize,
    /// Images seen in the stage, over all epochs.
    pub images: usize,
    /// Images of the stage, over all epochs.
    pub total_images: usize,
    /// Mean loss of the last complete epoch.
    pub loss: Option<f64>,
    /// Images per second in the stage so far.
    pub images_per_s: f64,
    /// Estimate of the time left in the stage.
    pub remaining: Duration,
}

impl fmt::Display for Progress {
    /// One line, such as `flow: epoch 3 of 10, loss 0.1234, 52 images/s, 4 s left`, which that of a fold
    /// begins with `fold 2 of 4, `, and that of a level with `level 1 of 2, ` after it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, epoch, epochs, images, total_images, images_per_s, .. } = self;
        let unit = if *phase == Phase::Fit { "steps" } else { "images" };
        if let Some((fold, folds)) = self.fold {
            write!(f, "fold {fold} of {folds}, ")?;
        }
        if let Some((level, levels)) = self.level {
            write!(f, "level {level} of {levels}, ")?;
        }
        match epochs {
            1 => {
                let all = if *total_images == 1 { unit.trim_end_matches('s') } else { unit };
                write!(f, "{phase}: {images} of {total_images} {all}")?;
            }
            _ => write!(f, "{phase}: epoch {} of {epochs}", epoch.min(epochs))?,
        }
        if let Some(loss) = self.loss {
            write!(f, ", loss {loss:.4}")?;
        }
        write!(f, ", {images_per_s:.0} {unit}/s, {:.0} s left", self.remaining.as_secs_f64())
    }
}

/// Called with the progress of training or calibration; [`ControlFlow::Break`] stops it.
pub type ProgressFn<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + 'a;

/// Counts the images of one stage and reports them.
pub(crate) struct Reporter<'a, 'b> {
    callback: &'a mut ProgressFn<'b>,
    progress: Progress,
    started: Instant,
    /// Images of earlier runs, which took no time in this one.
    skipped: usize,
}

impl<'a, 'b> Reporter<'a, 'b> {
    pub(crate) fn new(
        phase: Phase,
        epochs: usize,
        images: usize,
        callback: &'a mut ProgressFn<'b>,
    ) -> Self {
        let progress = Progress {
            fold: None,
            level: None,
            phase,
            epoch: 1,
            epochs,
            images: 0,
            total_images: epochs * images,
            loss: None,
            images_per_s: 0.0,
            remaining: Duration::ZERO,
        };
        Self { callback, progress, started: Instant::now(), skipped: 0 }
    }

    /// Says which level of how many it is about, from 0.
    pub(crate) fn of_level(mut self, (level, levels): (usize, usize)) -> Self {
        self.progress.level = (levels > 1).then_some((level + 1, levels));
        self
    }

    /// Leaves out the first epochs, which were over before.
    pub(crate) fn skip_epochs(&mut self, epochs: usize) {
        let Progress { epochs: all, total_images, .. } = self.progress;
        self.skipped = epochs * (total_images / all.max(1));
        self.progress.images += self.skipped;
        self.progress.epoch += epochs;
    }

    /// Counts `images` more and reports.
    pub(crate) fn advance(&mut self, images: usize) -> Result<(), PipelineError> {
        let progress = &mut self.progress;
        progress.images += images;
        let images = progress.images - self.skipped;
        progress.images_per_s = images as f64 / self.started.elapsed().as_secs_f64();
        let left = progress.total_images.saturating_sub(progress.images) as f64;
        let seconds = left / progress.images_per_s.max(f64::MIN_POSITIVE);
        progress.remaining = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        match (self.callback)(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(PipelineError::Interrupted(progress.phase)),
        }
    }

    /// Notes the loss of a finished epoch.
    pub(crate) fn end_epoch(&mut self, loss: f64) {
        let Progress { phase, epoch, epochs, .. } = self.progress;
        tracing::debug!(%phase, epoch, epochs, loss, "epoch");
        self.progress.loss = Some(loss);
        self.progress.epoch += 1;
    }
}

/// Adds which model of how many is trained to the progress.
pub(crate) fn of_fold(
    fold: (usize, usize),
    progress: &mut ProgressFn<'_>,
) -> impl FnMut(&Progress) -> ControlFlow<()> {
    move |told| progress(&Progress { fold: Some(fold), ..told.clone() })
}

/// The progress of a fit, told by steps done of all.
pub(crate) fn fit_progress(
    progress: &mut ProgressFn<'_>,
) -> impl FnMut(usize, usize) -> ControlFlow<()> {
    let (mut callback, mut before) = (Some(progress), 0);
    let mut reporter = None;
    move |done, total| {
        if let Some(callback) = callback.take() {
            reporter = Some(Reporter::new(Phase::Fit, 1, total, callback));
        }
        let steps = done.saturating_sub(std::mem::replace(&mut before, done));
        match reporter.as_mut().map(|reporter| reporter.advance(steps)) {
            Some(Err(_)) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}
