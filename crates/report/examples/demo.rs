//! A report and its charts from made-up scores, with names that try to break out of the page.
//!
//! `cargo run -p nfbmr-report --example demo -- DIR`

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use nfbmr_report::{Example, Pixel, Report, Run, Score, charts};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SYSTEMS: [&str; 7] =
    ["nf", "nf+bpfm", "nf-bmr-1", "nf-bmr-2", "nf-bmr-3", "patchcore", "padim"];
const CATEGORIES: [&str; 5] =
    ["screw", "metal nut", "good only", "<script>alert(\"'1'\")</script>&amp;\u{202e}", "部品"];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("expected a folder to write to")?);
    fs::create_dir_all(&folder)?;
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

    report.write(folder.join("report.html"))?;
    for (name, svg) in charts(&report)? {
        fs::write(folder.join(name), svg)?;
    }
    Ok(())
}

fn run(category: &str, seed: u64, system: &str, place: usize, rng: &mut ChaCha8Rng) -> Run {
    let mut run = Run::new(category, seed, system);
    let distance = [0.8, 1.2, 2.0, 2.4, 2.2, 2.6, 1.6][place];
    for image in 0..100 {
        let defect = (image % 5 < 3 && category != "good only").then(|| "scratch".to_owned());
        // Nearly normal: a sum of uniform numbers.
        let noise: f32 = (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        let stretch = if image % 20 == 0 { 20.0 } else { 1.0 };
        let score = match defect {
            Some(_) => (noise + distance).max(-2.0) * stretch,
            None => noise,
        };
        run.scores.push(Score { path: format!("test/{image:03}.png"), defect, score });
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
        image: picture(|x, y| [if defect(x, y) { 40 } else { texture(x, y) }; 3])?,
        mask: Some(picture(|x, y| [if defect(x, y) { 255 } else { 0 }; 3])?),
        overlay: Some(picture(|x, y| {
            let value = texture(x, y);
            if defect(x, y) { [255, value / 2, 0] } else { [value / 2, value / 2, value] }
        })?),
    })
}

fn picture(pixel: impl Fn(u32, u32) -> [u8; 3]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 64, 64);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..64 * 64).flat_map(|at| pixel(at % 64, at / 64)).collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}
