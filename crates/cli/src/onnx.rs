//! `nfbmr export`: a model as an ONNX graph.

use std::fs;
use std::path::PathBuf;

use nfbmr::OnnxExport;
use nfbmr::data::Size;
use sha2::{Digest, Sha256};

use crate::error::CliError;
use crate::file_kind::Kind;
use crate::model::ModelArgs;
use crate::output::print;
use crate::outputs;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  nfbmr export part.nfbmr -o part.onnx
  nfbmr export part.nfbmr -o part.onnx --size 1280x1024")]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The size of the images that the graph takes, width and height in pixels; that of the
    /// network's input by default.
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<Size>,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let Args { model, output, size } = args;
    outputs::check(output, Kind::Graph, model.files())?;
    let read = |source| CliError::Read { path: model.path.clone(), source };
    let digest = Sha256::digest(nfbmr_files::read(&model.path).map_err(read)?);
    let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let model = model.load()?;
    let size = size.unwrap_or(model.config().input_size.into());
    model.export_onnx(output, &OnnxExport::new().size(size).model_sha256(sha256))?;
    let bytes = fs::metadata(output)
        .map_err(|source| CliError::Read { path: output.clone(), source })?
        .len();
    let uncalibrated = match model.calibration() {
        Some(_) => "",
        None => ", without verdicts: the model isn't calibrated",
    };
    print(format_args!(
        "{}: for images of {size} pixels, {:.1} MB{uncalibrated}\n",
        output.display(),
        bytes as f64 / 1e6
    ))
}

/// `640x480`.
fn size(text: &str) -> Result<Size, String> {
    let sides = text.split_once(['x', 'X']).map(|(width, height)| (width.parse(), height.parse()));
    match sides {
        Some((Ok(width), Ok(height))) => Ok(Size { width, height }),
        _ => Err("expected a width and a height in pixels, such as 640x480".to_owned()),
    }
}
