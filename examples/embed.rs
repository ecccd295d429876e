//! What a program that embeds nfbmr needs: raw camera frames in, a score and the places of defects out. A camera
//! delivers the bytes; here they come from files.
//!
//! `cargo run --release --example embed -- part.nfbmr image.png`

use std::env;
use std::error::Error;

use nfbmr::data::{Limits, load_rgb8};
use nfbmr::{Frame, Pipeline, PixelFormat};

const USAGE: &str = "usage: embed MODEL IMAGE ...";

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (model, images) = (args.next().ok_or(USAGE)?, args.collect::<Vec<_>>());
    if images.is_empty() {
        return Err(USAGE.into());
    }
    let pipeline = Pipeline::load(model)?;
    for path in images {
        let image = load_rgb8(&path, &Limits::default(), pipeline.config().white_level)?;
        let (width, height) = image.dimensions();
        let frame = Frame::new(&image, width, height, 3 * width as usize, PixelFormat::Rgb8)?;
        let detection = pipeline.detect_frame(&frame)?;
        let is_anomalous = detection.is_anomalous();
        eprintln!("{path}: score {}, anomalous: {is_anomalous:?}", detection.score);
        eprintln!("  defects: {:?}", detection.regions()?);
        println!("{}", serde_json::to_string(&detection)?); // all of it
    }
    Ok(())
}
