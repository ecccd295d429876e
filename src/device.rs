use std::path::Path;

use nfbmr_backend::{Backend, DeviceError, DeviceName};
use nfbmr_pipeline::{
    AnomalyModel, BackboneWeights, Images, Pipeline, PipelineConfig, PipelineError, ProgressFn,
    Trainer, TrainingStorage,
};

type Model = Box<dyn AnomalyModel>;

/// Trains the configured system on images of good parts, on a device named at run time.
///
/// # Errors
/// [`PipelineError::Device`] if this build leaves the device out, otherwise as [`Trainer::new`]
/// and [`Trainer::train`].
pub fn train<'a>(
    config: &PipelineConfig,
    weights: Option<&BackboneWeights>,
    images: impl Into<Images<'a>>,
    storage: &TrainingStorage,
    device: DeviceName,
    progress: &mut ProgressFn<'_>,
) -> Result<Model, PipelineError> {
    train_on(config, weights, images.into(), storage, device, progress)
}

/// Not generic, so that the networks of every backend are compiled once, with this crate.
fn train_on(
    config: &PipelineConfig,
    weights: Option<&BackboneWeights>,
    images: Images<'_>,
    storage: &TrainingStorage,
    device: DeviceName,
    progress: &mut ProgressFn<'_>,
) -> Result<Model, PipelineError> {
    fn on<B: Backend>(
        config: &PipelineConfig,
        weights: Option<&BackboneWeights>,
        images: Images<'_>,
        storage: &TrainingStorage,
        device: &B::Device,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Model, PipelineError> {
        let trainer = Trainer::<B>::new(config, weights, images, storage, device, progress);
        Ok(Box::new(trainer?.train(config, progress)?))
    }
    match device {
        #[cfg(feature = "flex")]
        DeviceName::Cpu => on::<nfbmr_backend::Cpu>(
            config,
            weights,
            images,
            storage,
            &Default::default(),
            progress,
        ),
        #[cfg(feature = "ndarray")]
        DeviceName::NdArray => on::<nfbmr_backend::NdArray>(
            config,
            weights,
            images,
            storage,
            &Default::default(),
            progress,
        ),
        #[cfg(feature = "cuda")]
        DeviceName::Cuda(index) => {
            let device = nfbmr_backend::CudaDevice::new(index);
            on::<nfbmr_backend::Cuda>(config, weights, images, storage, &device, progress)
        }
        #[allow(unreachable_patterns)]
        device => Err(DeviceError::NotBuilt { device }.into()),
    }
}

/// Reads a model file onto a device named at run time.
///
/// # Errors
/// [`PipelineError::Device`] if this build leaves the device out, otherwise as [`Pipeline::load`].
pub fn load(
    path: impl AsRef<Path>,
    weights: Option<&BackboneWeights>,
    device: DeviceName,
) -> Result<Model, PipelineError> {
    load_on(path.as_ref(), weights, device)
}

fn load_on(
    path: &Path,
    weights: Option<&BackboneWeights>,
    device: DeviceName,
) -> Result<Model, PipelineError> {
    fn on<B: Backend>(
        path: &Path,
        weights: Option<&BackboneWeights>,
        device: &B::Device,
    ) -> Result<Model, PipelineError> {
        Ok(Box::new(Pipeline::<B>::load(path, weights, device)?))
    }
    match device {
        #[cfg(feature = "flex")]
        DeviceName::Cpu => on::<nfbmr_backend::Cpu>(path, weights, &Default::default()),
        #[cfg(feature = "ndarray")]
        DeviceName::NdArray => on::<nfbmr_backend::NdArray>(path, weights, &Default::default()),
        #[cfg(feature = "cuda")]
        DeviceName::Cuda(index) => {
            on::<nfbmr_backend::Cuda>(path, weights, &nfbmr_backend::CudaDevice::new(index))
        }
        #[allow(unreachable_patterns)]
        device => Err(DeviceError::NotBuilt { device }.into()),
    }
}
