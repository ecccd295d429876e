//! Writes generated data sets with defects and masks, in the layout of MVTec AD.
//!
//! `cargo run --release --example generate -- --out out/generated`
//!
//! Ten textures and a part unless `--kind` names others; the seed decides every pixel. The same parts are
//! upright with `--straight`, small and anywhere in the image with `--part-scale 0.45`, and of several colours
//! with `--colours 5`. Parts of several kinds in one category:
//!
//! `cargo run --release --example generate -- --out out/generated --kind gear --kind flange --mix parts`

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use nfbmr_synthetic::{Counts, Kind, Scene};

#[path = "support/exit.rs"]
mod exit;

/// Generated data sets in folders.
#[derive(Parser)]
struct Args {
    /// Folder to write into, a category each.
    #[arg(long)]
    out: PathBuf,
    /// Categories by name, `woven` or `gear` for example; the ten textures and the part by default.
    #[arg(long)]
    kind: Vec<String>,
    /// One category of this name with images of all kinds, of each as many as are asked for.
    #[arg(long)]
    mix: Option<String>,
    /// Parts lie upright in the middle of the image, not at any angle.
    #[arg(long)]
    straight: bool,
    /// Size of the parts, 0.3 to 1; smaller ones than 1 lie anywhere in the image.
    #[arg(long, default_value_t = 1.0)]
    part_scale: f32,
    /// Colours that the parts come in; plain metal with 1.
    #[arg(long, default_value_t = 1)]
    colours: u32,
    /// Good images to train on.
    #[arg(long, default_value_t = 100)]
    train: u64,
    /// Good images to test on.
    #[arg(long, default_value_t = 50)]
    good: u64,
    /// Images with a defect to test on.
    #[arg(long, default_value_t = 50)]
    defects: u64,
    /// Side of the images in pixels.
    #[arg(long, default_value_t = 512)]
    size: u32,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    exit::exit(generate(&Args::parse()))
}

fn generate(args: &Args) -> Result<(), Box<dyn Error>> {
    let named = |name: &String| {
        let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        let known = || Kind::ALL.map(Kind::name).join("`, `");
        found.ok_or_else(|| format!("kind {name:?}: expected one of `{}`", known()))
    };
    let kinds = match args.kind.as_slice() {
        [] => Kind::BENCHMARK.to_vec(),
        names => names.iter().map(named).collect::<Result<_, _>>()?,
    };
    let counts = Counts { train: args.train, test_good: args.good, test_defect: args.defects };
    let Args { straight, part_scale, colours, .. } = *args;
    let scene = Scene { straight, part_scale, colours };
    let write = |name: &str, kinds: &[Kind]| {
        scene.write_mvtec(args.out.join(name), kinds, &counts, args.size, args.seed)
    };
    match &args.mix {
        Some(name) => write(name, &kinds)?,
        None => kinds.iter().try_for_each(|kind| write(kind.name(), &[*kind]))?,
    }
    Ok(())
}
