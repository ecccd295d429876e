//! What files hold, by their first bytes, and which file it is, by whatever name. Knows the formats alone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use nfbmr::image::guess_format;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A longer header is none of a safetensors file.
const HEADER_BYTES: u64 = 100_000_000;
/// What tells a page and pictures.
const HEAD_BYTES: u64 = 512;

/// What an ONNX graph of ours begins with: the version of its format, and who wrote it.
const GRAPH: &[u8] = b"\x08\x08\x12\x05nfbmr";

/// What a command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A model.
    Model,
    /// Weights of a backbone.
    Weights,
    /// The page of a report.
    Page,
    /// An ONNX graph.
    Graph,
    /// Lines of JSON, after those that are there if `append`.
    Lines { append: bool },
}

impl Kind {
    /// How another output is named.
    pub fn option(self) -> &'static str {
        match self {
            Self::Model | Self::Weights | Self::Graph => "-o FILE",
            Self::Page => "--report DIR",
            Self::Lines { .. } => "--jsonl FILE",
        }
    }

    /// What may be there already, besides an empty file.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Model => "no file or an nfbmr model",
            Self::Weights => "no file or weights that `nfbmr weights import` wrote",
            Self::Page => "no file or an HTML page",
            Self::Graph => "no file or an ONNX graph that nfbmr wrote",
            Self::Lines { append: true } => "no file or lines of JSON",
            Self::Lines { append: false } => "no file or an empty one",
        }
    }
}

/// What a file holds, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// An nfbmr model, by its header alone: the rest may be damaged, or of another version.
    Model,
    /// Weights that were imported.
    Weights,
    /// Another safetensors file.
    Tensors,
    /// An HTML page.
    Page,
    /// An ONNX graph that nfbmr wrote.
    Graph,
    /// Lines of JSON, by the first brace.
    Lines,
    /// A picture.
    Picture,
    /// Anything else.
    Other,
}

impl Found {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Model => "an nfbmr model",
            Self::Weights => "weights of a backbone",
            Self::Tensors => "a safetensors file of something else",
            Self::Page => "an HTML page",
            Self::Graph => "an ONNX graph",
            Self::Lines => "lines of JSON",
            Self::Picture => "a picture",
            Self::Other => "a file of another kind",
        }
    }

    /// Of a regular file.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        // Before all else: the length that it begins with may look like anything.
        if let Some(entries) = safetensors_entries(path) {
            let has = |name: &str| entries.contains_key(name);
            return Ok(match entries.keys().any(|name| name.starts_with("nfbmr")) {
                true => Self::Model,
                false if has("variant") && has("blocks") => Self::Weights,
                false => Self::Tensors,
            });
        }
        let mut head = Vec::new();
        File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
        if head.first() == Some(&b'{') {
            return Ok(Self::Lines);
        }
        if is_page(&head) {
            return Ok(Self::Page);
        }
        if head.starts_with(GRAPH) {
            return Ok(Self::Graph);
        }
        match guess_format(&head) {
            Ok(_) => Ok(Self::Picture),
            Err(_) => Ok(Self::Other),
        }
    }
}

/// Whether a file starts as an HTML page does.
fn is_page(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let starts = |with: &str| {
        head.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    starts("<!doctype html") || starts("<html")
}

/// The header of a safetensors file, of which the metadata are looked at alone.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__", default)]
    metadata: BTreeMap<String, IgnoredAny>,
}

/// The metadata of a safetensors file, whatever follows its header; nothing of any other file.
fn safetensors_entries(path: &Path) -> Option<BTreeMap<String, IgnoredAny>> {
    let mut file = BufReader::new(File::open(path).ok()?);
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_BYTES {
        return None;
    }
    let header: Header = serde_json::from_reader(file.take(length)).ok()?;
    Some(header.metadata)
}

/// Which file it is, by whatever name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    #[cfg(unix)]
    file: (u64, u64),
    #[cfg(not(unix))]
    file: std::path::PathBuf,
}

impl Identity {
    /// Of a file that is there.
    pub fn of(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        let file = {
            use std::os::unix::fs::MetadataExt;
            let metadata = fs::metadata(path).ok()?;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let file = fs::canonicalize(path).ok()?;
        Some(Self { file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &[u8]) -> Found {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, content).unwrap();
        Found::of(&path).unwrap()
    }

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        let tensors = |header: &str| {
            [&(header.len() as u64).to_le_bytes(), header.as_bytes(), b"damaged"].concat()
        };
        let model = tensors(r#"{"__metadata__":{"nfbmr":"{}"},"x":{"dtype":"F32"}}"#);
        assert_eq!(found(&model), Found::Model);
        assert_eq!(found(&tensors(r#"{"__metadata__":{"nfbmr-cross-fitted":""}}"#)), Found::Model);
        // A header of 0x7b bytes: the file begins with a brace.
        let padding = " ".repeat(0x7b - r#"{"__metadata__":{"nfbmr":"{}"}}"#.len());
        let model = tensors(&format!("{{\"__metadata__\":{{\"nfbmr\":\"{{}}\"}}}}{padding}"));
        assert_eq!((model[0], found(&model)), (b'{', Found::Model));
        let weights = tensors(r#"{"__metadata__":{"variant":"b0","blocks":"5"}}"#);
        assert_eq!(found(&weights), Found::Weights);
        assert_eq!(found(&tensors(r#"{"__metadata__":{"format":"pt"}}"#)), Found::Tensors);
        assert_eq!(found(&tensors("{}")), Found::Tensors);
        assert_eq!(found(&tensors("not json")), Found::Other);
        assert_eq!(found(&u64::MAX.to_le_bytes()), Found::Other);
        assert_eq!(found(b"\xef\xbb\xbf\n<!DOCTYPE HTML><p>"), Found::Page);
        assert_eq!(found(b"<html>"), Found::Page);
        assert_eq!(found(b"{\"path\":1}\n"), Found::Lines);
        assert_eq!(found(b"\x89PNG\r\n\x1a\n"), Found::Picture);
        assert_eq!(found(b"a diary"), Found::Other);
    }
}
