//! Writes generated data sets with defects and masks, in the layout of MVTec AD.
//!
//! `cargo run --release --example generate -- --out out/generated`
//!
//! Ten textures and a part unless `--kind` names others; the seed decides every pixel.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use nfbmr_synthetic::{Counts, Kind, write_datasets};

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
    Ok(write_datasets(&args.out, &kinds, &counts, args.size, args.seed)?)
}
