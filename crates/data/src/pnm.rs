//! What a PGM or PPM file, or another of its kin, declares. Knows bytes alone.

use std::ops::Range;

/// What stands before the pixels.
struct Header {
    /// The digit after the `P`.
    kind: u8,
    width: u64,
    height: u64,
    /// Of all kinds but bitmaps.
    white: Option<u64>,
    /// The digits of the last number.
    last: Range<usize>,
}

impl Header {
    fn new(pnm: &[u8]) -> Option<Self> {
        let &[b'P', kind, ..] = pnm else { return None };
        let (width, digits) = number(pnm, 2)?;
        let (height, last) = number(pnm, digits.end)?;
        let header = Self { kind, width, height, white: None, last };
        if matches!(kind, b'1' | b'4') {
            return Some(header);
        }
        let (white, last) = number(pnm, header.last.end)?;
        Some(Self { white: Some(white), last, ..header })
    }

    /// Where binary pixels end.
    fn end(&self) -> Option<usize> {
        let value = if self.white > Some(255) { 2 } else { 1 };
        let row = match self.kind {
            b'4' => self.width.div_ceil(8),
            b'5' => self.width.checked_mul(value)?,
            b'6' => self.width.checked_mul(3 * value)?,
            _ => return None,
        };
        // A space comes after the header.
        usize::try_from(row.checked_mul(self.height)?).ok()?.checked_add(self.last.end + 1)
    }
}

/// The number at `start` or after spaces and comments, and where its digits are.
fn number(pnm: &[u8], start: usize) -> Option<(u64, Range<usize>)> {
    let mut comment = false;
    let begin = pnm.get(start..)?.iter().position(|&byte| {
        comment = match byte {
            b'\n' | b'\r' => false,
            _ => comment || byte == b'#',
        };
        !comment && !byte.is_ascii_whitespace()
    })?;
    let begin = start + begin;
    let digits = pnm.get(begin..)?.iter().position(|byte| !byte.is_ascii_digit())?;
    let digits = begin..begin + digits;
    let text = std::str::from_utf8(pnm.get(digits.clone())?).ok()?;
    Some((text.parse().ok()?, digits))
}

/// The white that a file declares, where it isn't that of its bytes, and the file with the latter:
/// by the former the decoder would scale the values, and clamp those beyond.
pub(crate) fn declared_white(pnm: &[u8]) -> Option<(u16, Vec<u8>)> {
    let Header { white, last, .. } = Header::new(pnm)?;
    let white = u16::try_from(white?).ok()?;
    let full: &[u8] = match white {
        1..=254 => b"255",
        256..=65534 => b"65535",
        _ => return None,
    };
    Some((white, [pnm.get(..last.start)?, full, pnm.get(last.end..)?].concat()))
}

/// Whether another image follows the first.
pub(crate) fn goes_on(pnm: &[u8]) -> bool {
    let rest = Header::new(pnm).and_then(|header| pnm.get(header.end()?..)).unwrap_or_default();
    matches!(rest, [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_stands_after_the_size_and_comments() {
        let white = |pnm: &str| declared_white(pnm.as_bytes());
        let full = |pnm: &str| pnm.as_bytes().to_vec();
        assert_eq!(white("P5 2 1 1023\nabcd"), Some((1023, full("P5 2 1 65535\nabcd"))));
        assert_eq!(
            white("P2\n# 9 9\n2 # 8\n 1\n\n#x\n100\n1 2"),
            Some((100, full("P2\n# 9 9\n2 # 8\n 1\n\n#x\n255\n1 2")))
        );
        for plain in ["P5 2 1 255\nab", "P5 2 1 65535\nabcd", "P4 2 1\na", "P5 2 1 0\n", "P5 2 1"] {
            assert_eq!(white(plain), None, "{plain}");
        }
    }

    #[test]
    fn another_image_may_follow() {
        for (one, rest) in
            [("P5 2 1 255\nab", ""), ("P6 1 1 1023\nabcdef", "\n"), ("P4 9 1\nab", "")]
        {
            let pnm = [one, rest].concat();
            assert!(!goes_on(pnm.as_bytes()), "{pnm}");
            assert!(goes_on([one, one].concat().as_bytes()), "{one}");
        }
        assert!(!goes_on(b"P5 99999999999 99999999999 65535\nP5 1 1 255\na"));
    }
}
