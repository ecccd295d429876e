//! `nfbmr export`: a model as an ONNX graph.

use std::path::PathBuf;

use nfbmr::OnnxExport;
use nfbmr::data::Size;
use sha2::{Digest, Sha256};

use crate::error::CliError;
use crate::file_kind::Kind;
use crate::model::ModelArgs;
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
    let mut export = OnnxExport::new().model_sha256(sha256);
    export.size = *size;
    Ok(model.load()?.export_onnx(output, &export)?)
}

/// `640x480`.
fn size(text: &str) -> Result<Size, String> {
    let sides = text.split_once(['x', 'X']).map(|(width, height)| (width.parse(), height.parse()));
    match sides {
        Some((Ok(width), Ok(height))) => Ok(Size { width, height }),
        _ => Err("expected a width and a height in pixels, such as 640x480".to_owned()),
    }
}
