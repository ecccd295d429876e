//! What a data set is, and the layouts it is read from.

mod dagm;
mod elpv;
mod folder;
mod kolektor;
mod labelled_image;
mod layout;
mod list;
mod magnetic_tile;
mod masks;
mod mvtec;
mod visa;

pub use dagm::dagm;
pub use elpv::{CellType, ElpvOptions, elpv};
pub use folder::folder;
pub(crate) use folder::labelled;
pub use kolektor::kolektor;
pub(crate) use labelled_image::folder_name;
pub use labelled_image::{Dataset, Label, LabelledImage};
pub use layout::{DatasetOptions, Layout, datasets};
pub use list::path_list;
pub use magnetic_tile::magnetic_tile;
pub(crate) use mvtec::test_folder_of;
pub use mvtec::{mvtec, mvtec_categories};
pub use visa::visa;
