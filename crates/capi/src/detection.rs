//! Images in, scores, verdicts, regions and maps out.

use std::ffi::{CString, c_char};
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;

use nfbmr::data::{Limits, load_rgb8, to_rgb8};
use nfbmr::{DefectRegion, Detection, PipelineError};

use crate::frame::NfbmrFrame;
use crate::guard::{guard, place, reference, text};
use crate::model::NfbmrModel;
use crate::status::{Failure, NfbmrStatus};

/// What a model says of one image.
pub struct NfbmrDetection {
    detection: Detection,
    regions: OnceLock<Vec<NfbmrRegion>>,
    json: OnceLock<CString>,
}

/// The score and the verdict of a detection.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NfbmrResult {
    /// Higher is more anomalous. Comparable between images of one model only.
    pub score: f32,
    /// The score above which an image is anomalous; NaN for a model without one.
    pub threshold: f32,
    /// The share of good images that score at least as high; NaN for a model that isn't calibrated.
    pub p_value: f64,
    /// 1 for a defect, 0 for a good image, -1 for a model that isn't calibrated. A part that isn't located is 1.
    pub is_anomalous: i32,
    /// 1 where the model locates parts and didn't find this one, or found it to lie wrong: `nfbmr_detection_json` says
    /// why. 0 otherwise.
    pub not_located: i32,
    /// The likeliest kind of the image, from 0, by a model of several kinds; -1 for a model of one.
    pub kind: i32,
}

/// A defect: a connected part of the anomaly map above the threshold of pixels. Positions are in pixels from the upper
/// left corner of the image.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NfbmrRegion {
    /// Left-most column of the bounding box.
    pub x: u32,
    /// Top-most row of the bounding box.
    pub y: u32,
    /// Columns of the bounding box.
    pub width: u32,
    /// Rows of the bounding box.
    pub height: u32,
    /// The number of pixels of the region itself.
    pub area: u64,
    /// The highest value of the map in it.
    pub peak: f32,
    /// The column of that value.
    pub peak_x: u32,
    /// The row of that value.
    pub peak_y: u32,
}

impl From<&DefectRegion> for NfbmrRegion {
    fn from(region: &DefectRegion) -> Self {
        let DefectRegion { x, y, width, height, area, peak, peak_x, peak_y } = *region;
        Self { x, y, width, height, area, peak, peak_x, peak_y }
    }
}

/// Scores a frame of any size. The detection is to be freed by `nfbmr_detection_free`.
///
/// # Safety
/// The model is null or of `nfbmr_load`; the frame is null, or its pixels are as many bytes as it says; `detection` is
/// null or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_detect(
    model: *const NfbmrModel,
    frame: *const NfbmrFrame,
    detection: *mut *mut NfbmrDetection,
) -> NfbmrStatus {
    guard(|| {
        // SAFETY: promised by the caller.
        let (model, place) =
            unsafe { (reference(model, "model")?, place(detection, "detection")?) };
        // SAFETY: promised by the caller.
        let frame = unsafe { reference(frame, "frame")?.borrow()? };
        place(handle(model.pipeline.detect_frame(&frame)?));
        Ok(())
    })
}

/// Scores an image file: PNG, JPEG, BMP, TIFF, WebP, PGM or PPM, by its content. The detection is to be freed by
/// `nfbmr_detection_free`.
///
/// # Safety
/// The model is null or of `nfbmr_load`; the path is null or ends with a zero byte; `detection` is null or can be
/// written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_detect_file(
    model: *const NfbmrModel,
    path: *const c_char,
    detection: *mut *mut NfbmrDetection,
) -> NfbmrStatus {
    guard(|| {
        // SAFETY: promised by the caller.
        let (model, place) =
            unsafe { (reference(model, "model")?, place(detection, "detection")?) };
        // SAFETY: promised by the caller.
        let path = Path::new(unsafe { text(path, "path")? });
        let pipeline = &model.pipeline;
        let image = load_rgb8(path, &Limits::default(), pipeline.config().white_level);
        let image = image.map_err(PipelineError::from)?;
        place(handle(pipeline.detect(&image.into())?));
        Ok(())
    })
}

fn handle(detection: Detection) -> *mut NfbmrDetection {
    let (regions, json) = Default::default();
    Box::into_raw(Box::new(NfbmrDetection { detection, regions, json }))
}

/// Frees a detection; null is left alone.
///
/// # Safety
/// It is null, or of this library and not freed, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_detection_free(detection: *mut NfbmrDetection) {
    if !detection.is_null() {
        guard(|| {
            // SAFETY: promised by the caller.
            drop(unsafe { Box::from_raw(detection) });
            Ok(())
        });
    }
}

/// The score and the verdict of a detection.
///
/// # Safety
/// The detection is null or of this library; `result` is null or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_detection_result(
    detection: *const NfbmrDetection,
    result: *mut NfbmrResult,
) -> NfbmrStatus {
    guard(|| {
        // SAFETY: promised by the caller.
        let (own, place) =
            unsafe { (reference(detection, "detection")?, place(result, "result")?) };
        let own = &own.detection;
        place(NfbmrResult {
            score: own.score,
            threshold: own.threshold.unwrap_or(f32::NAN),
            p_value: own.p_value().unwrap_or(f64::NAN),
            is_anomalous: own.is_anomalous().map_or(-1, i32::from),
            not_located: own.not_located().is_some().into(),
            kind: own.kind.map_or(-1, |kind| i32::try_from(kind).unwrap_or(i32::MAX)),
        });
        Ok(())
    })
}

/// The defects of a detection, the highest peak first. `regions` becomes null and `count` 0 where there are none, and
/// for a model that isn't calibrated or has no map. Lives as long as the detection.
///
/// # Safety
/// The detection is null or of this library; `regions` and `count` are null or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_detection_regions(
    detection: *const NfbmrDetection,
    regions: *mut *const NfbmrRegion,
    count: *mut usize,
) -> NfbmrStatus {
    guard(|| {
        // SAFETY: promised by the caller.
        let own = unsafe { reference(detection, "detection")? };
        // SAFETY: promised by the caller.
        let (regions, count) = unsafe { (place(regions, "regions")?, place(count, "count")?) };
        let found = own.regions()?;
        regions(if found.is_empty() { ptr::null() } else { found.as_ptr() });
        count(found.len());
        Ok(())
    })
}

/// The anomaly map of a detection at the size of its image, row by row: high where the image is unlike the good ones.
/// `values` becomes null, `width` and `height` 0 for a system that gives a score alone. Lives as long as the detection.
///
/// # Safety
/// The detection is null or of this library; the places are null or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_detection_map(
    detection: *const NfbmrDetection,
    values: *mut *const f32,
    width: *mut u32,
    height: *mut u32,
) -> NfbmrStatus {
    guard(|| {
        // SAFETY: promised by the caller.
        let map = unsafe { &reference(detection, "detection")?.detection.anomaly_map };
        // SAFETY: promised by the caller.
        let (values, width, height) =
            unsafe { (place(values, "values")?, place(width, "width")?, place(height, "height")?) };
        values(if map.is_none() { ptr::null() } else { map.values.as_ptr() });
        width(map.width);
        height(map.height);
        Ok(())
    })
}

/// Whether each value of the map is of the part of the image that is inspected, row by row; null where all are, and for
/// null. Lives as long as the detection.
///
/// # Safety
/// The detection is null or of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_detection_inspected(
    detection: *const NfbmrDetection,
) -> *const bool {
    // SAFETY: promised by the caller.
    let inspected =
        unsafe { detection.as_ref() }.and_then(|own| own.detection.anomaly_map.inspected.as_ref());
    inspected.map_or(ptr::null(), |inspected| inspected.as_ptr())
}

/// A detection as JSON: what a line of `nfbmr detect` has but for the path, the drift and the heatmap. Lives as long as
/// the detection; null for null, and where there is no memory for it.
///
/// # Safety
/// The detection is null or of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_detection_json(detection: *const NfbmrDetection) -> *const c_char {
    let mut json = ptr::null();
    guard(|| {
        // SAFETY: promised by the caller.
        json = unsafe { reference(detection, "detection")? }.json()?.as_ptr();
        Ok(())
    });
    json
}

/// Draws the anomaly map over its frame: nothing at the value that the mildest good image has, full colour as far above
/// the threshold of pixels. Three bytes a pixel, red, green and blue, go to `rgb`, rows of them `stride` bytes apart.
///
/// # Safety
/// The handles are null or of this library; the frame is null, or its pixels are as many bytes as it says; `rgb` is
/// null, or `(height - 1) * stride + 3 * width` bytes can be written to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nfbmr_heatmap(
    model: *const NfbmrModel,
    frame: *const NfbmrFrame,
    detection: *const NfbmrDetection,
    rgb: *mut u8,
    stride: usize,
) -> NfbmrStatus {
    guard(|| {
        // SAFETY: promised by the caller.
        let (model, own) =
            unsafe { (reference(model, "model")?, reference(detection, "detection")?) };
        // SAFETY: promised by the caller.
        let frame = unsafe { reference(frame, "frame")?.borrow()? };
        let (size, map) = (frame.size(), &own.detection.anomaly_map);
        if !map.is_none() && (size.width, size.height) != (map.width, map.height) {
            return Err(Failure::argument(format!(
                "frame: expected that of the detection, {} x {}, found {size}",
                map.width, map.height
            )));
        }
        let pipeline = &model.pipeline;
        let image = frame.to_image().map_err(PipelineError::from)?;
        let image = to_rgb8(&image, pipeline.config().white_level).map_err(PipelineError::from)?;
        let drawn = pipeline.heatmap(&image, &own.detection)?;
        let row = 3 * size.width as usize;
        if rgb.is_null() {
            return Err(Failure::argument("rgb: expected a pointer, found null"));
        }
        if stride < row {
            return Err(Failure::argument(format!(
                "stride: expected {row} bytes or more, found {stride}"
            )));
        }
        for (index, pixels) in drawn.as_raw().chunks_exact(row).enumerate() {
            // SAFETY: the caller's buffer has a row of this size at each stride.
            unsafe { ptr::copy_nonoverlapping(pixels.as_ptr(), rgb.add(index * stride), row) };
        }
        Ok(())
    })
}

impl NfbmrDetection {
    /// Found by the first call that asks for them.
    fn regions(&self) -> Result<&[NfbmrRegion], Failure> {
        if self.regions.get().is_none() {
            let found = self.detection.regions().map_err(PipelineError::from)?;
            let found = found.iter().flatten().map(NfbmrRegion::from).collect();
            return Ok(self.regions.get_or_init(|| found));
        }
        Ok(self.regions.get().map_or(&[], Vec::as_slice))
    }

    /// Written by the first call that asks for it.
    fn json(&self) -> Result<&CString, Failure> {
        if let Some(json) = self.json.get() {
            return Ok(json);
        }
        let failed = |error: &dyn std::fmt::Display| Failure {
            status: NfbmrStatus::Internal,
            text: format!("a detection that can't be written as JSON: {error}"),
        };
        let json = serde_json::to_string(&self.detection).map_err(|error| failed(&error))?;
        let json = CString::new(json).map_err(|error| failed(&error))?;
        Ok(self.json.get_or_init(|| json))
    }
}
