//! Images, camera frames and data sets for nfbmr.
//!
//! - [`load_image`] decodes a file by its content, [`Frame`] borrows a camera's buffer, and
//!   [`to_rgb8`] brings either to the three 8 bit channels that the models take.
//! - [`resize_rgb`] and [`fit_rgb`] bring an image to the model's input size.
//! - [`datasets`] lists the images of a data set in one of the layouts of [`Layout`], which
//!   [`mvtec`] and others read by themselves, and [`path_list`] those of a text file; [`OnBadFile`]
//!   says what to do about those that cannot be decoded. [`Marked`] is what a mask marks, and
//!   [`load_masks`] decodes those of a defect.
//! - [`Selection`] takes the images of good parts among files and folders, and says what it leaves out.
//! - [`hold_out`] keeps some images of a folder out of training.
//!
//! ```
//! use nfbmr_data::{Fit, Frame, PixelFormat, fit_rgb, to_rgb8};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A camera delivers 6 x 4 grey pixels in rows of 8 bytes.
//! let buffer = [128u8; 8 * 4];
//! let frame = Frame::new(&buffer, 6, 4, 8, PixelFormat::Mono8)?;
//! let image = to_rgb8(&frame.to_image()?, None)?;
//! let fitted = fit_rgb(&image, 3, Fit::Letterbox { fill: [0; 3] })?;
//! assert_eq!(fitted.image.dimensions(), (3, 3));
//! assert_eq!((fitted.content.y, fitted.content.height), (0, 2));
//! # Ok(())
//! # }
//! ```

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod copies;
mod dataset;
mod decode;
mod depth;
mod error;
mod filter;
mod fit;
mod frame;
mod hold_out;
mod hold_out_by;
mod jpeg;
mod kind;
mod limits;
mod listing;
mod load;
mod mask;
mod names;
mod on_bad_file;
mod pixel_format;
mod png;
mod pnm;
mod read;
mod resize;
mod rgb;
mod selection;
mod shuffle;
mod size;
mod tiff;
mod webp;

pub use copies::{Distinct, distinct};
pub use dataset::{
    CellType, Dataset, DatasetOptions, ElpvOptions, Label, LabelledImage, Layout, dagm, datasets,
    elpv, folder, kolektor, magnetic_tile, mvtec, mvtec_categories, path_list, visa,
};
pub use decode::{decode_image, largest_value, load_image};
pub use depth::largest_16_bit;
pub use error::{
    DataError, DecodeError, FrameError, HoldOutError, NameError, PixelError, SizeError,
};
pub use filter::{FixedPointWeights, resize_weights};
pub use fit::{Fit, Fitted, fit_rgb};
pub use frame::Frame;
pub use hold_out::{HoldOut, hold_out};
pub use hold_out_by::HoldOutBy;
pub use limits::Limits;
pub use listing::{Listing, is_image_path, list_files, list_images};
pub use load::load_rgb8;
pub use mask::{Marked, load_mask, load_masks};
pub use on_bad_file::OnBadFile;
pub use pixel_format::PixelFormat;
pub use resize::resize_rgb;
pub use rgb::to_rgb8;
pub use selection::{LabelledSelection, LeftOut, LeftOutLine, Reason, Selection};
pub use shuffle::shuffle;
pub use size::{Rect, Size};
