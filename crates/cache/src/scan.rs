//! Finding the records of a file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::key::Key;
use crate::record::{ALIGNMENT, Header, Shape};

/// The version of the file's layout that this crate reads and writes.
pub const FORMAT_VERSION: u32 = 1;

pub(crate) const MAGIC: &[u8; 12] = b"nfbmr cache\n";
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

/// The records of a file of `length` bytes and where the last of them ends. Values aren't read.
pub(crate) fn scan(file: &File, length: u64) -> io::Result<(HashMap<Key, Entry>, u64)> {
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
    Ok((index, end))
}
