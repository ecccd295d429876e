//! Whether a JPEG file was cut short. Knows bytes alone.

const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;

/// Whether the segments and scans of `jpeg` reach an end-of-image marker.
///
/// The marker must be found by walking the segments: a thumbnail inside an EXIF segment has an
/// end-of-image marker of its own.
pub(crate) fn is_complete(jpeg: &[u8]) -> bool {
    let mut rest = jpeg.get(2..).unwrap_or_default();
    let mut in_scan = false;
    loop {
        // In entropy-coded data and between segments, whatever is not a marker is skipped.
        let start = rest.windows(2).position(|pair| is_marker(pair, in_scan));
        let found = start.and_then(|start| rest.get(start..)?.split_first_chunk());
        let Some((&[_, marker], after)) = found else {
            return false;
        };
        rest = after;
        if marker == END_OF_IMAGE {
            return true;
        }
        if has_length(marker) {
            let Some(&[high, low]) = rest.first_chunk::<2>() else {
                return false;
            };
            let length = usize::from(u16::from_be_bytes([high, low])).max(2);
            rest = rest.get(length..).unwrap_or_default();
            in_scan = marker == START_OF_SCAN;
        }
    }
}

/// `FF 00` is a stuffed byte and `FF FF` is padding; restart markers belong to the scan.
fn is_marker(pair: &[u8], in_scan: bool) -> bool {
    match pair {
        [0xFF, 0x00 | 0xFF] => false,
        [0xFF, 0xD0..=0xD7] => !in_scan,
        [0xFF, _] => true,
        _ => false,
    }
}

/// Markers that stand alone: TEM, the restarts and start of image.
fn has_length(marker: u8) -> bool {
    !matches!(marker, 0x01 | 0xD0..=0xD8)
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    // Start of image, an APP1 segment that holds an end marker, a scan with a stuffed byte and a
    // restart marker, end of image.
    const WHOLE: &[u8] = &[
        0xFF, 0xD8, 0xFF, 0xE1, 0, 4, 0xFF, 0xD9, 0xFF, 0xDA, 0, 2, 7, 0xFF, 0, 9, 0xFF, 0xD0, 1,
        0xFF, 0xD9,
    ];

    #[test]
    fn whole_file_is_complete() {
        assert!(is_complete(WHOLE));
        let padded = [WHOLE, &[0, 0]].concat();
        assert!(is_complete(&padded));
    }

    #[test]
    fn every_prefix_is_incomplete() {
        for length in 0..WHOLE.len() {
            assert!(!is_complete(&WHOLE[..length]), "prefix of {length} bytes");
        }
    }
}
