//! What the border makes of panics and of pointers. A library for C has no functions that Rust could call, so its
//! modules are compiled again here.

#![allow(dead_code, missing_docs)]

#[path = "../src/guard.rs"]
mod guard;
#[path = "../src/status.rs"]
mod status;

use std::ffi::CStr;
use std::ptr;

use guard::{guard, place, reference, text};
use status::{Failure, NfbmrStatus, nfbmr_last_error};

fn last_error() -> String {
    // SAFETY: it lives until the next failure of this thread, and is copied before.
    unsafe { CStr::from_ptr(nfbmr_last_error()) }.to_str().unwrap().to_owned()
}

#[test]
fn a_panic_is_a_status() {
    let empty: Vec<usize> = Vec::new();
    let status = guard(|| Err(Failure::argument(format!("{}", empty[usize::MAX]))));
    assert_eq!(status, NfbmrStatus::Internal);
    assert!(last_error().starts_with("a bug of nfbmr: index out of bounds"), "{}", last_error());
    assert_eq!(guard(|| panic!("plain words")), NfbmrStatus::Internal);
    assert_eq!(last_error(), "a bug of nfbmr: plain words");
    assert_eq!(guard(|| std::panic::panic_any(7)), NfbmrStatus::Internal);
    assert_eq!(last_error(), "a bug of nfbmr: a panic without words");
}

#[test]
fn words_are_of_the_thread_and_whole() {
    assert_eq!(guard(|| Err(Failure::argument("a\0b"))), NfbmrStatus::Argument);
    assert_eq!(last_error(), "a\u{fffd}b");
    std::thread::spawn(|| assert_eq!(last_error(), "")).join().unwrap();
    assert_eq!(guard(|| Ok(())), NfbmrStatus::Ok);
    assert_eq!(last_error(), "a\u{fffd}b");
}

#[test]
fn pointers_are_looked_at_first() {
    let refused = |failure: Failure| (failure.status, failure.text);
    let null =
        |name: &str| (NfbmrStatus::Argument, format!("{name}: expected a pointer, found null"));
    // SAFETY: null, or valid.
    unsafe {
        assert_eq!(refused(reference::<u8>(ptr::null(), "model").unwrap_err()), null("model"));
        assert_eq!(refused(place::<u8>(ptr::null_mut(), "info").err().unwrap()), null("info"));
        assert_eq!(refused(text(ptr::null(), "path").unwrap_err()), null("path"));
        assert_eq!(text(c"part.nfbmr".as_ptr(), "path").unwrap(), "part.nfbmr");
        assert!(text(c"\xff".as_ptr(), "path").unwrap_err().text.contains("expected UTF-8"));
        let mut value = 1;
        place(&raw mut value, "info").unwrap()(2);
        assert_eq!(value, 2);
    }
}
