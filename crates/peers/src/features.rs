//! What both detectors ask of features before they take them as numbers.

use burn::tensor::Tensor;
use nfbmr_backend::Backend;

use crate::PeerError;

/// Checks that there is something to fit and returns the number of images and the shape of the first.
pub(crate) fn check<B: Backend>(
    features: &[Tensor<B, 4>],
    needed: usize,
) -> Result<(usize, [usize; 3]), PeerError> {
    features.iter().try_for_each(|batch| check_filled(batch.dims()))?;
    let found = features.iter().map(|batch| batch.dims()[0]).sum();
    match features.first() {
        Some(first) if found >= needed => {
            let [_, channels, height, width] = first.dims();
            Ok((found, [channels, height, width]))
        }
        _ => Err(PeerError::TooFewImages { needed, found }),
    }
}

pub(crate) fn check_filled(found: [usize; 4]) -> Result<(), PeerError> {
    match found.contains(&0) {
        true => Err(PeerError::Empty(found)),
        false => Ok(()),
    }
}

pub(crate) fn check_channels(expected: usize, found: [usize; 4]) -> Result<(), PeerError> {
    check_filled(found)?;
    match found[1] == expected {
        true => Ok(()),
        false => Err(PeerError::Channels { expected, found }),
    }
}

pub(crate) fn check_shape(expected: [usize; 3], found: [usize; 4]) -> Result<(), PeerError> {
    check_filled(found)?;
    match found[1..] == expected {
        true => Ok(()),
        false => Err(PeerError::Shape { expected, found }),
    }
}

/// Appends the values of a tensor that holds equally much of `images` images, the first of them `first`.
pub(crate) fn append_finite<B: Backend, const D: usize>(
    values: &mut Vec<f32>,
    tensor: Tensor<B, D>,
    first: usize,
    images: usize,
) -> Result<(), PeerError> {
    let start = values.len();
    values.extend(tensor.into_data().iter::<f32>());
    let added = &values[start..];
    match added.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(PeerError::NotFinite { image: first + index * images / added.len() }),
    }
}
