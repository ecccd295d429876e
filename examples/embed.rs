//! What a program that embeds nfbmr needs: a raw camera frame in, a score and a defect's place out.
//!
//! `cargo run --release --example embed -- part.nfbmr image.png`

use std::env;
use std::error::Error;

use nfbmr::{Frame, Pipeline, PixelFormat, data, weights};

fn main() -> Result<(), Box<dyn Error>> {
    let (Some(model), Some(image)) = (env::args().nth(1), env::args().nth(2)) else {
        return Err("usage: embed MODEL IMAGE".into());
    };
    let pipeline = Pipeline::load(model, weights::embedded(), &Default::default())?;
    // A camera delivers these bytes; here they come from a file.
    let white_level = pipeline.config().white_level;
    let image = data::load_rgb8(image, &data::Limits::default(), white_level)?;
    let (width, height) = image.dimensions();

    let frame = Frame::new(image.as_raw(), width, height, 3 * width as usize, PixelFormat::Rgb8)?;
    let detection = pipeline.detect_frame(&frame)?;
    let map = &detection.anomaly_map;
    let values = map.values.iter().enumerate().filter(|(index, _)| map.is_inspected(*index));
    let worst = values.max_by(|a, b| a.1.total_cmp(b.1));
    let index = worst.map_or(0, |(index, _)| index as u32);
    println!("score {}", detection.score);
    println!("most anomalous at x = {}, y = {}", index % map.width, index / map.width);
    Ok(())
}
