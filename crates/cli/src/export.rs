//! What helps a shell: completions and man pages, made from the command line itself.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::CliError;
use crate::output::{make_folder, print};

/// Writes the completions of a shell to standard output.
pub fn completions(shell: Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "nfbmr", &mut script);
    print(String::from_utf8_lossy(&script))
}

/// Writes a man page of each command into a folder.
pub fn man_pages(folder: &Path) -> Result<(), CliError> {
    make_folder(folder)?;
    let mut command = Cli::command();
    command.build();
    write_pages(&command, folder)
}

fn write_pages(command: &clap::Command, folder: &Path) -> Result<(), CliError> {
    let page = clap_mangen::Man::new(command.clone());
    let path = folder.join(page.get_filename());
    let failed = |source| CliError::Write { path: path.clone(), source };
    let mut text = Vec::new();
    page.render(&mut text).map_err(failed)?;
    nfbmr_files::write(&path, &text).map_err(failed)?;
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    below.into_iter().try_for_each(|below| write_pages(below, folder))
}
