use burn::backend::Autodiff;
use burn::tensor::backend::Backend as BurnBackend;

/// The backend the nfbmr networks run on.
///
/// Every bound of the workspace goes through this trait, so that fused operations can be added to it in one
/// place. Elements are `f32` on every backend.
pub trait Backend: BurnBackend<FloatElem = f32> {
    /// How many threads may usefully run independent work on a device at once: one where the device
    /// itself is parallel, the number of cores on a CPU, most of whose operations are not.
    fn workers() -> usize {
        1
    }
}

impl<B: Backend> Backend for Autodiff<B> {
    fn workers() -> usize {
        B::workers()
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
}

/// The reference CPU backend on `ndarray`.
#[cfg(feature = "ndarray")]
pub type NdArray = burn::backend::NdArray<f32>;

#[cfg(feature = "ndarray")]
impl Backend for burn::backend::NdArray<f32> {
    fn workers() -> usize {
        rayon::current_num_threads()
    }
}

/// The NVIDIA GPU backend.
#[cfg(feature = "cuda")]
pub type Cuda = burn::backend::Cuda<f32>;

#[cfg(feature = "cuda")]
impl Backend for burn::backend::Cuda<f32> {}

/// An NVIDIA GPU by its index.
#[cfg(feature = "cuda")]
pub type CudaDevice = burn::backend::cuda::CudaDevice;
