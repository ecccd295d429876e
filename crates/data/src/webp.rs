//! What a WebP file declares. Knows bytes alone.

/// Bytes before the first chunk.
const HEADER: usize = 12;

/// The bit of an animation among the flags of the extended header.
const ANIMATION: u8 = 2;

/// Whether the file is an animation.
pub(crate) fn is_animated(webp: &[u8]) -> bool {
    let extended = webp.get(HEADER..).and_then(|chunk| chunk.strip_prefix(b"VP8X"));
    extended.and_then(|chunk| chunk.get(4)).is_some_and(|flags| flags & ANIMATION != 0)
}

/// Whether the image of the file is compressed with loss: whether it has a chunk `VP8 `.
pub(crate) fn is_lossy(webp: &[u8]) -> bool {
    let mut chunks = webp.get(HEADER..).unwrap_or_default();
    while let Some((header, rest)) = chunks.split_first_chunk::<8>() {
        let [name @ .., a, b, c, d] = *header;
        if name == *b"VP8 " {
            return true;
        }
        // Chunks have an even length.
        let size = u32::from_le_bytes([a, b, c, d]) as usize;
        chunks = rest.get(size.saturating_add(size % 2)..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::is_lossy;

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut chunk = [name, &(content.len() as u32).to_le_bytes()[..], content].concat();
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        [b"RIFF\0\0\0\0WEBP", &chunks.concat()[..]].concat()
    }

    #[test]
    fn chunks_tell_whether_there_is_loss() {
        let (header, alpha) = (chunk(b"VP8X", &[0; 10]), chunk(b"ALPH", &[7; 3]));
        assert!(is_lossy(&file(&[chunk(b"VP8 ", &[1, 2, 3])])));
        assert!(is_lossy(&file(&[header, alpha, chunk(b"VP8 ", &[1])])));
        assert!(!is_lossy(&file(&[chunk(b"VP8L", b"VP8 VP8 ")])));
    }

    #[test]
    fn damaged_files_have_an_answer() {
        for webp in
            [&b""[..], b"RIFF", b"RIFF\0\0\0\0WEBPANMF", b"RIFF\0\0\0\0WEBPVP8X\xff\xff\xff\xff"]
        {
            assert!(!is_lossy(webp), "{webp:?}");
        }
    }
}
