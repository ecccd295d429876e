//! Detectors of any backend behind one type, and the choice of the backend at run time.

use std::path::Path;

use nfbmr_backend::{Backend, DeviceError, DeviceName};
use nfbmr_pipeline::{
    AnomalyModel, BackboneWeights, Choices, CopyOf, CrossFitted, CrossFitting, HeldOut, Images,
    Loaded, NotLocated, OnnxExport, Pipeline, PipelineConfig, PipelineError, ProgressFn, Trainer,
    TrainingStorage, load,
};

/// What a model of either kind, on any backend, knows of itself.
pub(crate) trait Detector: AnomalyModel {
    fn config(&self) -> &PipelineConfig;
    /// Whether these are all weights of CNNs that the model needs.
    fn needs_alone(&self, weights: &BackboneWeights) -> bool;
    /// Writes the model as an ONNX graph.
    fn export_onnx(&self, path: &Path, export: &OnnxExport) -> Result<(), PipelineError>;
}

impl<B: Backend> Detector for Pipeline<B> {
    fn config(&self) -> &PipelineConfig {
        self.config()
    }

    fn needs_alone(&self, weights: &BackboneWeights) -> bool {
        let own = self.backbone_weights();
        own.sha256() == weights.sha256() && own.target().is_none()
    }

    fn export_onnx(&self, path: &Path, export: &OnnxExport) -> Result<(), PipelineError> {
        self.export_onnx(path, export)
    }
}

impl<B: Backend> Detector for CrossFitted<B> {
    fn config(&self) -> &PipelineConfig {
        self.config()
    }

    fn needs_alone(&self, weights: &BackboneWeights) -> bool {
        self.models().first().is_some_and(|model| model.needs_alone(weights))
    }

    fn export_onnx(&self, path: &Path, export: &OnnxExport) -> Result<(), PipelineError> {
        self.export_onnx(path, export)
    }
}

pub(crate) type AnyDetector = Box<dyn Detector>;

/// Calls a generic function with the backend and the device of a name as its last argument. The functions that
/// call it are not generic, so that the networks of every backend are compiled once, with this crate.
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

/// What a training is given besides its images.
pub(crate) struct Order<'a> {
    pub(crate) config: &'a PipelineConfig,
    pub(crate) weights: &'a BackboneWeights,
    pub(crate) storage: &'a TrainingStorage,
    pub(crate) device: DeviceName,
}

/// What is found once the features of the training images are there, before networks are trained.
pub(crate) struct Found {
    /// Images left out, of the training and of those held out.
    pub(crate) copies: Vec<CopyOf>,
    /// How many images held out have near doubles in the training, of how many looked at.
    pub(crate) near_doubles: (usize, usize),
    /// What was chosen of what the configuration left open.
    pub(crate) choices: Choices,
    /// Images whose part isn't located.
    pub(crate) not_located: Vec<NotLocated>,
}

/// The images of a training.
pub(crate) struct Parts<'a> {
    pub(crate) training: Images<'a>,
    /// Those to calibrate by, none for folds.
    pub(crate) held_out: &'a HeldOut,
    /// The same as images.
    pub(crate) calibration: Images<'a>,
    /// How folds of the images are made, if they are.
    pub(crate) fitting: Option<CrossFitting>,
}

/// Is told what is found before networks are trained.
pub(crate) type TellFn<'a> = dyn FnMut(Found) + 'a;

/// Trains on images.
pub(crate) fn train(
    order: &Order<'_>,
    parts: Parts<'_>,
    tell: &mut TellFn<'_>,
    progress: &mut ProgressFn<'_>,
) -> Result<AnyDetector, PipelineError> {
    fn on<B: Backend>(
        order: &Order<'_>,
        parts: Parts<'_>,
        tell: &mut TellFn<'_>,
        progress: &mut ProgressFn<'_>,
        device: &B::Device,
    ) -> Result<AnyDetector, PipelineError> {
        let Order { config, weights, storage, .. } = *order;
        let Parts { training, held_out, calibration, fitting } = parts;
        let mut skipped = Vec::new();
        let again = training.again(&mut skipped);
        let trainer =
            Trainer::<B>::new(config, Some(weights), training, storage, device, progress)?;
        let (mut trainer, copies) = held_out.apart(trainer)?;
        tell(Found {
            copies,
            near_doubles: HeldOut::near_doubles(calibration, &trainer)?,
            choices: trainer.choices(),
            not_located: trainer.not_located().to_vec(),
        });
        Ok(match fitting {
            Some(fitting) => Box::new(CrossFitted::train(trainer, again, &fitting, progress)?),
            None => Box::new(trainer.train(config, progress)?),
        })
    }
    on_device!(order.device, on(order, parts, tell, progress))
}

/// Reads a model file of either kind.
pub(crate) fn read(
    path: &Path,
    weights: Option<&BackboneWeights>,
    device: DeviceName,
) -> Result<AnyDetector, PipelineError> {
    fn on<B: Backend>(
        path: &Path,
        weights: Option<&BackboneWeights>,
        device: &B::Device,
    ) -> Result<AnyDetector, PipelineError> {
        Ok(match load::<B>(path, weights, device)? {
            Loaded::Pipeline(model) => model,
            Loaded::CrossFitted(model) => Box::new(model),
        })
    }
    on_device!(device, on(path, weights))
}
