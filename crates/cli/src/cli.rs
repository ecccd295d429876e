//! The command line: commands, and the text of their help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::progress::Verbosity;
use crate::{calibrate, detect, evaluate, inspect, onnx, train, weights};

/// Finds visual defects after training on images of good parts alone.
///
/// Train a model, look at what it finds, and run it in production: `train` keeps some good images out of
/// training to set the threshold by, `detect` writes a line of JSON an image.
#[derive(Parser)]
#[command(name = "nfbmr", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub verbosity: Verbosity,
}

const EXAMPLES: &str = "\
Examples:
  nfbmr train good-parts -o part.nfbmr
  nfbmr detect part.nfbmr new-images --heatmaps out > results.jsonl
  nfbmr evaluate part.nfbmr labelled-images --report out

Exit codes:
  0    done; of `detect`, all images are good
  1    `detect` found defects
  2    an error; of `detect`, one image or heatmap is enough, and it wins over 1
  130  stopped by Ctrl-C";

#[derive(Subcommand)]
pub enum Command {
    /// Train a model on images of good parts, and calibrate it on some of them.
    Train(train::Args),
    /// Score images: one line of JSON each, with score, p-value, verdict and defect regions.
    Detect(detect::Args),
    /// Set the threshold by good images that weren't trained on, or by hand.
    Calibrate(calibrate::Args),
    /// Measure a model on labelled images.
    Evaluate(evaluate::Args),
    /// Show what a model file says of itself.
    Inspect(inspect::Args),
    /// Write a model as an ONNX graph, from the pixels of an image to its verdict, for other
    /// runtimes.
    Export(onnx::Args),
    /// Convert published weights of backbones.
    Weights(weights::Args),
    /// Write the completions of a shell to standard output.
    #[command(after_help = "Example:
  nfbmr completions bash > ~/.local/share/bash-completion/completions/nfbmr")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write man pages, one for each command, into a folder.
    #[command(after_help = "Example:
  nfbmr man ~/.local/share/man/man1 && man nfbmr-train")]
    Man {
        /// The folder, which is made if it isn't there.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}
