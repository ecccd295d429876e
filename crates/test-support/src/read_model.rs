//! A reader that knows `docs/file-format.md` alone.

use std::path::Path;
use std::process::Command;

use crate::reference;

/// What `read_model.py` says of a file; `None` without Python.
pub fn read_model(file: &Path) -> Option<Result<String, String>> {
    let Ok(output) = Command::new("python3").arg(reference("read_model.py")).arg(file).output()
    else {
        println!("skipped: no python3");
        return None;
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Some(match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    })
}
