//! The binary `nfbmr`.

use std::process::ExitCode;

fn main() -> ExitCode {
    nfbmr_cli::main(std::env::args_os()).into()
}
