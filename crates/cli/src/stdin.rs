//! Paths that come by standard input, one a line. Knows how long to wait, not what is done with them.

use std::io::{self, BufRead};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::error::CliError;
use crate::interrupt;

/// So long Ctrl-C may wait.
const PATIENCE: Duration = Duration::from_millis(50);
/// What some programs on Windows put before their first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The paths, in order.
pub struct Paths {
    lines: Receiver<io::Result<Vec<u8>>>,
}

impl Paths {
    /// Begins to read, on a thread of its own: reading can't be interrupted.
    pub fn read() -> Self {
        let (sender, lines) = sync_channel(1);
        thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            loop {
                let mut line = Vec::new();
                let read = match stdin.read_until(b'\n', &mut line) {
                    Ok(0) => return,
                    Ok(_) => sender.send(Ok(line)),
                    Err(error) => sender.send(Err(error)),
                };
                if read.is_err() {
                    return;
                }
            }
        });
        Self { lines }
    }

    /// The next path, once it is there; nothing at the end of the input. Empty lines are none.
    pub fn next(&self) -> Result<Option<PathBuf>, CliError> {
        loop {
            interrupt::check()?;
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    if let Some(path) = path(&line.map_err(CliError::Stdin)?) {
                        return Ok(Some(path));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}

/// The path of a line; none of an empty one.
fn path(line: &[u8]) -> Option<PathBuf> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    (!line.trim_ascii().is_empty()).then(|| as_path(line))
}

#[cfg(unix)]
fn as_path(line: &[u8]) -> PathBuf {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    OsStr::from_bytes(line).into()
}

#[cfg(not(unix))]
fn as_path(line: &[u8]) -> PathBuf {
    String::from_utf8_lossy(line).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_path_without_its_end() {
        for (line, expected) in [
            ("a.png\n", Some("a.png")),
            ("a.png", Some("a.png")),
            (" a b.png \r\n", Some(" a b.png ")),
            ("\u{feff}a.png\r\n", Some("a.png")),
            ("\n", None),
            ("\r\n", None),
            ("  \n", None),
            ("", None),
        ] {
            assert_eq!(path(line.as_bytes()), expected.map(PathBuf::from), "{line:?}");
        }
    }
}
