//! Seeded synthetic images with known defects.
//!
//! [`generate`] draws an image of a [`Kind`]: an inspected surface ([`TextureClass`]) or a part
//! on a background ([`PartClass`]), normal or with one [`DefectKind`]. An image depends on its
//! kind, seed, index, size and [`Scene`] only, so that any of them can be drawn again alone, on any machine:
//! the drawing uses no operation that IEEE 754 does not define to the last bit.
//! A [`Scene`] says whether parts lie at any angle or upright, and of what size and how many colours
//! they are; [`generate`] draws the default one.
//! [`write_mvtec`] writes a data set of such images, [`write_datasets`] one for each of several
//! kinds and [`Scene::write_mvtec`] one of several kinds together, and [`paste_defect`] puts a
//! synthetic defect on a real image.
//!
//! ```
//! use nfbmr_synthetic::{DefectKind, Kind, TextureClass, generate};
//!
//! let kind = Kind::Texture(TextureClass::Woven);
//! let normal = generate(kind, 7, 0, None, 64)?;
//! let scratched = generate(kind, 7, 0, Some(DefectKind::Scratch), 64)?;
//! assert!(normal.mask.is_none());
//! assert!(scratched.mask.is_some());
//! # Ok::<(), nfbmr_synthetic::SyntheticError>(())
//! ```

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod dice;
mod error;
mod fabric;
mod generate;
mod kind;
mod noise;
mod outline;
mod paint;
mod part;
mod paste;
mod plane;
mod scene;
mod shape;
mod surface;
mod texture;
mod write;

pub use error::{SyntheticError, WriteError};
pub use generate::{SyntheticImage, generate};
pub use kind::{DefectKind, Kind, PartClass, TextureClass};
pub use paste::paste_defect;
pub use scene::Scene;
pub use write::{Counts, write_datasets, write_mvtec};
