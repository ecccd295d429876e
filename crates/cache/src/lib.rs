//! A cache on disk for features that a slow network computes once and many trainings read.
//!
//! [`FeatureCache`] is one append-only file of `f32` arrays under 32-byte [`Key`]s, which hash all that
//! the features depend on: the image, the weights and block of the backbone, the preprocessing.
//!
//! ```
//! use nfbmr_cache::{FeatureCache, Key};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("features.nfc");
//! # let pixels = [0u8; 12];
//! let cache = FeatureCache::open(&path)?;
//! let key = Key::builder()
//!     .part("image", &pixels)
//!     .part("weights", b"7213f2ba5c119930")
//!     .part("block", b"10")
//!     .part("preprocessing", b"letterbox 2 x 2")
//!     .build();
//! let features = match cache.get(&key)? {
//!     Some(features) => features.values,
//!     None => {
//!         let features = vec![0.5; 6]; // the slow network's
//!         cache.insert(&key, &[1, 2, 3], &features)?;
//!         features
//!     }
//! };
//! assert_eq!(cache.get(&key)?.unwrap().values, features);
//! # Ok(())
//! # }
//! ```
//!
//! # Threads and processes
//!
//! Any number of threads read and insert at once through a shared reference. One opener at a time has
//! the file, by an advisory lock that the system lifts when its process ends, however that ends; another,
//! in this process or elsewhere, gets [`CacheError::InUse`], since it would compute the same features a
//! second time. A file system without locks can't tell; `open` warns of that.
//!
//! # Crashes and damage
//!
//! A record that isn't whole counts as absent and can be inserted again:
//!
//! - A process killed in the middle of [`FeatureCache::insert`] leaves part of a record at the end of the
//!   file, which the next [`FeatureCache::open`] cuts off.
//! - A full disk is an error of `insert`; the file ends with the last whole record, which stays readable.
//! - Values are checked as they are read. Damage is reported as a [`tracing`] warning with path and
//!   offset, and the key is absent from then on.
//! - Behind a damaged header, `open` looks for the next whole one: damage costs the records it touches
//!   and no others. Their space isn't used again.
//!
//! `insert` doesn't wait for the disk; what a power failure takes is absent afterwards. The checksums find
//! damage, not forgery.
//!
//! # File layout
//!
//! All numbers are little-endian. The file starts with 16 bytes:
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 12 | `nfbmr cache` and a line feed (0x0A), in ASCII |
//! | 12 | 4 | [`FORMAT_VERSION`], `u32` |
//!
//! Records follow, each of a header of 80 bytes and its values:
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 4 | `feat` in ASCII |
//! | 4 | 4 | number of axes, `u32`, at most [`MAX_AXES`] |
//! | 8 | 32 | key |
//! | 40 | 32 | length of each axis, 8 x `u32`, outermost first, 0 beyond the number of axes |
//! | 72 | 4 | CRC-32 of the bytes of the values, `u32` |
//! | 76 | 4 | CRC-32 of the 76 bytes before, `u32` |
//! | 80 | 4 n | values, `f32` in row-major order, n the product of the axes (1 without axes) |
//!
//! CRC-32 is that of zlib and PNG. Every record starts at a multiple of 4. A header counts if its marker
//! and checksum fit and its values end within the file; where one doesn't, the next may start at any
//! multiple of 4 behind. Of several records with one key, the last counts.

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod cache;
mod error;
mod key;
mod position;
mod record;
mod scan;

pub use cache::{FeatureCache, Features};
pub use error::CacheError;
pub use key::{Key, KeyBuilder};
pub use record::MAX_AXES;
pub use scan::FORMAT_VERSION;
