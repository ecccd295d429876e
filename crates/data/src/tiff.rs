//! What a TIFF file claims. Knows bytes and depths alone.

use std::collections::HashSet;

use crate::depth::Depth;

/// The most directories that are followed.
const MAX_DIRECTORIES: usize = 1 << 16;
/// The most values of an entry that are read.
const MAX_VALUES: usize = 16;

const NEW_SUBFILE_TYPE: u64 = 254;
const SUBFILE_TYPE: u64 = 255;
const PHOTOMETRIC: u64 = 262;
const MAX_SAMPLE_VALUE: u64 = 281;
const SAMPLE_FORMAT: u64 = 339;
const IMAGE_DEPTH: u64 = 32997;

/// A file, read by its byte order.
#[derive(Clone, Copy)]
pub(crate) struct Tiff<'a> {
    bytes: &'a [u8],
}

/// The entries of an image, and where the directory of the next one is.
struct Directory<'a> {
    tiff: Tiff<'a>,
    entries: &'a [u8],
    next: u64,
}

struct Entry<'a> {
    tag: u64,
    kind: u64,
    count: u64,
    /// The values, or where they are.
    value: &'a [u8],
}

impl<'a> Tiff<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether the values that the entries of the first directory claim would fit in the file.
    ///
    /// The decoder makes room for as many values as an entry claims, up to 256 MiB whatever the
    /// limits, before it looks for them. Where there is no directory to be found, it says so itself.
    pub(crate) fn values_fit(self) -> bool {
        let fit = |entry: Entry<'_>| {
            entry.count.saturating_mul(size_of_value(entry.kind)) <= self.bytes.len() as u64
        };
        self.first().is_none_or(|first| first.entries().all(fit))
    }

    /// How many images there are, without copies of lower resolution and transparency masks.
    ///
    /// A directory that the file doesn't reach counts; one that was seen before ends the list.
    pub(crate) fn pages(self) -> u64 {
        let mut seen = HashSet::new();
        let mut pages = 0;
        let mut at = self.first_at();
        while at != 0 && seen.len() < MAX_DIRECTORIES && seen.insert(at) {
            let directory = self.directory(at);
            let belongs = directory.as_ref().is_some_and(Directory::belongs_to_another);
            pages += u64::from(seen.len() == 1 || !belongs);
            at = directory.map_or(0, |directory| directory.next);
        }
        // Slices of a volume share a directory.
        let slices = self.first().and_then(|first| first.values(IMAGE_DEPTH).next());
        pages.max(slices.unwrap_or(0))
    }

    /// Whether the first image is a smaller copy or a mask of another.
    pub(crate) fn starts_with_preview(self) -> bool {
        self.first().is_some_and(|first| first.belongs_to_another())
    }

    /// The depth, where it is declared and isn't that of all bits: 9 to 15 bits of 16. Some programs
    /// write the largest value of the image in the same place.
    pub(crate) fn depth(self) -> Option<Depth> {
        let first = self.first()?;
        let largest = u16::try_from(first.values(MAX_SAMPLE_VALUE).max()?).ok()?;
        let is_depth = (0x1FF..0xFFFF).contains(&largest) && largest & (largest + 1) == 0;
        let depth = match first.values(PHOTOMETRIC).next() {
            Some(0) => Depth::Black(largest),
            _ => Depth::White(largest),
        };
        is_depth.then_some(depth)
    }

    /// Whether values are declared to be floats.
    pub(crate) fn has_floats(self) -> bool {
        self.first().is_some_and(|first| first.values(SAMPLE_FORMAT).any(|format| format == 3))
    }

    fn first(self) -> Option<Directory<'a>> {
        self.directory(self.first_at())
    }

    /// Where the first directory is; 0 where the file doesn't say.
    fn first_at(self) -> u64 {
        self.bytes.get(4..8).map_or(0, |at| self.number(at))
    }

    fn directory(self, at: u64) -> Option<Directory<'a>> {
        let directory = self.bytes.get(usize::try_from(at).ok()?..)?;
        let (count, entries) = directory.split_at_checked(2)?;
        let end = 12 * self.number(count) as usize;
        let next = entries.get(end..end + 4).map_or(0, |next| self.number(next));
        let entries = entries.get(..end).unwrap_or(entries);
        Some(Directory { tiff: self, entries, next })
    }

    fn number(self, bytes: &[u8]) -> u64 {
        let append = |number, &byte: &u8| number << 8 | u64::from(byte);
        match self.bytes.starts_with(b"II") {
            true => bytes.iter().rev().fold(0, append),
            false => bytes.iter().fold(0, append),
        }
    }
}

impl<'a> Directory<'a> {
    fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let tiff = self.tiff;
        self.entries.chunks_exact(12).filter_map(move |entry| {
            let number = |from, to| Some(tiff.number(entry.get(from..to)?));
            let (tag, kind, count) = (number(0, 2)?, number(2, 4)?, number(4, 8)?);
            Some(Entry { tag, kind, count, value: entry.get(8..)? })
        })
    }

    /// The first values of an entry, as whole numbers.
    fn values(&self, tag: u64) -> impl Iterator<Item = u64> + use<'a> {
        let entry = self.entries().find(|entry| entry.tag == tag);
        let values = entry.and_then(|entry| self.tiff.values(&entry)).into_iter().flatten();
        values.take(MAX_VALUES)
    }

    /// Whether this is a copy of lower resolution or a transparency mask. Tags ascend, and these are
    /// the lowest.
    fn belongs_to_another(&self) -> bool {
        self.entries().take(2).any(|entry| {
            let value = self.tiff.values(&entry).and_then(|mut values| values.next());
            match (entry.tag, value) {
                (NEW_SUBFILE_TYPE, Some(bits)) => bits & 0b101 != 0,
                (SUBFILE_TYPE, Some(kind)) => kind == 2,
                _ => false,
            }
        })
    }
}

impl<'a> Tiff<'a> {
    fn values(self, entry: &Entry<'a>) -> Option<impl Iterator<Item = u64> + use<'a>> {
        let size = size_of_value(entry.kind) as usize;
        let count = usize::try_from(entry.count).ok()?;
        let bytes = match count.checked_mul(size)? {
            0..=4 => entry.value,
            _ => self.bytes.get(usize::try_from(self.number(entry.value)).ok()?..)?,
        };
        Some(bytes.chunks_exact(size).take(count).map(move |value| self.number(value)))
    }
}

/// Bytes of a value of the type `kind`; one where it is unknown.
fn size_of_value(kind: u64) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 => 8,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with one entry of `count` values of four bytes.
    fn many_values(count: u32) -> Vec<u8> {
        let entry = [&[1, 0x11, 0, 4], count.to_be_bytes().as_slice(), &[0; 4]].concat();
        [b"MM\0\x2a\0\0\0\x08\0\x01".as_slice(), &entry, &[0; 4]].concat()
    }

    /// Directories of 18 bytes from byte 8, each with one entry of a long and the place of the next.
    fn chain(directories: &[(u16, u32, u32)]) -> Vec<u8> {
        let directory = |&(tag, value, next): &(u16, u32, u32)| {
            [
                &[1, 0],
                &tag.to_le_bytes()[..],
                &[4, 0, 1, 0, 0, 0],
                &value.to_le_bytes(),
                &next.to_le_bytes(),
            ]
            .concat()
        };
        let start = b"II\x2a\0\x08\0\0\0".to_vec();
        [start].into_iter().chain(directories.iter().map(directory)).flatten().collect()
    }

    #[test]
    fn more_values_than_the_file_has_bytes_for_do_not_fit() {
        let length = many_values(0).len() as u32;
        assert!(Tiff::new(&many_values(length / 4)).values_fit());
        assert!(!Tiff::new(&many_values(length / 4 + 1)).values_fit());
        assert!(!Tiff::new(&many_values(u32::MAX)).values_fit());
    }

    #[test]
    fn a_directory_that_is_not_there_is_left_to_the_decoder() {
        for length in 0..10 {
            let file = &many_values(u32::MAX)[..length];
            assert!(Tiff::new(file).values_fit());
            assert!(Tiff::new(file).pages() <= 1);
        }
    }

    #[test]
    fn pages_are_counted_without_what_belongs_to_them() {
        let pages = |directories: &[_]| Tiff::new(&chain(directories)).pages();
        assert_eq!(pages(&[(256, 9, 0)]), 1);
        assert_eq!(pages(&[(256, 9, 26), (254, 0, 44), (254, 2, 62), (255, 3, 0)]), 4);
        // A copy of lower resolution, old and new, and a mask.
        assert_eq!(pages(&[(256, 9, 26), (254, 1, 44), (255, 2, 62), (254, 4, 0)]), 1);
        // One that is not there, and slices of a volume.
        assert_eq!(pages(&[(256, 9, 5000)]), 2);
        assert_eq!(pages(&[(32997, 7, 0)]), 7);
        assert!(Tiff::new(&chain(&[(254, 1, 26), (256, 9, 0)])).starts_with_preview());
    }

    #[test]
    fn a_cycle_of_directories_ends() {
        let pages = |directories: &[_]| Tiff::new(&chain(directories)).pages();
        assert_eq!(pages(&[(256, 9, 8)]), 1);
        assert_eq!(pages(&[(256, 9, 26), (256, 9, 8)]), 2);
        assert_eq!(pages(&[(256, 9, 26), (254, 1, 26)]), 1);
    }

    #[test]
    fn overlapping_directories_take_little_time() {
        // Each pair of zeros is an empty directory.
        let mut file = chain(&[(256, 9, 10_000)]);
        file.resize(10_000, 0);
        for at in 0..MAX_DIRECTORIES as u32 + 9 {
            file.extend([0, 0].into_iter().chain((10_006 + 6 * at).to_le_bytes()));
        }
        assert_eq!(Tiff::new(&file).pages(), MAX_DIRECTORIES as u64);
    }

    #[test]
    fn a_depth_is_one_less_than_a_power_of_two() {
        let depth = |value| Tiff::new(&chain(&[(281, value, 0)])).depth();
        for white in [511, 1023, 4095, 16383, 32767] {
            assert_eq!(depth(white), Some(Depth::White(white as u16)));
        }
        for other in [0, 1, 255, 1000, 4096, 65535, 65536, u32::MAX] {
            assert_eq!(depth(other), None, "{other}");
        }
    }
}
