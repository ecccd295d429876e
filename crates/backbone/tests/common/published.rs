//! Networks as their packages have them: names and shapes of the tensors, and what the package
//! computes with each filled by the formula of its own name.

use std::collections::BTreeMap;

use nfbmr_backbone::{Variant, Weights, WeightsSource};
use serde::Deserialize;

use super::{Sample, bytes, fill};

#[derive(Deserialize)]
pub struct Published {
    pub tensors: BTreeMap<String, Vec<(String, Vec<usize>)>>,
    pub cases: Vec<PublishedCase>,
    pub details: Vec<Details>,
}

#[derive(Deserialize)]
pub struct PublishedCase {
    pub source: WeightsSource,
    pub variant: Variant,
    /// Key of [`Published::tensors`].
    pub tensors: String,
    /// Batch, height and width.
    pub size: [usize; 3],
    pub blocks: Vec<Sample>,
}

/// What the packages say in code of a network's published weights.
#[derive(Deserialize)]
pub struct Details {
    pub source: WeightsSource,
    pub variant: Variant,
    pub eps: f64,
    /// Mean and standard deviation of each weight file.
    pub inputs: Vec<[[f32; 3]; 2]>,
}

pub fn published() -> Published {
    serde_json::from_slice(&bytes("published.json")).expect("published.json is valid")
}

impl Published {
    /// A whole network in the package's own naming, head and classifier included.
    pub fn weights(&self, key: &str) -> Weights {
        let mut weights = Weights::new();
        for (name, shape) in &self.tensors[key] {
            let values = fill(name, shape);
            weights.insert(name.as_str(), shape.as_slice(), values).expect("the shape fits");
        }
        weights
    }
}
