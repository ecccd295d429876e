//! Files with the same content. Knows paths and bytes, no pixels.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// Files without their copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distinct {
    /// The first of each content, in the order given.
    pub files: Vec<PathBuf>,
    /// Each copy, and the file that it is a copy of.
    pub copies: Vec<(PathBuf, PathBuf)>,
}

/// Leaves out files whose bytes are those of an earlier one, as a part photographed once and saved twice.
///
/// A copy shows no further part: it would count double in training, and, held out, be known to the model.
/// Files that can't be read stay, for whoever opens them to say so.
pub fn distinct(files: impl IntoIterator<Item = impl Into<PathBuf>>) -> Distinct {
    let files: Vec<PathBuf> = files.into_iter().map(Into::into).collect();
    let contents: Vec<_> = files.par_iter().map(|path| content(path).ok()).collect();
    let mut first: HashMap<[u8; 32], PathBuf> = HashMap::new();
    let mut distinct = Distinct { files: Vec::with_capacity(files.len()), copies: Vec::new() };
    for (path, content) in files.into_iter().zip(contents) {
        if let Some(content) = content {
            if let Some(original) = first.get(&content) {
                distinct.copies.push((path, original.clone()));
                continue;
            }
            first.insert(content, path.clone());
        }
        distinct.files.push(path);
    }
    distinct
}

/// SHA-256 of a file's bytes.
fn content(path: &Path) -> io::Result<[u8; 32]> {
    // Reading a device or a pipe may never end.
    if !path.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn copies_are_left_out_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, content) in
            [("a", "one"), ("b", "two"), ("c", "one"), ("d", "three"), ("e", "one")]
        {
            fs::write(path(name), content).unwrap();
        }
        let given = ["a", "absent", "b", "c", "d", "also absent", "e"].map(path);
        let found = distinct(given);
        assert_eq!(found.files, ["a", "absent", "b", "d", "also absent"].map(path));
        assert_eq!(found.copies, [(path("c"), path("a")), (path("e"), path("a"))]);
    }
}
