//! Which images a command is about.

use std::path::{Path, PathBuf};

use nfbmr::data::{Dataset, DatasetOptions, Layout, datasets, list_images};

use crate::error::CliError;

/// How a folder of images is read.
#[derive(clap::Args)]
pub struct LayoutArgs {
    /// The layout of a data set: `mvtec`, `dagm`, `visa`, `kolektor`, `btad`, `mpdd`, `magnetic-tile`,
    /// `elpv` or `folder` (`normal` and `abnormal`); told by the folders in it by default.
    #[arg(long, value_name = "NAME")]
    layout: Option<Layout>,
}

impl LayoutArgs {
    /// The images of good parts in a folder: those that a data set has to train on, or all below a folder
    /// that is none.
    pub fn good_images(&self, folder: &Path) -> Result<Vec<PathBuf>, CliError> {
        let images: Vec<PathBuf> = match self.dataset(folder)? {
            Some(set) => set.train.into_iter().map(|sample| sample.path).collect(),
            None => list_images(folder)?,
        };
        match images.is_empty() {
            true => Err(CliError::NoImages(folder.to_owned())),
            false => Ok(images),
        }
    }

    /// The data set in a folder that has labelled images to test on.
    pub fn labelled(&self, folder: &Path) -> Result<Dataset, CliError> {
        let set = self.dataset(folder)?.filter(|set| !set.test.is_empty());
        set.ok_or_else(|| CliError::NoTest(folder.to_owned()))
    }

    fn dataset(&self, folder: &Path) -> Result<Option<Dataset>, CliError> {
        let layout = match self.layout {
            Some(layout) => Some(layout),
            None => Layout::detect(folder)?,
        };
        let Some(layout) = layout else { return Ok(None) };
        let mut sets = datasets(folder, layout, &DatasetOptions::default())?;
        match sets.len() {
            0 | 1 => Ok(sets.pop()),
            _ => Err(CliError::Categories {
                folder: folder.to_owned(),
                names: sets.into_iter().map(|set| set.name).collect(),
            }),
        }
    }
}

/// An image to score.
pub struct Input {
    /// Its file, or the folder that has none.
    pub path: PathBuf,
    /// The path below the folder that was named, or the name of the file: what files made of it are called.
    pub name: PathBuf,
    /// Why there is no image, where that is known before it is read.
    pub problem: Option<String>,
}

/// The files named, and the images in the folders named and below, in order. A folder without images takes
/// the place of one, so that nothing goes missing without a word.
pub fn inputs(paths: &[PathBuf]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for path in paths {
        if !path.is_dir() {
            let name = path.file_name().unwrap_or(path.as_os_str()).into();
            inputs.push(Input { path: path.clone(), name, problem: None });
            continue;
        }
        let problem = match list_images(path) {
            Ok(images) if images.is_empty() => CliError::NoImages(path.clone()),
            Ok(images) => {
                let name = |image: &Path| image.strip_prefix(path).unwrap_or(image).to_owned();
                inputs.extend(images.into_iter().map(|image| {
                    let name = name(&image);
                    Input { path: image, name, problem: None }
                }));
                continue;
            }
            Err(error) => error.into(),
        };
        inputs.push(Input {
            path: path.clone(),
            name: PathBuf::new(),
            problem: Some(problem.to_string()),
        });
    }
    inputs
}
