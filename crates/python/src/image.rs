//! One object of Python to an image: a path, the bytes of a file, an array or an image of Pillow.

use std::path::PathBuf;

use nfbmr::data::{Limits, decode_image, load_rgb8};
use nfbmr::image::{DynamicImage, ImageBuffer};
use numpy::ndarray::ArrayViewD;
use numpy::{Element, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::failure::Failure;

/// An image, as it was given.
pub(crate) enum Source {
    /// Its file.
    File(PathBuf),
    /// The bytes of its file.
    Encoded(Vec<u8>),
    /// Its pixels.
    Pixels(DynamicImage),
}

impl Source {
    /// Takes what is needed from an object. Pixels and bytes are copied, so that whoever owns them may change them
    /// while they are worked on.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(array) = object.cast::<PyUntypedArray>() {
            return Ok(Self::Pixels(pixels(array)?));
        }
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Encoded(bytes.as_bytes().to_owned()));
        }
        if !object.is_instance_of::<PyString>() {
            let pillow = object.py().import("nfbmr._pillow")?.call_method1("pixels", (object,))?;
            if let Ok(array) = pillow.cast::<PyUntypedArray>() {
                return Ok(Self::Pixels(pixels(array)?));
            }
        }
        object.extract().map(Self::File).map_err(|_| {
            PyTypeError::new_err(format!(
                "expected an image: a path, the bytes of a file, a numpy array or a Pillow image, found {}",
                name_of(object)
            ))
        })
    }

    /// The image, by the value of white that the model has for 16 bits.
    pub(crate) fn load(self, white_level: Option<u16>) -> Result<DynamicImage, Failure> {
        let limits = Limits::default();
        Ok(match self {
            Self::File(path) => load_rgb8(&path, &limits, white_level)?.into(),
            Self::Encoded(bytes) => decode_image(&bytes, &limits)?,
            Self::Pixels(image) => image,
        })
    }
}

/// The type of an object, as messages name it.
pub(crate) fn name_of(object: &Bound<'_, PyAny>) -> String {
    object
        .get_type()
        .fully_qualified_name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string())
}

/// The pixels of an array, whatever its strides.
fn pixels(array: &Bound<'_, PyUntypedArray>) -> PyResult<DynamicImage> {
    if array.hasattr("mask")? {
        let problem =
            "expected an array without a mask: `train` takes the mask of what is inspected";
        return Err(Failure::Data(problem.to_owned()).into());
    }
    let aligned = array.getattr("flags")?.getattr("aligned")?.extract::<bool>()?;
    let copy = if aligned { array.clone() } else { array.call_method0("copy")?.cast_into()? };
    if let Ok(array) = copy.cast::<PyArrayDyn<u8>>() {
        return Ok(image_of(array)?);
    }
    if let Ok(array) = copy.cast::<PyArrayDyn<u16>>() {
        return Ok(image_of(array)?);
    }
    let found = array.dtype().str()?.to_string();
    let problem = format!("expected an array of uint8 or uint16, found one of {found}");
    Err(Failure::Data(problem).into())
}

/// A value of a pixel.
trait Depth: Element + Copy {
    fn image(size: (u32, u32), channels: usize, values: Vec<Self>) -> Option<DynamicImage>;
}

impl Depth for u8 {
    fn image(
        (width, height): (u32, u32),
        channels: usize,
        values: Vec<u8>,
    ) -> Option<DynamicImage> {
        match channels {
            1 => ImageBuffer::from_raw(width, height, values).map(DynamicImage::ImageLuma8),
            3 => ImageBuffer::from_raw(width, height, values).map(DynamicImage::ImageRgb8),
            4 => ImageBuffer::from_raw(width, height, values).map(DynamicImage::ImageRgba8),
            _ => None,
        }
    }
}

impl Depth for u16 {
    fn image(
        (width, height): (u32, u32),
        channels: usize,
        values: Vec<u16>,
    ) -> Option<DynamicImage> {
        match channels {
            1 => ImageBuffer::from_raw(width, height, values).map(DynamicImage::ImageLuma16),
            3 => ImageBuffer::from_raw(width, height, values).map(DynamicImage::ImageRgb16),
            4 => ImageBuffer::from_raw(width, height, values).map(DynamicImage::ImageRgba16),
            _ => None,
        }
    }
}

fn image_of<T: Depth>(array: &Bound<'_, PyArrayDyn<T>>) -> Result<DynamicImage, Failure> {
    let shape = array.shape();
    let wrong = |hint: &str| {
        let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
        Failure::Data(format!(
            "expected an array of shape (height, width), or (height, width, channels) with 1 channel, 3 (RGB) or 4 \
             (RGBA, whose alpha is dropped), found ({}){hint}",
            sides.join(", ")
        ))
    };
    let (height, width, channels) = match *shape {
        [0, ..] | [_, 0, ..] => return Err(wrong(": no pixels")),
        [height, width] => (height, width, 1),
        [height, width, channels @ (1 | 3 | 4)] => (height, width, channels),
        [1 | 3 | 4, _, _] => {
            return Err(wrong(": channels come last, as `array.transpose(1, 2, 0)` has them"));
        }
        _ => return Err(wrong("")),
    };
    let side = |side: usize| u32::try_from(side).map_err(|_| wrong(": too large"));
    let size = (side(width)?, side(height)?);
    let pixels = array
        .try_readonly()
        .map_err(|error| Failure::Data(format!("expected an array to read, found {error}")))?;
    T::image(size, channels, in_order(&pixels.as_array())).ok_or_else(|| wrong(""))
}

/// The values row by row; rows that lie in one piece are copied as such.
fn in_order<T: Copy>(values: &ArrayViewD<'_, T>) -> Vec<T> {
    if let Some(whole) = values.as_slice() {
        return whole.to_owned();
    }
    let mut all = Vec::with_capacity(values.len());
    for row in values.outer_iter() {
        match row.as_slice() {
            Some(whole) => all.extend_from_slice(whole),
            None => all.extend(row.iter().copied()),
        }
    }
    all
}
