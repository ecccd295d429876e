//! How the examples end.

use std::error::Error;
use std::process::ExitCode;

/// Shows an error as its user reads it; `main` would show it by its `Debug`.
pub fn exit(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
