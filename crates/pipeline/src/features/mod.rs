//! From pixels to features: frozen CNNs, the levels of their features, and where those are kept. Knows the
//! input, and nothing of what is learnt of features.

mod cnn;
mod extraction;
mod level;
mod mean;
mod samples;
mod weights;

pub use cnn::{Cnn, FeatureExtractor};
pub use extraction::NotLocated;
pub(crate) use extraction::{Extracted, Extraction, Extractor, extract_features};
pub(crate) use level::{Blocks, CnnLevels, FeatureLevel, GraphLevel, LevelSpec, reductions};
pub(crate) use mean::mean;
pub(crate) use samples::{Part, Samples, SharedSamples, Stored, all, derive};
pub use weights::BackboneWeights;
