//! Features of many images, in memory or read again each time.

use std::fmt;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::Backend;
use nfbmr_cache::{FeatureCache, Key};

use crate::error::{PipelineError, TrainingError};

/// Features of the training images and their copies by their index, each `[1, C, H, W]`: in memory, or made again each time
/// they are asked for.
pub(crate) trait Samples<B: Backend>: fmt::Debug + Send + Sync {
    fn len(&self) -> usize;

    /// # Errors
    /// Of an index below [`Self::len`], what reading or making it fails with.
    fn get(&self, index: usize) -> Result<Tensor<B, 4>, PipelineError>;

    /// Those of some images, `[N, C, H, W]`.
    fn batch(&self, indices: &[usize]) -> Result<Tensor<B, 4>, PipelineError> {
        let features = indices.iter().map(|&index| self.get(index)).collect::<Result<_, _>>()?;
        Ok(Tensor::cat(features, 0))
    }
}

pub(crate) type SharedSamples<B> = Arc<dyn Samples<B>>;

impl<B: Backend> Samples<B> for Vec<Tensor<B, 4>> {
    fn len(&self) -> usize {
        self.len()
    }

    fn get(&self, index: usize) -> Result<Tensor<B, 4>, PipelineError> {
        #[expect(clippy::indexing_slicing, reason = "indices are below `len`")]
        Ok(self[index].clone())
    }
}

/// Features in a cache.
#[derive(Debug)]
pub(crate) struct Stored<B: Backend> {
    pub(crate) cache: Arc<FeatureCache>,
    pub(crate) keys: Vec<Key>,
    /// Channels, rows and columns.
    pub(crate) shape: [usize; 3],
    pub(crate) device: B::Device,
}

impl<B: Backend> Samples<B> for Stored<B> {
    fn len(&self) -> usize {
        self.keys.len()
    }

    fn get(&self, index: usize) -> Result<Tensor<B, 4>, PipelineError> {
        let [channels, height, width] = self.shape;
        let mut values = vec![0.0; channels * height * width];
        #[expect(clippy::indexing_slicing, reason = "indices are below `len`")]
        let key = &self.keys[index];
        match self.cache.read_into(key, &mut values)? {
            true => {
                let values = TensorData::new(values, [1, channels, height, width]);
                Ok(Tensor::from_data(values, &self.device))
            }
            false => Err(TrainingError::LostFeatures { index }.into()),
        }
    }
}

/// Some of them, in this order.
#[derive(Debug)]
pub(crate) struct Part<B: Backend> {
    pub(crate) all: SharedSamples<B>,
    /// Indices into all.
    pub(crate) samples: Vec<usize>,
}

impl<B: Backend> Samples<B> for Part<B> {
    fn len(&self) -> usize {
        self.samples.len()
    }

    #[expect(clippy::indexing_slicing, reason = "as the trait says, an index below `len`")]
    fn get(&self, index: usize) -> Result<Tensor<B, 4>, PipelineError> {
        self.all.get(self.samples[index])
    }
}

/// Features made of others.
pub(crate) struct Derived<B: Backend, F> {
    pub(crate) from: SharedSamples<B>,
    pub(crate) map: F,
}

impl<B: Backend, F> fmt::Debug for Derived<B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").field("from", &self.from).finish_non_exhaustive()
    }
}

impl<B, F> Samples<B> for Derived<B, F>
where
    B: Backend,
    F: Fn(Tensor<B, 4>) -> Result<Tensor<B, 4>, PipelineError> + Send + Sync,
{
    fn len(&self) -> usize {
        self.from.len()
    }

    fn get(&self, index: usize) -> Result<Tensor<B, 4>, PipelineError> {
        (self.map)(self.from.get(index)?)
    }
}

/// What features become by `map`: kept in memory, or made each time.
pub(crate) fn derive<B: Backend>(
    from: &SharedSamples<B>,
    keep: bool,
    map: impl Fn(Tensor<B, 4>) -> Result<Tensor<B, 4>, PipelineError> + Send + Sync + 'static,
) -> Result<SharedSamples<B>, PipelineError> {
    let derived = Derived { from: from.clone(), map };
    match keep {
        true => Ok(Arc::new(all(&derived)?)),
        false => Ok(Arc::new(derived)),
    }
}

/// All of them, in memory.
pub(crate) fn all<B: Backend>(
    samples: &dyn Samples<B>,
) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
    (0..samples.len()).map(|index| samples.get(index)).collect()
}
