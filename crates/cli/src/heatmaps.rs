//! Heatmaps of `detect`: one PNG file an image.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use nfbmr::image::ImageFormat;
use nfbmr::{DetectedFile, Pipeline};

use crate::error::CliError;
use crate::output::make_folder;
use crate::outputs::Identity;

/// The folder of the heatmaps.
pub struct Heatmaps<'a> {
    folder: &'a Path,
    written: HashSet<PathBuf>,
    /// Files that are read, which no heatmap replaces.
    inputs: HashSet<Identity>,
}

impl<'a> Heatmaps<'a> {
    /// Makes the folder where it isn't there.
    pub fn new<'b>(
        folder: &'a Path,
        inputs: impl IntoIterator<Item = &'b Path>,
    ) -> Result<Self, CliError> {
        make_folder(folder)?;
        let inputs = inputs.into_iter().filter_map(Identity::of).collect();
        Ok(Self { folder, written: HashSet::new(), inputs })
    }

    /// Writes the heatmap of an image and returns its path.
    pub fn write(
        &mut self,
        name: &Path,
        pipeline: &Pipeline,
        detected: &DetectedFile,
    ) -> Result<PathBuf, CliError> {
        let path = self.path(name);
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
    fn path(&mut self, name: &Path) -> PathBuf {
        let mut number = 1;
        loop {
            let mut file = OsString::from(name.file_stem().unwrap_or_default());
            file.push("_heatmap");
            if number > 1 {
                file.push(format!("-{number}"));
            }
            file.push(".png");
            let path = self.folder.join(name.with_file_name(file));
            let is_read = Identity::of(&path).is_some_and(|own| self.inputs.contains(&own));
            if !is_read && self.written.insert(path.clone()) {
                return path;
            }
            number += 1;
        }
    }
}
