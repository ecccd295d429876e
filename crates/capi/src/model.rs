//! Models: loaded, described, freed.

use std::ffi::{CString, c_char};
use std::path::Path;
use std::ptr;

use nfbmr::{Calibration, DeviceName, ModelInfo, Pipeline};

use crate::guard::{guard, place, reference, text};
use crate::status::{Failure, NfbmrStatus};

/// A trained detector.
pub struct NfbmrModel {
    pub(crate) pipeline: Pipeline,
    info: NfbmrModelInfo,
    /// What `info` points to.
    _system: CString,
    json: CString,
}

// SAFETY: the one pointer is to a text of the model that nothing changes.
unsafe impl Send for NfbmrModel {}
// SAFETY: as above; a pipeline scores from several threads at once.
unsafe impl Sync for NfbmrModel {}

/// What a model says of itself.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NfbmrModelInfo {
    /// The name of what it learnt, such as "nf-bmr". Lives as long as the model.
    pub system: *const c_char,
    /// Rows and columns that an image is brought to.
    pub input_size: u32,
    /// The value of white in 16-bit images; 0 where none is set.
    pub white_level: u32,
    /// How many images it was trained on.
    pub training_images: usize,
    /// Whether it has verdicts: without a calibration a detection has a score alone.
    pub is_calibrated: bool,
    /// The share of good images that may be called anomalous; NaN for a model that isn't calibrated.
    pub false_alarm_rate: f64,
    /// The score above which an image is anomalous; NaN for a model without one: not calibrated, or of folds.
    pub threshold: f32,
    /// The value of an anomaly map above which a pixel belongs to a defect; NaN for a model without one.
    pub pixel_threshold: f32,
}

/// Reads a model file that `nfbmr train` wrote.
///
/// `device` is "cpu" or "cuda:0" and so on; null stands for "cpu". The model is to be freed by `nfbmr_model_free`.
///
/// # Safety
/// The texts are null or end with a zero byte; `model` is null or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_load(
    path: *const c_char,
    device: *const c_char,
    model: *mut *mut NfbmrModel,
) -> NfbmrStatus {
    guard(|| {
        // SAFETY: promised by the caller.
        let (path, place) = unsafe { (text(path, "path")?, place(model, "model")?) };
        let device = match device.is_null() {
            true => DeviceName::Cpu,
            // SAFETY: promised by the caller.
            false => unsafe { text(device, "device")? }.parse().map_err(|error| Failure {
                status: NfbmrStatus::Device,
                text: format!("device: {error}"),
            })?,
        };
        place(Box::into_raw(Box::new(NfbmrModel::load(Path::new(path), device)?)));
        Ok(())
    })
}

impl NfbmrModel {
    fn load(path: &Path, device: DeviceName) -> Result<Self, Failure> {
        let info = ModelInfo::read(path)?;
        let pipeline = Pipeline::builder().device(device).load(path)?;
        let json = serde_json::to_string(&info).map_err(|error| Failure {
            status: NfbmrStatus::Internal,
            text: format!("a model that can't be described: {error}"),
        })?;
        // Neither JSON nor the name of a system has a zero byte.
        let system = CString::new(info.config.system.system().name()).unwrap_or_default();
        let calibration = info.calibration.as_ref();
        let value = |threshold: Option<nfbmr::DecisionThreshold>| {
            threshold.map_or(f32::NAN, |threshold| threshold.value)
        };
        Ok(Self {
            info: NfbmrModelInfo {
                system: system.as_ptr(),
                input_size: info.config.input_size,
                white_level: info.config.white_level.map_or(0, u32::from),
                training_images: info.training_images,
                is_calibrated: calibration.is_some(),
                false_alarm_rate: calibration.map_or(f64::NAN, |own| own.rate().get()),
                threshold: value(calibration.and_then(Calibration::threshold)),
                pixel_threshold: value(calibration.and_then(Calibration::pixel_threshold)),
            },
            pipeline,
            _system: system,
            json: CString::new(json).unwrap_or_default(),
        })
    }
}

/// Frees a model; null is left alone.
///
/// # Safety
/// It is null, or of `nfbmr_load` and not freed, and no other thread uses it. Detections of it live on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_model_free(model: *mut NfbmrModel) {
    if !model.is_null() {
        guard(|| {
            // SAFETY: promised by the caller.
            drop(unsafe { Box::from_raw(model) });
            Ok(())
        });
    }
}

/// What a model says of itself.
///
/// # Safety
/// The model is null or of `nfbmr_load`; `info` is null or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_model_info(
    model: *const NfbmrModel,
    info: *mut NfbmrModelInfo,
) -> NfbmrStatus {
    guard(|| {
        // SAFETY: promised by the caller.
        let (model, place) = unsafe { (reference(model, "model")?, place(info, "info")?) };
        place(model.info);
        Ok(())
    })
}

/// All that a model says of itself, as JSON: what `nfbmr inspect --json` writes. Lives as long as the model; null for
/// null.
///
/// # Safety
/// The model is null or of `nfbmr_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_model_json(model: *const NfbmrModel) -> *const c_char {
    // SAFETY: promised by the caller.
    unsafe { model.as_ref() }.map_or(ptr::null(), |model| model.json.as_ptr())
}
