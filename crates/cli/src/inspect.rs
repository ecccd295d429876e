//! `nfbmr inspect`: what a model file says of itself, in lines, as JSON or as settings.

use nfbmr::{Choices, ModelInfo};
use nfbmr_settings::to_toml;

use crate::calibrate::in_words;
use crate::error::CliError;
use crate::output::print;
use crate::text::{count, inspected};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  nfbmr inspect part.nfbmr
  nfbmr inspect part.nfbmr --json | jq .calibration.split.threshold.value
  nfbmr inspect part.nfbmr --config > settings.toml")]
pub struct Args {
    /// The model file.
    #[arg(value_name = "MODEL")]
    model: std::path::PathBuf,
    /// Everything, as JSON.
    #[arg(long)]
    json: bool,
    /// The configuration alone, as TOML that `nfbmr train --config` reads.
    #[arg(long, conflicts_with = "json")]
    config: bool,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let info = ModelInfo::read(&args.model)?;
    if args.config {
        return print(to_toml(&info.config)?);
    }
    if args.json {
        let json =
            serde_json::to_string_pretty(&info).map_err(|error| CliError::Stdout(error.into()))?;
        return print(format_args!("{json}\n"));
    }
    print(in_lines(&info))
}

fn in_lines(info: &ModelInfo) -> String {
    let config = &info.config;
    let training = count(info.training_images, "image");
    let included = if info.backbone_included { "in the file" } else { "not in the file" };
    let calibrated =
        info.calibration.as_ref().map(in_words).unwrap_or_else(|| "not calibrated\n".to_owned());
    let tiles = config.tiling.map_or(String::new(), |tiling| {
        format!(" in tiles of {0} x {0} that overlap by {1}", tiling.size, tiling.overlap)
    });
    let white_level = config
        .white_level
        .map_or(String::new(), |white| format!(", white level {white} of 16-bit images"));
    format!(
        "system {}, seed {}, configuration {}\n\
         backbone {} to block {}, input {} x {} pixels{tiles}{white_level}\n\
         {}{}weights of the backbone {included}, SHA-256 {}\n\
         format version {}, {:.1} MB\n\
         trained on {training}\n\
         {calibrated}",
        config.system.system(),
        config.seed,
        config.fingerprint(),
        config.backbone.variant,
        config.backbone.block,
        config.input_size,
        config.input_size,
        inspected(config),
        chosen(info),
        info.backbone_sha256,
        info.format_version,
        info.bytes as f64 / 1e6,
    )
}

/// How parts are laid over each other and which copies were trained on, and why where training chose them.
fn chosen(info: &ModelInfo) -> String {
    let Choices { alignment, augmentation, kinds, .. } = &info.choices;
    let configured = &info.config;
    let alignment = alignment
        .as_ref()
        .map_or_else(|| configured.alignment.motion.to_string(), |choice| choice.to_string());
    let augmentation = augmentation
        .as_ref()
        .map_or_else(|| configured.augmentation.to_string(), |choice| choice.to_string());
    let kinds =
        kinds.as_ref().map_or_else(|| configured.kinds.to_string(), |choice| choice.to_string());
    format!("alignment: {alignment}\naugmentation: {augmentation}\nkinds: {kinds}\n")
}
