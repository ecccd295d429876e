//! What a PNG file declares.

use crate::size::Size;

const SIGNATURE_AND_LENGTH: usize = 12;

/// The size in the header chunk, which comes first; nothing where it does not.
pub(crate) fn declared_size(png: &[u8]) -> Option<Size> {
    let header = png.get(SIGNATURE_AND_LENGTH..)?.strip_prefix(b"IHDR")?;
    let (width, rest) = header.split_first_chunk()?;
    let (height, _) = rest.split_first_chunk()?;
    Some(Size { width: u32::from_be_bytes(*width), height: u32::from_be_bytes(*height) })
}
