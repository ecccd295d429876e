//! Converts the PyTorch weights of an EfficientNet to a safetensors file that the backbone loads.
//!
//! ```text
//! cargo run --release --example import_backbone -- \
//!     --variant lite0 --blocks 16 [--f32] [--note KEY=VALUE] IN.pth OUT.safetensors
//! ```
//!
//! Only the stem and the first blocks are kept; head and classifier are left out.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use nfbmr::backbone::{BackboneConfig, Padding, Storage, Variant, Weights};

/// Converts PyTorch weights in the naming of `efficientnet_pytorch` to safetensors.
#[derive(Parser)]
struct Args {
    /// The network: b0 to b7 or lite0 to lite4.
    #[arg(long)]
    variant: Variant,
    /// How many blocks to keep; all of them by default.
    #[arg(long)]
    blocks: Option<usize>,
    /// Store 32-bit values instead of 16-bit ones.
    #[arg(long)]
    f32: bool,
    /// A note for the file's metadata, such as `source=...`; may be repeated.
    #[arg(long = "note", value_name = "KEY=VALUE", value_parser = note)]
    notes: Vec<(String, String)>,
    /// The file that `torch.save` wrote.
    input: PathBuf,
    /// The safetensors file to write.
    output: PathBuf,
}

fn note(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let blocks = args.blocks.unwrap_or_else(|| args.variant.block_count());
    let last = blocks.checked_sub(1).ok_or("expected at least one block, found --blocks 0")?;
    let config = BackboneConfig::efficientnet_pytorch(args.variant, last)?;
    let mut weights = Weights::read_pytorch(&args.input)?.select(&config)?;
    let metadata = weights.metadata_mut();
    metadata.extend(details(&config));
    metadata.extend(args.notes);
    let storage = if args.f32 { Storage::F32 } else { Storage::F16 };
    let bytes = weights.to_safetensors(storage)?;
    std::fs::write(&args.output, &bytes)?;
    let (count, size) = (weights.len(), bytes.len());
    writeln!(std::io::stdout(), "{}: {count} tensors, {size} bytes", args.output.display())?;
    Ok(())
}

/// What a reader of the file needs to know to get the published features.
fn details(config: &BackboneConfig) -> Vec<(String, String)> {
    let padding = match config.padding {
        Padding::SameDynamic => "same_dynamic".to_owned(),
        Padding::SameStatic { native } => format!("same_static {native}"),
        Padding::Symmetric => "symmetric".to_owned(),
    };
    let normalization = config.normalization;
    [
        ("variant", config.variant.to_string()),
        ("blocks", (config.block + 1).to_string()),
        ("padding", padding),
        ("batch_norm_eps", config.batch_norm_eps.to_string()),
        ("normalization_mean", format!("{:?}", normalization.mean)),
        ("normalization_std", format!("{:?}", normalization.std)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}
