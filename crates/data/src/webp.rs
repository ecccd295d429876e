//! Whether a WebP file was compressed with loss.

/// Bytes of the header of a file, and of that of an animation's frame, which is followed by chunks too.
const FILE: usize = 12;
const FRAME: usize = 16;

/// Whether the first image of the file is compressed with loss: whether it has a chunk `VP8 `.
pub(crate) fn is_lossy(webp: &[u8]) -> bool {
    let mut chunks = webp.get(FILE..).unwrap_or_default();
    while let Some((header, rest)) = chunks.split_first_chunk::<8>() {
        let [a, b, c, d, size @ ..] = *header;
        let size = u32::from_le_bytes(size) as usize;
        let content = rest.get(..size).unwrap_or(rest);
        match &[a, b, c, d] {
            b"VP8 " => return true,
            // Of an animation the first image is decoded.
            b"ANMF" => chunks = content.get(FRAME..).unwrap_or_default(),
            // Chunks have an even length.
            _ => chunks = rest.get(size.saturating_add(size % 2)..).unwrap_or_default(),
        }
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
        assert!(is_lossy(&file(&[header.clone(), alpha, chunk(b"VP8 ", &[1])])));
        assert!(!is_lossy(&file(&[chunk(b"VP8L", b"VP8 VP8 ")])));
        let frame = |chunk: Vec<u8>| self::chunk(b"ANMF", &[vec![0; 16], chunk].concat());
        assert!(is_lossy(&file(&[header.clone(), frame(chunk(b"VP8 ", &[1]))])));
        assert!(!is_lossy(&file(&[header, frame(chunk(b"VP8L", &[1]))])));
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
