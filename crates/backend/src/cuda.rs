//! Looks for a GPU before burn does: burn and cubecl panic, some in threads of their own, where a
//! library is missing.

use std::path::PathBuf;

use cudarc::{driver, nvrtc};

use crate::CudaProblem;

/// A header that generated kernels include.
const HEADER: &str = "cuda_fp16.h";

/// Checks, in this order: the driver, the GPUs and this index among them, the run-time compiler and
/// its headers.
pub(crate) fn probe(index: usize) -> Result<(), CudaProblem> {
    if !driver_is_present() {
        return Err(CudaProblem::Driver);
    }
    let refused = |error: driver::DriverError| CudaProblem::Refused(format!("{error:?}"));
    driver::result::init().map_err(refused)?;
    let count = driver::result::device::get_count().map_err(refused)?;
    let count = usize::try_from(count).unwrap_or(0);
    if index >= count {
        return Err(CudaProblem::Index { index, count });
    }
    if !compiler_is_present() {
        return Err(CudaProblem::Compiler);
    }
    let header = toolkit().join("include").join(HEADER);
    if header.is_file() { Ok(()) } else { Err(CudaProblem::Headers { header }) }
}

#[expect(unsafe_code)]
fn driver_is_present() -> bool {
    // SAFETY: opens the driver's library by its usual names; loading it runs its initialisers only.
    unsafe { driver::sys::is_culib_present() }
}

#[expect(unsafe_code)]
fn compiler_is_present() -> bool {
    // SAFETY: as for the driver.
    unsafe { nvrtc::sys::is_culib_present() }
}

/// Where cubecl, which compiles the kernels, looks for the CUDA toolkit.
fn toolkit() -> PathBuf {
    if let Some(path) = std::env::var_os("CUDA_PATH") {
        return path.into();
    }
    let usual: &[&str] = if cfg!(windows) {
        &["C:/Program Files/NVIDIA GPU Computing Toolkit/CUDA/"]
    } else {
        &["/usr/local/cuda", "/opt/cuda", "/usr"]
    };
    let found = usual.iter().map(PathBuf::from).find(|path| path.exists());
    found.unwrap_or_else(|| usual[0].into())
}
