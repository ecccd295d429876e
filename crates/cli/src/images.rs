//! Which images a command is about.

use std::path::{Path, PathBuf};

use nfbmr::data::{LabelledSelection, Layout, LeftOut, Selection, path_list};

use crate::error::CliError;

/// How a folder of images is read.
#[derive(clap::Args)]
pub struct LayoutArgs {
    /// The layout of a data set: `mvtec`, `dagm`, `visa`, `kolektor`, `btad`, `mpdd`, `magnetic-tile`,
    /// `elpv` or `folder` (good parts and defects); told by the folders in it by default.
    #[arg(long, value_name = "NAME")]
    layout: Option<Layout>,
}

/// Images of good parts.
#[derive(clap::Args)]
pub struct GoodArgs {
    /// Folders of images of good parts, with the folders below them, data sets, whose training images are
    /// taken, and image files. What is named as defects, tests or masks is left out, and listed.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A text file that names image files, one a line; those that start with `#` are skipped.
    #[arg(long, value_name = "FILE")]
    list: Vec<PathBuf>,
    #[command(flatten)]
    layout: LayoutArgs,
}

impl GoodArgs {
    /// Whether no images are named.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.list.is_empty()
    }

    /// The lists that name images.
    pub fn lists(&self) -> impl Iterator<Item = &Path> {
        self.list.iter().map(PathBuf::as_path)
    }

    /// The images, and what is left out.
    pub fn selection(&self) -> Result<Selection, CliError> {
        let mut paths = self.paths.clone();
        for list in &self.list {
            paths.extend(path_list(list)?);
        }
        if paths.is_empty() {
            return Err(CliError::NoPaths);
        }
        Ok(Selection::good(&paths, self.layout.layout)?)
    }
}

/// Labelled images.
#[derive(clap::Args)]
pub struct LabelledArgs {
    /// Data set whose test images are scored, such as a category of MVTec AD, or a folder with `good` and
    /// `bad`, `OK` and `NG` or the like.
    #[arg(
        value_name = "DIR",
        required_unless_present = "bad",
        conflicts_with_all = ["good", "bad", "masks"]
    )]
    folder: Option<PathBuf>,
    /// Folder of images of good parts, in place of a data set.
    #[arg(long, value_name = "DIR", requires = "bad")]
    good: Vec<PathBuf>,
    /// Folder of images of defects; a folder in it is a kind of them.
    #[arg(long, value_name = "DIR", requires = "good")]
    bad: Vec<PathBuf>,
    /// Folder of the masks of the defects: `000.png`, `000_mask.png` or the like for `000.jpg`, in any format.
    #[arg(long, value_name = "DIR", requires = "bad")]
    masks: Vec<PathBuf>,
    #[command(flatten)]
    layout: LayoutArgs,
}

impl LabelledArgs {
    /// The images, and what is left out.
    pub fn selection(&self) -> Result<LabelledSelection, CliError> {
        match &self.folder {
            Some(folder) => Ok(LabelledSelection::in_folder(folder, self.layout.layout)?),
            None => Ok(LabelledSelection::of_folders(&self.good, &self.bad, &self.masks)?),
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

impl Input {
    /// A file that is named by itself.
    pub fn named(path: PathBuf) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str()).into();
        let problem = path.is_dir().then(|| CliError::Folder(path.clone()).to_string());
        Self { path, name, problem }
    }
}

/// The files named, and the images in the folders named and below, in order; and what is left out of the
/// folders: heatmaps, those in `heatmaps` too, and what is no image. A folder without images takes the place of
/// one, so that nothing goes missing without a word.
pub fn inputs(paths: &[PathBuf], heatmaps: Option<&Path>) -> (Vec<Input>, Vec<LeftOut>) {
    let (mut inputs, mut left_out) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.is_dir() {
            inputs.push(Input::named(path.clone()));
            continue;
        }
        let problem = match Selection::to_detect(path, heatmaps) {
            Ok(found) if found.images.is_empty() => {
                left_out.extend(found.left_out);
                CliError::NoImages(path.clone())
            }
            Ok(found) => {
                left_out.extend(found.left_out);
                inputs.extend(found.images.into_iter().map(|image| {
                    let name = image.strip_prefix(path).unwrap_or(&image).to_owned();
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
    (inputs, left_out)
}
