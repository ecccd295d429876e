//! Which library this is.

use std::ffi::{CStr, c_char};

use crate::guard::guard;
use crate::status::Failure;
use crate::status::NfbmrStatus;

/// The version of this header. A library of another version has other structs or functions: compare it with
/// `nfbmr_abi_version()` once, before all else.
pub const NFBMR_ABI_VERSION: u32 = 1;

/// The `NFBMR_ABI_VERSION` of the library.
#[unsafe(no_mangle)]
pub extern "C" fn nfbmr_abi_version() -> u32 {
    NFBMR_ABI_VERSION
}

/// The version of nfbmr, such as "0.1.0". Lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn nfbmr_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}

/// Sets how many threads share the work, in place of all cores or `RAYON_NUM_THREADS`. Once, before the first model
/// is loaded.
#[unsafe(no_mangle)]
pub extern "C" fn nfbmr_set_threads(threads: usize) -> NfbmrStatus {
    guard(|| {
        if threads == 0 {
            return Err(Failure::argument("threads: expected 1 or more, found 0"));
        }
        let built = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        built.map_err(|error| {
            Failure::argument(format!("threads: expected to be set once, before all else: {error}"))
        })
    })
}
