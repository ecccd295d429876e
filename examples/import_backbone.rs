//! Converts published weights of an EfficientNet to a safetensors file that the backbone loads.
//!
//! ```text
//! cargo run --release --example import_backbone -- \
//!     [--source timm-tf] [--blocks 16] [--f32] [--note KEY=VALUE] IN OUT.safetensors
//! ```
//!
//! Format (PyTorch or safetensors), naming (efficientnet_pytorch, timm or torchvision) and network
//! are recognised by content. Only the stem and the first blocks are kept; head and classifier are
//! left out. `docs/weights.md` has a list of files.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use nfbmr::backbone::{BackboneConfig, Source, Storage, Weights};

#[path = "support/exit.rs"]
mod exit;

use exit::exit;

/// Converts published weights of an EfficientNet to safetensors.
#[derive(Parser)]
struct Args {
    /// Where the weights come from, such as timm-tf; needed only where their content can't tell.
    #[arg(long)]
    source: Option<Source>,
    /// How many blocks to keep; all of them by default.
    #[arg(long)]
    blocks: Option<usize>,
    /// Store 32-bit values instead of 16-bit ones.
    #[arg(long)]
    f32: bool,
    /// A note for the file's metadata, such as `licence=...`; may be repeated.
    #[arg(long = "note", value_name = "KEY=VALUE", value_parser = note)]
    notes: Vec<(String, String)>,
    /// The published file.
    input: PathBuf,
    /// The safetensors file to write.
    output: PathBuf,
}

fn note(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

fn main() -> ExitCode {
    // As text, which has the sources by the names to type.
    exit(convert(Args::parse()))
}

fn convert(args: Args) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(&args.input)
        .map_err(|error| format!("cannot read {}: {error}", args.input.display()))?;
    let mut weights = Weights::import(&bytes, args.source)?;
    let whole = weights.config()?.ok_or("imported weights record their configuration")?;
    let blocks = args.blocks.unwrap_or(whole.block + 1);
    let block = blocks.checked_sub(1).ok_or("expected at least one block, found --blocks 0")?;
    weights = weights.select(&BackboneConfig { block, ..whole })?;
    weights.metadata_mut().extend(args.notes);
    let storage = if args.f32 { Storage::F32 } else { Storage::F16 };
    let bytes = weights.to_safetensors(storage)?;
    std::fs::write(&args.output, &bytes)?;
    let (variant, count, size) = (whole.variant, weights.len(), bytes.len());
    let source = weights.source()?.map(|source| format!(" of {source}")).unwrap_or_default();
    writeln!(
        std::io::stdout(),
        "{}: {variant}{source} up to block {block}, {count} tensors, {size} bytes",
        args.output.display()
    )?;
    Ok(())
}
