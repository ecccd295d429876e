//! Several images of good parts: a folder, files, or images in memory.

use std::path::PathBuf;

use nfbmr::data::Selection;
use nfbmr::image::DynamicImage;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use rayon::prelude::*;

use crate::failure::Failure;
use crate::image::{Source, name_of};
use crate::listener::Teller;

/// Images of good parts, as they were given.
pub(crate) enum Given {
    /// Folders and files, of which the program would take the same.
    Paths(Vec<PathBuf>),
    /// Images in memory.
    Memory(Vec<Source>),
}

/// The images to take.
pub(crate) enum Taken {
    /// Files.
    Files(Selection),
    /// Images in memory.
    Decoded(Vec<DynamicImage>),
}

impl Given {
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let items: Vec<Bound<'_, PyAny>> = match (object.cast::<PyList>(), object.cast::<PyTuple>())
        {
            (Ok(list), _) => list.iter().collect(),
            (_, Ok(tuple)) => tuple.iter().collect(),
            _ => {
                let folder = object.extract().map_err(|_| {
                    let found = name_of(object);
                    PyTypeError::new_err(format!(
                        "expected a folder, a list of paths or a list of images, found {found}"
                    ))
                })?;
                return Ok(Self::Paths(vec![folder]));
            }
        };
        let (mut paths, mut memory) = (Vec::new(), Vec::new());
        for item in &items {
            match Source::of(item)? {
                Source::File(path) => paths.push(path),
                source => memory.push(source),
            }
        }
        match (paths.is_empty(), memory.is_empty()) {
            (true, true) => {
                Err(Failure::Data("expected images, found an empty list".to_owned()).into())
            }
            (false, false) => Err(PyTypeError::new_err(format!(
                "expected paths alone or images in memory alone, found {} and {}",
                paths.len(),
                memory.len()
            ))),
            (false, true) => Ok(Self::Paths(paths)),
            (true, false) => Ok(Self::Memory(memory)),
        }
    }

    /// The images, and tells which they are and what is left out of folders.
    pub(crate) fn take(self, teller: &Teller) -> Result<Taken, Failure> {
        match self {
            Self::Paths(paths) => {
                let selection = Selection::good(&paths, None)?;
                teller.say(selection.to_string(), false);
                Ok(Taken::Files(selection))
            }
            Self::Memory(sources) => {
                let decoded = sources.into_par_iter().map(|source| source.load(None));
                Ok(Taken::Decoded(decoded.collect::<Result<_, _>>()?))
            }
        }
    }
}
