//! A report and its charts from made-up scores, with names that try to break out of the page.
//!
//! `cargo run -p nfbmr-report --example demo -- DIR`

use std::error::Error;
use std::path::PathBuf;

use nfbmr_report::{Example, ImageFeatures, Pixel, Png, Projection, Published, Report, Run, Score};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SYSTEMS: [&str; 7] =
    ["nf", "nf+bpfm", "nf-bmr-1", "nf-bmr-2", "nf-bmr-3", "patchcore", "padim"];
const CATEGORIES: [&str; 5] =
    ["screw", "metal nut", "good only", "<script>alert(\"'1'\")</script>&amp;\u{202e}", "部品"];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("expected a folder to write to")?);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut report = Report::new("Demonstration with made-up scores");
    for category in CATEGORIES {
        for (place, system) in SYSTEMS.into_iter().enumerate() {
            for seed in 0..3 {
                report.runs.push(run(category, seed, system, place, &mut rng));
            }
        }
    }
    let shown = report.runs.iter().filter(|run| run.system == "nf-bmr-2" && run.seed == 0);
    let examples: Vec<Example> = shown
        .flat_map(|run| run.scores.iter().step_by(7).map(|score| example(run, score)))
        .collect::<Result<_, _>>()?;
    report.examples = examples;

    let published = [("nf", 0.942), ("nf+bpfm", 0.962), ("nf-bmr-2", 0.987)];
    report.published = Some(Published {
        source: "made up too".to_owned(),
        image_auroc: published.map(|(system, value)| (system.to_owned(), value)).to_vec(),
    });
    report.write_folder(folder)?;
    Ok(())
}

fn run(category: &str, seed: u64, system: &str, place: usize, rng: &mut ChaCha8Rng) -> Run {
    let mut run = Run::new(category, seed, system);
    let distance = [0.8, 1.2, 2.0, 2.4, 2.2, 2.6, 1.6][place];
    for image in 0..100 {
        let defect = (image % 5 < 3 && category != "good only").then(|| "scratch".to_owned());
        let noise = noise(rng);
        let stretch = if image % 20 == 0 { 20.0 } else { 1.0 };
        let score = match defect {
            Some(_) => (noise + distance).max(-2.0) * stretch,
            None => noise,
        };
        let path = format!("test/{image:03}.png");
        let likelihood = (place < 5).then_some(40.0 * score - 900.0);
        run.scores.push(Score { path, defect, score, likelihood, kind: None });
    }
    if system == "nf-bmr-2" && seed == 0 {
        let spaces = [("source", 1.0), ("target", 4.0)];
        run.projections = spaces
            .into_iter()
            .filter_map(|(space, apart)| Projection::new(space, &features(&run, apart, rng)))
            .collect();
    }
    run.image_auroc_interval = Some([0.6 + 0.02 * f64::from(place as u32), 0.99]);
    let quality = 0.8 + 0.02 * place as f64 + 0.01 * rng.random::<f64>();
    run.pixel = (category != "good only").then_some(Pixel {
        auroc: quality,
        aupro: quality - 0.1,
        f1_max: quality - 0.4,
    });
    run.train_s = Some(30.0 * (1.0 + place as f64 + rng.random::<f64>()));
    run.detect_ms = Some(5.0 + place as f64 + rng.random::<f64>());
    run
}

/// Of ten channels, defects `apart` from normal images.
fn features(run: &Run, apart: f32, rng: &mut ChaCha8Rng) -> Vec<ImageFeatures> {
    let image = |score: &Score| {
        let shift = if score.defect.is_some() { apart } else { 0.0 };
        let values = (0..10).map(|channel| noise(rng) + shift * channel as f32 / 10.0).collect();
        ImageFeatures { path: score.path.clone(), defect: score.defect.clone(), values }
    };
    run.scores.iter().map(image).collect()
}

/// Nearly normal: a sum of uniform numbers.
fn noise(rng: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

fn example(run: &Run, score: &Score) -> Result<Example, png::EncodingError> {
    let defect =
        |x: u32, y: u32| score.defect.is_some() && x.abs_diff(y) < 4 && (20..44).contains(&x);
    let texture = |x: u32, y: u32| 120 + (x * 7 % 13 + y * 5 % 11) as u8 * 3;
    Ok(Example {
        title: score.path.clone(),
        caption: String::new(),
        category: run.category.clone(),
        seed: run.seed,
        system: run.system.clone(),
        defect: score.defect.clone(),
        score: score.score,
        scale: Some([0.5, 4.0]),
        image: picture(|x, y| [if defect(x, y) { 40 } else { texture(x, y) }; 3])?,
        mask: Some(picture(|x, y| [if defect(x, y) { 255 } else { 0 }; 3])?),
        heatmap: Some(picture(|x, y| if defect(x, y) { [249, 201, 50] } else { [20, 11, 54] })?),
        overlay: Some(picture(|x, y| {
            let value = texture(x, y);
            if defect(x, y) { [255, value / 2, 0] } else { [value / 2, value / 2, value] }
        })?),
    })
}

fn picture(pixel: impl Fn(u32, u32) -> [u8; 3]) -> Result<Png, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 64, 64);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..64 * 64).flat_map(|at| pixel(at % 64, at / 64)).collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes.into())
}
