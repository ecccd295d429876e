//! What a TIFF file claims.

/// Whether the values that the entries of the first directory claim would fit in the file.
///
/// The decoder makes room for as many values as an entry claims, up to 256 MiB whatever the
/// limits, before it looks for them. Where there is no directory to be found, it says so itself.
pub(crate) fn values_fit(tiff: &[u8]) -> bool {
    entries(tiff).is_none_or(|mut entries| {
        entries.all(|(kind, count)| count.saturating_mul(size_of_value(kind)) <= tiff.len() as u64)
    })
}

/// The type and the number of values of each entry.
fn entries(tiff: &[u8]) -> Option<impl Iterator<Item = (u64, u64)>> {
    let little_endian = tiff.starts_with(b"II");
    let number = move |bytes: &[u8]| {
        let append = |number, &byte: &u8| number << 8 | u64::from(byte);
        match little_endian {
            true => bytes.iter().rev().fold(0, append),
            false => bytes.iter().fold(0, append),
        }
    };
    // BigTIFF has the version 43 and wider fields.
    let (start, length, entry, count) = match number(tiff.get(2..4)?) {
        43 => (8..16, 8, 20, 4..12),
        _ => (4..8, 2, 12, 4..8),
    };
    let directory = tiff.get(usize::try_from(number(tiff.get(start)?)).ok()?..)?;
    let entries = usize::try_from(number(directory.get(..length)?)).ok()?;
    let entries = directory.get(length..)?.chunks_exact(entry).take(entries);
    Some(entries.filter_map(move |entry| {
        Some((number(entry.get(2..4)?), number(entry.get(count.clone())?)))
    }))
}

/// Bytes of a value of the type `kind`; one where it is unknown.
fn size_of_value(kind: u64) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::values_fit;

    /// A directory with one entry of `count` values of four bytes.
    fn classic(count: u32) -> Vec<u8> {
        let entry = [&[1, 0x11, 0, 4], count.to_be_bytes().as_slice(), &[0; 4]].concat();
        [b"MM\0\x2a\0\0\0\x08\0\x01".as_slice(), &entry, &[0; 4]].concat()
    }

    /// The same in the wider fields of BigTIFF, little end first.
    fn big(count: u64) -> Vec<u8> {
        let start = [16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        let entry = [&[0x11, 1, 4, 0], count.to_le_bytes().as_slice(), &[0; 8]].concat();
        [b"II\x2b\0\x08\0\0\0".as_slice(), &start, &entry, &[0; 8]].concat()
    }

    #[test]
    fn more_values_than_the_file_has_bytes_for_do_not_fit() {
        let length = classic(0).len() as u32;
        assert!(values_fit(&classic(length / 4)));
        assert!(!values_fit(&classic(length / 4 + 1)));
        assert!(!values_fit(&classic(u32::MAX)));
        let length = big(0).len() as u64;
        assert!(values_fit(&big(length / 4)));
        assert!(!values_fit(&big(length / 4 + 1)));
        assert!(!values_fit(&big(u64::MAX)));
    }

    #[test]
    fn a_directory_that_is_not_there_is_left_to_the_decoder() {
        for length in 0..10 {
            assert!(values_fit(&classic(u32::MAX)[..length]));
        }
    }
}
