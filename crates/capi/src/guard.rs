//! The border: no panic crosses it, and pointers are looked at before they are followed.

use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::status::{Failure, NfbmrStatus, remember};

/// Does the work of a call, and keeps what went wrong for `nfbmr_last_error`.
pub(crate) fn guard(work: impl FnOnce() -> Result<(), Failure>) -> NfbmrStatus {
    // Handles hold nothing that a panic leaves half done: a detection doesn't change the model.
    let Failure { status, text } = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return NfbmrStatus::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => Failure {
            status: NfbmrStatus::Internal,
            text: format!("a bug of nfbmr: {}", words(&*panic)),
        },
    };
    remember(text);
    status
}

/// What a panic says of itself.
fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

fn null(name: &str) -> Failure {
    Failure::argument(format!("{name}: expected a pointer, found null"))
}

/// What a pointer of a caller points to.
///
/// # Safety
/// It is null, or valid for reads of a `T` for `'a`.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: promised by the caller.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// A place that a caller has for a result, written as a whole or not at all.
///
/// # Safety
/// It is null, or valid for writes of a `T`.
pub(crate) unsafe fn place<T>(pointer: *mut T, name: &str) -> Result<impl FnOnce(T), Failure> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: promised by the caller; what was there may be uninitialised, and is not dropped.
    Ok(move |value| unsafe { pointer.write(value) })
}

/// A caller's text.
///
/// # Safety
/// It is null, or ends with a zero byte and is valid for `'a`.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: promised by the caller.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| {
        Failure::argument(format!("{name}: expected UTF-8, found {}", text.to_string_lossy()))
    })
}
