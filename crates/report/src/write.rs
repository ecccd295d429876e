//! A report as a page, and as files in a folder: what the page, the charts and the gallery put together.

use std::path::{Path, PathBuf};

use crate::error::ReportError;
use crate::report::Report;
use crate::svg::charts;
use crate::{gallery, page};

impl Report {
    /// The page as one HTML file in UTF-8.
    ///
    /// # Errors
    /// [`ReportError::DuplicateRun`] where two runs have the same category, seed and system,
    /// [`ReportError::NotPng`] where the bytes of an example are not a PNG file.
    pub fn to_html(&self) -> Result<String, ReportError> {
        page::render(self)
    }

    /// Writes the page. The file at `path` is whole at any time: the old one or the new one.
    ///
    /// # Errors
    /// As [`Report::to_html`]; [`ReportError::Write`] where the file can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), ReportError> {
        let path = path.as_ref();
        nfbmr_files::write(path, self.to_html()?.as_bytes())
            .map_err(|source| ReportError::Write { path: path.to_owned(), source })
    }

    /// Writes the page as `report.html` into a folder, which is made if it isn't there, its [`charts`]
    /// into the folder `charts` below and the images of the gallery into `gallery`, in its order; returns
    /// the path of the page. Files of other names stay.
    ///
    /// # Errors
    /// As [`Report::write`].
    pub fn write_folder(&self, folder: impl AsRef<Path>) -> Result<PathBuf, ReportError> {
        let folder = folder.as_ref();
        let svg = charts(self)?;
        write_files(
            &folder.join("charts"),
            svg.iter().map(|(name, svg)| (&**name, svg.as_bytes())),
        )?;
        let png = gallery::files(self)?;
        if !png.is_empty() {
            write_files(&folder.join("gallery"), png.iter().map(|(name, png)| (&**name, *png)))?;
        }
        let page = folder.join("report.html");
        self.write(&page)?;
        Ok(page)
    }
}

fn write_files<'a>(
    folder: &Path,
    files: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), ReportError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| ReportError::Write { path: folder.to_owned(), source })?;
    for (name, bytes) in files {
        let path = folder.join(name);
        nfbmr_files::write(&path, bytes).map_err(|source| ReportError::Write { path, source })?;
    }
    Ok(())
}
