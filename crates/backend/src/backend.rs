//! The trait `Backend`, and the backends of this build that are one.

use burn::backend::Autodiff;

use crate::DeviceError;
use crate::ops::FusedOps;

/// The backend the nfbmr networks run on.
///
/// Every bound of the workspace goes through this trait; the operations that the networks are made of,
/// fused where the backend has kernels for them, come with it. Elements are `f32` on every backend.
pub trait Backend: FusedOps {
    /// How many parts a training step's batch is worth splitting into: one where the device itself is
    /// parallel, the number of threads on a CPU.
    fn workers() -> usize {
        1
    }

    /// How many images are worth computing as one tensor: several where the device itself is parallel, one
    /// on a CPU, whose caches hold the tensors of one image but not of more.
    fn images_at_once() -> usize {
        8
    }

    /// Checks that a device is there before anything is computed on it.
    ///
    /// # Errors
    /// [`DeviceError`] saying what is missing and what to install.
    fn probe(_device: &Self::Device) -> Result<(), DeviceError> {
        Ok(())
    }
}

impl<B: Backend> Backend for Autodiff<B> {
    fn workers() -> usize {
        B::workers()
    }

    fn images_at_once() -> usize {
        B::images_at_once()
    }

    fn probe(device: &Self::Device) -> Result<(), DeviceError> {
        B::probe(device)
    }
}

/// The default CPU backend.
#[cfg(feature = "flex")]
pub type Cpu = burn::backend::Flex;

#[cfg(feature = "flex")]
impl Backend for burn::backend::Flex {
    fn workers() -> usize {
        rayon::current_num_threads()
    }

    fn images_at_once() -> usize {
        1
    }
}

/// The reference CPU backend on `ndarray`.
#[cfg(feature = "ndarray")]
pub type NdArray = burn::backend::NdArray<f32>;

#[cfg(feature = "ndarray")]
impl Backend for burn::backend::NdArray<f32> {
    fn workers() -> usize {
        rayon::current_num_threads()
    }

    fn images_at_once() -> usize {
        1
    }
}

/// The NVIDIA GPU backend.
#[cfg(feature = "cuda")]
pub type Cuda = burn::backend::Cuda<f32>;

#[cfg(feature = "cuda")]
impl Backend for burn::backend::Cuda<f32> {
    fn probe(device: &CudaDevice) -> Result<(), DeviceError> {
        let index = device.index;
        crate::cuda::probe(index).map_err(|problem| DeviceError::Cuda { index, problem })
    }
}

/// An NVIDIA GPU by its index.
#[cfg(feature = "cuda")]
pub type CudaDevice = burn::backend::cuda::CudaDevice;
