//! What a call came to, and what went wrong in words.

use std::cell::RefCell;
use std::ffi::{CString, c_char};

use nfbmr::PipelineError;

/// What a call came to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NfbmrStatus {
    /// It went well.
    Ok = 0,
    /// An argument that the function can't take, such as a null pointer.
    Argument = 1,
    /// An image that can't be read, or a frame that isn't what it says.
    Image = 2,
    /// A model file that isn't there, is damaged, or is of another version.
    Model = 3,
    /// A device that isn't there.
    Device = 4,
    /// Anything else that the detector refuses.
    Detector = 5,
    /// A bug of nfbmr: please report it.
    Internal = 6,
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: NfbmrStatus,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn argument(text: impl Into<String>) -> Self {
        Self { status: NfbmrStatus::Argument, text: text.into() }
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        let status = match error {
            PipelineError::Data(_)
            | PipelineError::Frame(_)
            | PipelineError::Pixels(_)
            | PipelineError::Size(_) => NfbmrStatus::Image,
            PipelineError::Model { .. } => NfbmrStatus::Model,
            PipelineError::Device(_) => NfbmrStatus::Device,
            _ => NfbmrStatus::Detector,
        };
        Self { status, text: error.to_string() }
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Keeps a failure's words for `nfbmr_last_error`.
pub(crate) fn remember(text: String) {
    // A zero byte, in a path perhaps, would end the text too early.
    let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    LAST.with(|last| *last.borrow_mut() = text);
}

/// What the last call of this thread that failed says of it; empty before one did. Lives until the next call of this
/// thread that fails.
#[unsafe(no_mangle)]
pub extern "C" fn nfbmr_last_error() -> *const c_char {
    LAST.with(|last| last.borrow().as_ptr())
}
