//! What a report is made from, as the caller gives it. How it is shown and written isn't known here.

use serde::{Deserialize, Serialize};

use crate::png::Png;
use crate::projection::Projection;

/// The systems of the ablation, in the order in which each adds a part.
pub const ABLATION: [&str; 5] = ["nf", "nf+bpfm", "nf-bmr-1", "nf-bmr-2", "nf-bmr-3"];

/// What a report shows.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Heading and title of the page.
    pub title: String,
    /// One for each (category, seed, system). Categories and systems are shown in the order in which they
    /// first occur.
    pub runs: Vec<Run>,
    /// Systems that the ablation chart compares; [`ABLATION`] from [`Report::new`]. Those without runs are
    /// left out.
    pub ablation: Vec<String>,
    /// Values that the ablation chart shows beside those of the runs.
    pub published: Option<Published>,
    /// Images of the gallery, in any order.
    pub examples: Vec<Example>,
}

/// Mean image AUROC of systems as others report them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Published {
    /// Who and on what, such as `paper, MVTec AD`; shown up to 15 characters.
    pub source: String,
    /// By the name of the system, from 0 to 1.
    pub image_auroc: Vec<(String, f64)>,
}

/// One system on one category with one seed.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// The category of the data set.
    pub category: String,
    /// The seed of the training.
    pub seed: u64,
    /// The system, such as `nf-bmr-2`.
    pub system: String,
    /// One for each test image; image AUROC, average precision, precision, recall and F1 are theirs.
    pub scores: Vec<Score>,
    /// 95 % interval of the image AUROC, low and high, from 0 to 1.
    pub image_auroc_interval: Option<[f64; 2]>,
    /// Where there are masks.
    pub pixel: Option<Pixel>,
    /// The images by their features, each space once.
    pub projections: Vec<Projection>,
    /// Time of the training in seconds.
    pub train_s: Option<f64>,
    /// Mean time of an image in milliseconds.
    pub detect_ms: Option<f64>,
}

/// A test image and its score.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// The file.
    pub path: String,
    /// The kind of defect; `None` for a normal image.
    pub defect: Option<String>,
    /// The image score: the higher, the likelier a defect.
    pub score: f32,
    /// Negative log-likelihood of the flow alone, pooled as the score is; of systems that have a flow.
    pub likelihood: Option<f32>,
    /// The likeliest kind of the image, by a model of several kinds.
    pub kind: Option<usize>,
}

/// Pixel metrics, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pixel {
    /// Area under the ROC curve over pixels.
    pub auroc: f64,
    /// Area under the per-region-overlap curve.
    pub aupro: f64,
    /// The highest F1 of any threshold.
    pub f1_max: f64,
}

/// A test image of the gallery.
///
/// Category, seed and system name the run whose scores tell how wrong the score is. Without such a run
/// the example has no verdict and comes last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Heading, such as the file name.
    pub title: String,
    /// A sentence below it; may be empty.
    pub caption: String,
    /// The category of the run.
    pub category: String,
    /// The seed of the run.
    pub seed: u64,
    /// The system of the run.
    pub system: String,
    /// The kind of defect; `None` for a normal image.
    pub defect: Option<String>,
    /// The image score.
    pub score: f32,
    /// The values of the anomaly map at both ends of the colour scale, the same for all images of a run.
    pub scale: Option<[f32; 2]>,
    /// The image as PNG.
    pub image: Png,
    /// The mask of the defect as PNG.
    pub mask: Option<Png>,
    /// The anomaly map as PNG, in the colours of Inferno.
    pub heatmap: Option<Png>,
    /// The heatmap laid over the image as PNG.
    pub overlay: Option<Png>,
}

impl Report {
    /// A report without runs.
    pub fn new(title: impl Into<String>) -> Self {
        let ablation = ABLATION.map(str::to_owned).to_vec();
        Self { title: title.into(), ablation, ..Self::default() }
    }
}

impl Run {
    /// A run without results.
    pub fn new(category: impl Into<String>, seed: u64, system: impl Into<String>) -> Self {
        Self { category: category.into(), seed, system: system.into(), ..Self::default() }
    }
}
