//! What a data set is, and the layouts it is read from.

mod folder;
mod list;
mod mvtec;
mod sample;

pub use folder::folder;
pub use list::path_list;
pub use mvtec::{mvtec, mvtec_categories};
pub use sample::{Dataset, Label, Sample};
