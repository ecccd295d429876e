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
mod error;
mod evaluate;
mod export;
mod file_kind;
mod heatmaps;
mod images;
mod inspect;
mod interrupt;
mod mask_use;
mod model;
mod numbers;
mod onnx;
mod outcome;
mod output;
mod outputs;
mod progress;
mod results;
mod stdin;
mod text;
mod train;
mod unfinished;
mod weights;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use error::CliError;
use outcome::Outcome;
use progress::Verbosity;

fn main() -> ExitCode {
    let Cli { command, verbosity } = Cli::parse();
    match run(command, verbosity) {
        Ok(outcome) => ExitCode::from(outcome.exit_code()),
        Err(error) => {
            output::report(&error);
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
        Command::Export(args) => onnx::run(&args)?,
        Command::Weights(args) => weights::run(&args)?,
        Command::Completions { shell } => export::completions(shell)?,
        Command::Man { folder } => export::man_pages(&folder)?,
    }
    Ok(Outcome::Good)
}
