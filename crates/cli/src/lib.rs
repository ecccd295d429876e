//! `nfbmr` on the command line: trains a detector on images of good parts, calibrates it, and tells which
//! other images show a defect.
//!
//! [`main`] is the whole program, for the binary and for whatever else brings it along, such as the wheel of Python.

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

use std::ffi::OsString;

use clap::Parser;

use cli::{Cli, Command};
use error::CliError;
use outcome::Outcome;
use progress::Verbosity;

pub use results::Results;

/// Runs the program with arguments, the first of which is its name, and returns its exit code.
///
/// It watches for Ctrl-C from then on, and writes to standard output and standard error itself.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let Cli { command, verbosity } = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help that nobody can read any more is no reason to fail.
            let _ = usage.print();
            return u8::try_from(usage.exit_code()).unwrap_or(2);
        }
    };
    match run(command, verbosity) {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            output::report(&error);
            error.exit_code()
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
