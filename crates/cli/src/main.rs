//! `nfbmr` on the command line: trains a detector on images of good parts, calibrates it, and tells which
//! other images show a defect.

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod calibrate;
mod cli;
mod config;
mod detect;
mod drift;
mod error;
mod evaluate;
mod export;
mod heatmaps;
mod images;
mod inspect;
mod interrupt;
mod mask_use;
mod model;
mod output;
mod progress;
mod record;
mod results;
mod train;
mod unfinished;
mod weights;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use error::CliError;
use progress::Verbosity;

/// How the program ends, where it doesn't end in an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// All that was asked for is done, and no defect was found.
    Good,
    /// `detect` found defects.
    Defects,
    /// `detect` reported errors of some images in their places.
    BadImages,
}

fn main() -> ExitCode {
    let Cli { command, verbosity } = Cli::parse();
    match run(command, verbosity) {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Defects) => ExitCode::from(1),
        Ok(Outcome::BadImages) => ExitCode::from(2),
        Err(error) => {
            error.report();
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(command: Command, verbosity: Verbosity) -> Result<Outcome, CliError> {
    verbosity.log();
    interrupt::watch()?;
    match command {
        Command::Train(args) => train::run(&args, verbosity)?,
        Command::Detect(args) => return detect::run(&args, verbosity),
        Command::Calibrate(args) => calibrate::run(&args, verbosity)?,
        Command::Evaluate(args) => evaluate::run(&args, verbosity)?,
        Command::Inspect(args) => inspect::run(&args)?,
        Command::Weights(args) => weights::run(&args)?,
        Command::Completions { shell } => export::completions(shell)?,
        Command::Man { folder } => export::man_pages(&folder)?,
    }
    Ok(Outcome::Good)
}
