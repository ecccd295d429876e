//! Writes the anomaly map of each image as an `.npy` file, by which `tests/onnx` compares other
//! runtimes.
//!
//! `cargo run --release --package nfbmr-cli --example anomaly_maps -- MODEL FOLDER IMAGE...`

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Parser;
use nfbmr::data::{Limits, load_image};
use nfbmr::{Pipeline, ScoreMap};

/// Writes anomaly maps.
#[derive(Parser)]
struct Args {
    /// The model file.
    model: PathBuf,
    /// Where the maps go, by the names of their images.
    folder: PathBuf,
    /// Image files.
    #[arg(required = true)]
    images: Vec<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let pipeline = Pipeline::load(&args.model)?;
    for path in &args.images {
        let detection = pipeline.detect(&load_image(path, &Limits::default())?)?;
        let name = path.with_extension("npy");
        let name = name.file_name().ok_or("expected the name of a file")?;
        fs::write(args.folder.join(name), npy(&detection.anomaly_map))?;
    }
    Ok(())
}

/// The format's version 1.0, whose header ends at a multiple of 64 bytes.
fn npy(map: &ScoreMap) -> Vec<u8> {
    let (rows, columns) = (map.height, map.width);
    let header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(map.values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}
