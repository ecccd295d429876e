//! The files of an uncompressed zip archive, as `torch.save` writes it. Knows bytes alone.

use std::collections::HashMap;

use super::cursor::Cursor;
use crate::weights_error::WeightsError;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

/// Length of the end record without its comment, and of the longest comment.
const END_LENGTH: usize = 22;
const MAX_COMMENT: usize = 65_535;

pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL)
}

/// Files of an archive by name. PyTorch stores them uncompressed, so each is a part of the bytes.
pub(super) fn files(bytes: &[u8]) -> Result<HashMap<&str, &[u8]>, WeightsError> {
    let from = bytes.len().saturating_sub(END_LENGTH + MAX_COMMENT);
    let last =
        bytes.get(from..).unwrap_or_default().windows(END.len()).rposition(|window| window == END);
    let Some(end) = last else {
        return Err(WeightsError::malformed(
            bytes.len(),
            "the end record of a zip archive",
            "none",
        ));
    };
    let mut cursor = Cursor::new(bytes, from + end + 10);
    let count = cursor.u16()?;
    let _length = cursor.u32()?;
    let directory = cursor.u32()? as usize;
    let comment = cursor.u16()?;
    cursor.take(comment.into())?;
    if cursor.position != bytes.len() {
        return Err(WeightsError::malformed(
            cursor.position,
            "the end of the archive",
            "more bytes",
        ));
    }
    let mut cursor = Cursor::new(bytes, directory);
    let mut files = HashMap::new();
    for _ in 0..count {
        let (name, content) = entry(bytes, &mut cursor)?;
        files.insert(name, content);
    }
    Ok(files)
}

/// One entry of the directory, with the bytes it refers to.
fn entry<'a>(
    bytes: &'a [u8],
    cursor: &mut Cursor<'a>,
) -> Result<(&'a str, &'a [u8]), WeightsError> {
    let at = cursor.position;
    if cursor.take(4)? != CENTRAL {
        return Err(WeightsError::malformed(at, "an entry of a zip directory", "another record"));
    }
    cursor.take(6)?;
    let method = cursor.u16()?;
    cursor.take(8)?;
    let (stored, size) = (cursor.u32()?, cursor.u32()?);
    let (name, extra, comment) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
    cursor.take(8)?;
    let offset = cursor.u32()?;
    let name = cursor.text(name.into())?;
    cursor.take(usize::from(extra) + usize::from(comment))?;
    if method != 0 || stored != size {
        return Err(WeightsError::malformed(
            at,
            "uncompressed files in the archive",
            format!("{name} compressed"),
        ));
    }
    if size == u32::MAX || offset == u32::MAX {
        return Err(WeightsError::malformed(
            at,
            "an archive below 4 GB",
            format!("a larger one, at {name}"),
        ));
    }
    let mut local = Cursor::new(bytes, offset as usize);
    if local.take(4)? != LOCAL {
        return Err(WeightsError::malformed(
            offset as usize,
            format!("the record of {name}"),
            "another record",
        ));
    }
    local.take(22)?;
    let (name_length, extra_length) = (local.u16()?, local.u16()?);
    local.take(usize::from(name_length) + usize::from(extra_length))?;
    Ok((name, local.take(size as usize)?))
}
