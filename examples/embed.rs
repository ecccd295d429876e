//! What a program that embeds nfbmr needs: a raw camera frame in, a score and the places of defects out. A camera
//! delivers the bytes; here they come from a file.
//!
//! `cargo run --release --example embed -- part.nfbmr image.png`

use std::env;
use std::error::Error;

use nfbmr::data::{Limits, load_rgb8};
use nfbmr::{Frame, Pipeline, PixelFormat};

const USAGE: &str = "usage: embed MODEL IMAGE";

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (model, image) = (args.next().ok_or(USAGE)?, args.next().ok_or(USAGE)?);
    let pipeline = Pipeline::load(model)?;
    let image = load_rgb8(image, &Limits::default(), pipeline.config().white_level)?;
    let (width, height) = image.dimensions();
    let frame = Frame::new(&image, width, height, 3 * width as usize, PixelFormat::Rgb8)?;
    let detection = pipeline.detect_frame(&frame)?;
    println!("score {}, anomalous: {:?}", detection.score, detection.is_anomalous());
    println!("defects: {:?}", detection.regions()?);
    Ok(())
}
