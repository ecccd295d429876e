//! nfbmr for C, C++ and C#: `libnfbmr` and `nfbmr.h`.
//!
//! What holds for all functions:
//!
//! - They return a [`NfbmrStatus`](status::NfbmrStatus), 0 where it went well, and what they make in their last argument.
//!   After another status that argument is as it was, and [`nfbmr_last_error`](status::nfbmr_last_error) says in words
//!   what was expected and what was found.
//! - A model and a detection are handles: freed once, by the function of their name. What a function returns by pointer
//!   belongs to the handle and lives as long; nothing else is to be freed.
//! - A model may be used from several threads at once, and so may a detection. Freeing is for one thread, when no other
//!   uses it.
//! - No panic leaves the library: it is an error of the status `NFBMR_STATUS_INTERNAL`.
//! - Strings are UTF-8 and end with a zero byte.

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

pub mod detection;
pub mod frame;
mod guard;
pub mod model;
pub mod status;
pub mod version;
