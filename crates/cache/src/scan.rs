//! How a file starts and where its records are.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::CacheError;
use crate::key::Key;
use crate::position::At;
use crate::record::{ALIGNMENT, Header, Shape};

/// The version of the file's layout that this crate reads and writes.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 12] = b"nfbmr cache\n";
/// Where the first record starts, in bytes.
pub(crate) const START: u64 = 16;

/// Where the features of a key are and what they should be.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// Where the record starts, in bytes.
    pub offset: u64,
    pub shape: Shape,
    /// CRC-32 of the bytes of the values.
    pub checksum: u32,
}

impl Entry {
    pub fn new(offset: u64, header: &Header) -> Self {
        Self { offset, shape: header.shape, checksum: header.checksum }
    }
}

/// Checks how the file starts, and starts one that is empty or was interrupted while it was started.
pub(crate) fn start(file: &File, path: &Path) -> Result<(), CacheError> {
    let mut found = Vec::new();
    At { file, offset: 0 }
        .take(START)
        .read_to_end(&mut found)
        .map_err(|source| CacheError::Read { path: path.into(), offset: 0, source })?;
    let expected = [MAGIC.as_slice(), &FORMAT_VERSION.to_le_bytes()].concat();
    if found == expected {
        Ok(())
    } else if expected.starts_with(&found) {
        At { file, offset: 0 }.write_all(&expected).map_err(|source| CacheError::Write {
            path: path.into(),
            offset: 0,
            source,
        })
    } else if let Some((MAGIC, version)) = found.split_first_chunk()
        && let Ok(version) = version.try_into()
    {
        let found = u32::from_le_bytes(version);
        Err(CacheError::Version { path: path.into(), found, expected: FORMAT_VERSION })
    } else {
        Err(CacheError::Foreign { path: path.into() })
    }
}

/// The records of a file, where the last of them ends and where the file does, in bytes. Values aren't
/// read.
pub(crate) fn scan(file: &File) -> io::Result<(HashMap<Key, Entry>, u64, u64)> {
    let length = file.metadata()?.len();
    let mut index = HashMap::new();
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(START))?;
    let mut bytes = [0; Header::BYTES];
    let (mut offset, mut end) = (START, START);
    loop {
        let values_at = offset + Header::BYTES as u64;
        let Some(rest) = length.checked_sub(values_at) else { break };
        reader.read_exact(&mut bytes)?;
        match Header::decode(&bytes) {
            Some(header) if header.shape.bytes() <= rest => {
                index.insert(header.key, Entry::new(offset, &header));
                end = values_at + header.shape.bytes();
                offset = end;
            }
            _ => offset += ALIGNMENT,
        }
        reader.seek_relative(offset.wrapping_sub(values_at).cast_signed())?;
    }
    Ok((index, end, length))
}
