//! Bytes as text. Knows encodings alone.

use std::io::{self, ErrorKind};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The text of a file in UTF-8, without the byte order mark that editors on Windows put at its start.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for text in another encoding, which is named where it is known.
pub fn text(bytes: Vec<u8>) -> io::Result<String> {
    let refused = |found: &str| {
        let problem = format!("expected text in UTF-8, found {found}");
        Err(io::Error::new(ErrorKind::InvalidData, problem))
    };
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return refused("UTF-16");
    }
    if bytes.contains(&0) {
        return refused("zeros, as in UTF-16 or in a file that is no text");
    }
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with(BYTE_ORDER_MARK) {
                text.drain(..BYTE_ORDER_MARK.len());
            }
            Ok(text)
        }
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            refused(&format!("another encoding, or no text, at byte {at}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_another_encoding_is_named() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(b"seed = 1".to_vec()).unwrap(), "seed = 1");
        assert_eq!(text("\u{feff}ä".into()).unwrap(), "ä");
        let cases: [(Vec<u8>, &str); 4] = [
            (utf16("\u{feff}seed = 1"), "expected text in UTF-8, found UTF-16"),
            (b"\xfe\xff\0s".to_vec(), "expected text in UTF-8, found UTF-16"),
            (utf16("seed = 1"), "found zeros, as in UTF-16"),
            (b"caf\xe9".to_vec(), "found another encoding, or no text, at byte 3"),
        ];
        for (bytes, expected) in cases {
            let error = text(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
