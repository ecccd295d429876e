//! Training and loading on a device named at run time: here the name becomes a backend's type.

use std::path::Path;

use nfbmr_backend::{Backend, DeviceError, DeviceName};
use nfbmr_pipeline::{
    AnomalyModel, BackboneWeights, CrossFitted, CrossFitting, Images, PipelineConfig,
    PipelineError, ProgressFn, Trainer, TrainingStorage,
};

type Model = Box<dyn AnomalyModel>;

/// Calls a generic function with the backend and the device of a name as its last argument.
macro_rules! on_device {
    ($name:expr, $function:ident($($argument:expr),*)) => {
        match $name {
            #[cfg(feature = "flex")]
            DeviceName::Cpu => $function::<nfbmr_backend::Cpu>($($argument,)* &Default::default()),
            #[cfg(feature = "ndarray")]
            DeviceName::NdArray => {
                $function::<nfbmr_backend::NdArray>($($argument,)* &Default::default())
            }
            #[cfg(feature = "cuda")]
            DeviceName::Cuda(index) => {
                let device = nfbmr_backend::CudaDevice::new(index);
                $function::<nfbmr_backend::Cuda>($($argument,)* &device)
            }
            #[allow(unreachable_patterns)]
            device => Err(DeviceError::NotBuilt { device }.into()),
        }
    };
}

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
        progress: &mut ProgressFn<'_>,
        device: &B::Device,
    ) -> Result<Model, PipelineError> {
        let trainer = Trainer::<B>::new(config, weights, images, storage, device, progress);
        Ok(Box::new(trainer?.train(config, progress)?))
    }
    on_device!(device, on(config, weights, images, storage, progress))
}

/// Trains a model for each fold of a few images of good parts, on a device named at run time.
///
/// # Errors
/// [`PipelineError::Device`] if this build leaves the device out, otherwise as [`CrossFitted::train`].
pub fn cross_fit<'a>(
    config: &PipelineConfig,
    weights: Option<&BackboneWeights>,
    images: impl Into<Images<'a>>,
    fitting: &CrossFitting,
    storage: &TrainingStorage,
    device: DeviceName,
    progress: &mut ProgressFn<'_>,
) -> Result<Model, PipelineError> {
    cross_fit_on(config, weights, images.into(), fitting, storage, device, progress)
}

fn cross_fit_on(
    config: &PipelineConfig,
    weights: Option<&BackboneWeights>,
    images: Images<'_>,
    fitting: &CrossFitting,
    storage: &TrainingStorage,
    device: DeviceName,
    progress: &mut ProgressFn<'_>,
) -> Result<Model, PipelineError> {
    fn on<B: Backend>(
        config: &PipelineConfig,
        weights: Option<&BackboneWeights>,
        images: Images<'_>,
        fitting: &CrossFitting,
        storage: &TrainingStorage,
        progress: &mut ProgressFn<'_>,
        device: &B::Device,
    ) -> Result<Model, PipelineError> {
        let model =
            CrossFitted::<B>::train(config, weights, images, fitting, storage, device, progress);
        Ok(Box::new(model?))
    }
    on_device!(device, on(config, weights, images, fitting, storage, progress))
}

/// Reads a model file of either kind, ordinary or cross-fitted, onto a device named at run time.
///
/// # Errors
/// [`PipelineError::Device`] if this build leaves the device out, otherwise as
/// [`Pipeline::load`](nfbmr_pipeline::Pipeline::load).
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
        nfbmr_pipeline::load::<B>(path, weights, device)
    }
    on_device!(device, on(path, weights))
}
