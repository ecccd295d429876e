//! Heatmaps of `detect`: one PNG file an image.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use nfbmr::image::ImageFormat;
use nfbmr::{DetectedFile, Pipeline};

use crate::error::CliError;
use crate::file_kind::Identity;
use crate::images::Input;
use crate::output::make_folder;

/// The folder of the heatmaps.
pub struct Heatmaps<'a> {
    folder: &'a Path,
    /// How many there are of each name.
    numbers: HashMap<PathBuf, usize>,
    /// Files that are read, which no heatmap replaces.
    inputs: HashSet<Identity>,
    /// The heatmaps of the files so far, where a file that comes again has the same.
    again: Option<HashMap<PathBuf, PathBuf>>,
}

impl<'a> Heatmaps<'a> {
    /// Makes the folder where it isn't there.
    pub fn new<'b>(
        folder: &'a Path,
        inputs: impl IntoIterator<Item = &'b Path>,
    ) -> Result<Self, CliError> {
        make_folder(folder)?;
        let inputs = inputs.into_iter().filter_map(Identity::of).collect();
        Ok(Self { folder, numbers: HashMap::new(), inputs, again: None })
    }

    /// Where a file that comes again, with another image in it, replaces its heatmap.
    pub fn replacing(self) -> Self {
        Self { again: Some(HashMap::new()), ..self }
    }

    /// Writes the heatmap of an image and returns its path.
    pub fn write(
        &mut self,
        input: &Input,
        pipeline: &Pipeline,
        detected: &DetectedFile,
    ) -> Result<PathBuf, CliError> {
        let path = self.path(input);
        let failed = |source| CliError::Write { path: path.clone(), source };
        let drawn = pipeline.heatmap(&detected.image, &detected.detection)?;
        let mut bytes = Cursor::new(Vec::new());
        drawn
            .write_to(&mut bytes, ImageFormat::Png)
            .map_err(|error| failed(io::Error::other(error)))?;
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        nfbmr_files::write(&path, bytes.get_ref()).map_err(failed)?;
        Ok(path)
    }

    /// A path of its own: images of several folders may share a name, and an image may have that of a heatmap.
    fn path(&mut self, input: &Input) -> PathBuf {
        let known = self.again.as_ref().and_then(|again| again.get(&input.path));
        if let Some(path) = known {
            return path.clone();
        }
        let stem = input.name.file_stem().unwrap_or_default();
        let number = self.numbers.entry(input.name.with_file_name(stem)).or_insert(0);
        let path = loop {
            *number += 1;
            let mut file = OsString::from(stem);
            file.push("_heatmap");
            if *number > 1 {
                file.push(format!("-{number}"));
            }
            file.push(".png");
            let path = self.folder.join(input.name.with_file_name(file));
            let own = Identity::of(&path);
            let is_read = own.as_ref().is_some_and(|own| self.inputs.contains(own));
            if !is_read && (own.is_none() || own != Identity::of(&input.path)) {
                break path;
            }
        };
        if let Some(again) = &mut self.again {
            again.insert(input.path.clone(), path.clone());
        }
        path
    }
}
