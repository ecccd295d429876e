//! Numbers and texts from bytes, one after the other, with an error where they end. Knows no format.

use crate::weights_error::WeightsError;

/// Reads little-endian numbers and strings, and notices the end of the bytes.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    pub(super) position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], WeightsError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let Some(taken) = rest.get(..count) else {
            let found = format!("the end of the file after {}", rest.len());
            return Err(WeightsError::malformed(self.position, format!("{count} bytes"), found));
        };
        self.position += count;
        Ok(taken)
    }

    /// The text up to the next line feed, which is consumed.
    pub(super) fn line(&mut self) -> Result<&'a str, WeightsError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            return Err(WeightsError::malformed(self.position, "a line", "no line feed"));
        };
        let line = self.text(length)?;
        self.position += 1;
        Ok(line)
    }

    pub(super) fn text(&mut self, length: usize) -> Result<&'a str, WeightsError> {
        let at = self.position;
        std::str::from_utf8(self.take(length)?)
            .map_err(|error| WeightsError::malformed(at, "UTF-8 text", error.to_string()))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WeightsError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WeightsError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, WeightsError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WeightsError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A length of 8 bytes.
    pub(super) fn length(&mut self) -> Result<usize, WeightsError> {
        let at = self.position;
        let length = self.array().map(u64::from_le_bytes)?;
        usize::try_from(length).map_err(|_| {
            WeightsError::malformed(at, "a length that fits in memory", length.to_string())
        })
    }
}
