//! What a data set is, and the layouts it is read from.

mod btad;
mod dagm;
mod elpv;
mod folder;
mod kolektor;
mod layout;
mod list;
mod magnetic_tile;
mod mvtec;
mod sample;
mod visa;

pub use btad::btad;
pub use dagm::dagm;
pub use elpv::{CellType, ElpvOptions, elpv};
pub use folder::folder;
pub use kolektor::kolektor;
pub use layout::{DatasetOptions, Layout, datasets};
pub use list::path_list;
pub use magnetic_tile::magnetic_tile;
pub use mvtec::{mvtec, mvtec_categories};
pub use sample::{Dataset, Label, Sample};
pub use visa::visa;
