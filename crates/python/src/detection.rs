//! What a model says of one image, as Python sees it.

use std::mem;

use nfbmr::DefectRegion;
use numpy::ndarray::Array2;
use numpy::{Element, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::failure::Failure;
use crate::json;

/// A detection with what takes a moment to find in it.
pub(crate) struct Found {
    detection: nfbmr::Detection,
    regions: Option<Vec<DefectRegion>>,
}

impl Found {
    pub(crate) fn new(detection: nfbmr::Detection) -> Result<Self, Failure> {
        let regions = detection.regions()?;
        Ok(Self { detection, regions })
    }
}

/// What a model says of one image.
#[pyclass(frozen, module = "nfbmr")]
pub(crate) struct Detection {
    /// All but the values of the map, which the array owns.
    detection: nfbmr::Detection,
    regions: Option<Vec<DefectRegion>>,
    map: Option<Py<PyArray2<f32>>>,
    inspected: Option<Py<PyArray2<bool>>>,
}

impl Detection {
    pub(crate) fn new(py: Python<'_>, found: Found) -> PyResult<Self> {
        let Found { mut detection, regions } = found;
        // Of the parts of a score Python has none.
        (detection.source, detection.target, detection.likelihood) = (None, None, None);
        let map = &mut detection.anomaly_map;
        let size = [map.height as usize, map.width as usize];
        let inspected = map.inspected.take().map(|inspected| array(py, size, inspected));
        let is_none = map.is_none();
        let values = mem::take(&mut map.values);
        let values = (!is_none).then(|| array(py, size, values)).transpose()?;
        Ok(Self { detection, regions, map: values, inspected: inspected.transpose()? })
    }

    /// With the map in its place again.
    pub(crate) fn whole(&self, py: Python<'_>) -> PyResult<nfbmr::Detection> {
        fn values<T: Element + Copy>(
            py: Python<'_>,
            array: Option<&Py<PyArray2<T>>>,
        ) -> PyResult<Option<Vec<T>>> {
            let values = array.map(|array| PyResult::Ok(array.bind(py).try_readonly()?.to_vec()?));
            values.transpose()
        }
        let mut detection = self.detection.clone();
        detection.anomaly_map.values = values(py, self.map.as_ref())?.unwrap_or_default();
        detection.anomaly_map.inspected = values(py, self.inspected.as_ref())?;
        Ok(detection)
    }
}

/// An array that owns the values and can't be written to.
fn array<T: Element>(
    py: Python<'_>,
    size: [usize; 2],
    values: Vec<T>,
) -> PyResult<Py<PyArray2<T>>> {
    let owned = Array2::from_shape_vec(size, values)
        .map_err(|error| Failure::Data(format!("expected a whole map, found {error}")))?;
    let array = PyArray2::from_owned_array(py, owned);
    array.try_readwrite()?.make_nonwriteable();
    Ok(array.unbind())
}

#[pymethods]
impl Detection {
    /// The score: higher is more anomalous; comparable between images of one model.
    #[getter]
    fn score(&self) -> f32 {
        self.detection.score
    }

    /// The share of good images that score at least as high; None of a model that isn't calibrated.
    #[getter]
    fn p_value(&self) -> Option<f64> {
        self.detection.p_value()
    }

    /// The verdict; None of a model that isn't calibrated. A part that isn't located is anomalous.
    #[getter]
    fn is_anomalous(&self) -> Option<bool> {
        self.detection.is_anomalous()
    }

    /// The score above which an image is anomalous; None of a model of folds or one that isn't calibrated.
    #[getter]
    fn threshold(&self) -> Option<f32> {
        self.detection.threshold
    }

    /// The defects, highest peak first; None of a model that isn't calibrated, or of a system without maps.
    #[getter]
    fn regions(&self) -> Option<Vec<Region>> {
        let regions = self.regions.as_ref()?;
        Some(regions.iter().map(Region::from).collect())
    }

    /// Of a model with an alignment, where the part lies: a dictionary of `x`, `y`, `angle`, `scale`, `confidence`,
    /// `corners` and `problem`, as `nfbmr detect` has it.
    #[getter]
    fn located<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let located = self.detection.located.as_ref();
        located.map(|located| json::object(py, &json::text(located)?)).transpose()
    }

    /// Of a model of several kinds, the one that the image is likeliest of, from 0.
    #[getter]
    fn kind(&self) -> Option<usize> {
        self.detection.kind
    }

    /// The anomaly map: float32 of shape (height, width), a value for each pixel of the image, read-only and not
    /// copied. None of a system that gives a score alone.
    #[getter]
    fn anomaly_map(&self, py: Python<'_>) -> Option<Py<PyArray2<f32>>> {
        self.map.as_ref().map(|map| map.clone_ref(py))
    }

    /// Which values of the map are of the inspected part: bool of shape (height, width), read-only. None where all
    /// are.
    #[getter]
    fn inspected(&self, py: Python<'_>) -> Option<Py<PyArray2<bool>>> {
        self.inspected.as_ref().map(|inspected| inspected.clone_ref(py))
    }

    /// One line of JSON with the fields of a line of `nfbmr detect` that are of the image alone: all but `path`,
    /// `drift` and `heatmap`.
    fn json(&self, py: Python<'_>) -> PyResult<String> {
        Ok(json::text(&self.whole(py)?)?)
    }

    fn __repr__(&self) -> String {
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "None".to_owned());
        let verdict = self.is_anomalous().map(|found| if found { "True" } else { "False" });
        format!(
            "Detection(score={}, p_value={}, is_anomalous={}, regions={})",
            self.detection.score,
            or_none(self.p_value().map(|value| value.to_string())),
            verdict.unwrap_or("None"),
            or_none(self.regions.as_ref().map(|regions| regions.len().to_string())),
        )
    }
}

/// A defect: a part of the anomaly map above the pixel threshold, in pixels of the image.
#[pyclass(frozen, get_all, eq, module = "nfbmr")]
#[derive(PartialEq)]
pub(crate) struct Region {
    /// The column of the left edge of its box.
    x: u32,
    /// The row of the upper edge of its box.
    y: u32,
    /// The width of its box.
    width: u32,
    /// The height of its box.
    height: u32,
    /// How many pixels it has.
    area: u64,
    /// The highest value in it.
    peak: f32,
    /// The column of that value.
    peak_x: u32,
    /// The row of that value.
    peak_y: u32,
}

impl From<&DefectRegion> for Region {
    fn from(region: &DefectRegion) -> Self {
        let &DefectRegion { x, y, width, height, area, peak, peak_x, peak_y, .. } = region;
        Self { x, y, width, height, area, peak, peak_x, peak_y }
    }
}

#[pymethods]
impl Region {
    fn __repr__(&self) -> String {
        let Self { x, y, width, height, area, peak, peak_x, peak_y } = self;
        format!(
            "Region(x={x}, y={y}, width={width}, height={height}, area={area}, peak={peak}, peak_x={peak_x}, \
             peak_y={peak_y})"
        )
    }
}
