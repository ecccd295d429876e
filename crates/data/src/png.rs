//! What a PNG file declares. Knows bytes and sizes alone.

use crate::size::Size;

const SIGNATURE: usize = 8;

/// The size in the header chunk, which comes first; nothing where it does not.
pub(crate) fn declared_size(png: &[u8]) -> Option<Size> {
    let (width, rest) = chunk(png, b"IHDR")?.split_first_chunk()?;
    let (height, _) = rest.split_first_chunk()?;
    Some(Size { width: u32::from_be_bytes(*width), height: u32::from_be_bytes(*height) })
}

/// The frames of an animation.
pub(crate) fn frames(png: &[u8]) -> Option<u32> {
    chunk(png, b"acTL")?.first_chunk().map(|frames| u32::from_be_bytes(*frames))
}

/// How many bits of the values of a file of 16 bits mean something, where they are fewer: those of
/// the colour that has most.
pub(crate) fn significant_bits(png: &[u8]) -> Option<u8> {
    let &[16, colour, ..] = chunk(png, b"IHDR")?.get(8..)? else { return None };
    // With colours, or grey; alpha would come after them.
    let channels = if colour & 2 == 2 { 3 } else { 1 };
    let bits = chunk(png, b"sBIT")?.get(..channels)?.iter().copied().max();
    bits.filter(|bits| (1..16).contains(bits))
}

/// The content of the first chunk of a kind before the pixels.
fn chunk<'a>(png: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    let mut rest = png.get(SIGNATURE..)?;
    loop {
        let (length, after) = rest.split_first_chunk()?;
        let (found, after) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        match found {
            _ if found == kind => return Some(after.get(..length).unwrap_or(after)),
            b"IDAT" => return None,
            // A checksum follows.
            _ => rest = after.get(length.checked_add(4)?..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(depth: u8, colour: u8, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let header = [0, 0, 0, 5, 0, 0, 0, 6, depth, colour, 0, 0, 0];
        let chunks = [(b"IHDR", &header[..])].into_iter().chain(chunks.iter().copied());
        let chunk = |(kind, data): (&[u8; 4], &[u8])| {
            [&(data.len() as u32).to_be_bytes(), &kind[..], data, &[0; 4]].concat()
        };
        [b"\x89PNG\r\n\x1a\n".to_vec()].into_iter().chain(chunks.map(chunk)).flatten().collect()
    }

    #[test]
    fn the_colour_with_most_bits_counts_and_alpha_does_not() {
        let bits =
            |depth, colour, bits: &[u8]| significant_bits(&png(depth, colour, &[(b"sBIT", bits)]));
        assert_eq!(bits(16, 0, &[12]), Some(12));
        assert_eq!(bits(16, 2, &[10, 12, 10]), Some(12));
        assert_eq!(bits(16, 4, &[10, 16]), Some(10));
        assert_eq!(bits(16, 6, &[10, 10, 9, 16]), Some(10));
        for (depth, colour, of) in [(8, 0, &[7][..]), (16, 0, &[16]), (16, 0, &[0]), (16, 2, &[9])]
        {
            assert_eq!(bits(depth, colour, of), None, "{depth} {colour} {of:?}");
        }
    }

    #[test]
    fn chunks_are_looked_for_before_the_pixels() {
        let animation = [0, 0, 0, 3, 0, 0, 0, 0];
        let found = png(8, 0, &[(b"tEXt", b"x"), (b"acTL", &animation), (b"IDAT", &[])]);
        assert_eq!(frames(&found), Some(3));
        assert_eq!(declared_size(&found), Some(Size { width: 5, height: 6 }));
        assert_eq!(frames(&png(8, 0, &[(b"IDAT", &[]), (b"acTL", &animation)])), None);
        for length in 0..found.len() {
            declared_size(&found[..length]);
            frames(&found[..length]);
        }
        let huge = [&found[..33], &[0xFF; 4], b"tEXt"].concat();
        assert_eq!(frames(&huge), None);
    }
}
