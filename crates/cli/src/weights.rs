//! `nfbmr weights`: published weights to files that models take. It knows weights, not models.

use std::path::PathBuf;

use clap::Subcommand;
use nfbmr_backbone::{BackboneConfig, Storage, Weights, WeightsSource};

use crate::error::CliError;
use crate::file_kind::Kind;
use crate::numbers::whole;
use crate::output::print;
use crate::outputs;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Convert published weights of an EfficientNet to a safetensors file that `--weights` takes.
    ///
    /// Format (PyTorch or safetensors), naming (efficientnet_pytorch, timm or torchvision) and network are
    /// recognised by content; head and classifier are left out.
    Import(Import),
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  nfbmr weights import efficientnet-lite1-77cc7160.pth -o lite1.safetensors
  nfbmr weights import --source timm-tf --blocks 16 model.safetensors -o b0.safetensors")]
struct Import {
    /// The published file.
    #[arg(value_name = "FILE")]
    input: PathBuf,
    /// The file to write; FILE with the extension `safetensors` by default.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the weights come from, such as `timm-tf`; needed only where their content can't tell.
    #[arg(long)]
    source: Option<WeightsSource>,
    /// How many blocks to keep; all by default.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>)]
    blocks: Option<usize>,
    /// Store values with 16 bits, in half the space, instead of as they are.
    #[arg(long)]
    f16: bool,
    /// A note for the file, such as `licence=Apache-2.0`; may be repeated.
    #[arg(long = "note", value_name = "KEY=VALUE", value_parser = note)]
    notes: Vec<(String, String)>,
}

fn note(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub fn run(args: &Args) -> Result<(), CliError> {
    match &args.command {
        Command::Import(args) => import(args),
    }
}

fn import(args: &Import) -> Result<(), CliError> {
    let input = &args.input;
    let output = args.output.clone().unwrap_or_else(|| input.with_extension("safetensors"));
    let read = |source| CliError::Read { path: input.clone(), source };
    let bytes = nfbmr_files::read(input).map_err(read)?;
    outputs::check(&output, Kind::Weights, [input.as_path()])?;
    let failed = |source| CliError::Import { path: input.clone(), source };
    let weights = Weights::import(&bytes, args.source).map_err(failed)?;
    let recorded = weights.config().map_err(failed)?;
    let Some(whole) = recorded else { return Err(CliError::Unrecorded(input.clone())) };
    let blocks = args.blocks.unwrap_or(whole.block + 1);
    if !(1..=whole.block + 1).contains(&blocks) {
        return Err(CliError::Blocks { all: whole.block + 1, found: blocks });
    }
    let config = BackboneConfig { block: blocks - 1, ..whole };
    let mut weights = weights.select(&config).map_err(failed)?;
    weights.metadata_mut().extend(args.notes.iter().cloned());
    let storage = if args.f16 { Storage::F16 } else { Storage::F32 };
    let bytes = weights.to_safetensors(storage).map_err(|error| failed(error.into()))?;
    nfbmr_files::write(&output, &bytes)
        .map_err(|source| CliError::Write { path: output.clone(), source })?;
    let source = weights.source().map_err(failed)?;
    print(format_args!(
        "{}: {}{}, {} blocks, {} tensors, {:.1} MB\n",
        output.display(),
        config.variant,
        source.map(|source| format!(" of {source}")).unwrap_or_default(),
        blocks,
        weights.len(),
        bytes.len() as f64 / 1e6,
    ))
}
