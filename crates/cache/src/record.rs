//! The bytes of one record: header, shape, checksum and values. No file is touched here.

use crate::key::Key;

/// The most axes that an array in a cache can have.
pub const MAX_AXES: usize = 8;

/// Every record starts at a multiple of this many bytes.
pub(crate) const ALIGNMENT: u64 = 4;

const MARKER: &[u8; 4] = b"feat";

/// The lengths of an array's axes, and with them its size.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    axes: [u32; MAX_AXES],
    rank: usize,
    values: usize,
}

impl Shape {
    /// Nothing if there are too many axes, or one of them or the whole is too long.
    pub fn new(lengths: &[usize]) -> Option<Self> {
        let mut axes = [0; MAX_AXES];
        for (axis, &length) in axes.get_mut(..lengths.len())?.iter_mut().zip(lengths) {
            *axis = u32::try_from(length).ok()?;
        }
        Self::from_axes(axes, lengths.len())
    }

    fn from_axes(axes: [u32; MAX_AXES], rank: usize) -> Option<Self> {
        let mut values = 1_usize;
        for &length in axes.get(..rank)? {
            values = values.checked_mul(usize::try_from(length).ok()?)?;
        }
        values.checked_mul(size_of::<f32>())?;
        Some(Self { axes, rank, values })
    }

    /// The number of values.
    pub fn values(&self) -> usize {
        self.values
    }

    /// The bytes of the values.
    pub fn bytes(&self) -> u64 {
        (self.values * size_of::<f32>()) as u64
    }

    pub fn to_vec(self) -> Vec<usize> {
        self.axes.iter().take(self.rank).map(|&length| length as usize).collect()
    }
}

/// What stands before the values of a record.
pub(crate) struct Header {
    pub key: Key,
    pub shape: Shape,
    /// CRC-32 of the bytes of the values.
    pub checksum: u32,
}

impl Header {
    pub const BYTES: usize = 80;
    const CHECKED: usize = Self::BYTES - 4;

    /// Nothing if the bytes aren't a whole header.
    pub fn decode(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (marker, rest) = bytes.split_first_chunk::<4>()?;
        let (rank, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_first_chunk::<32>()?;
        let (numbers, _) = rest.as_chunks::<4>();
        let [axes @ .., checksum, own] = numbers else { return None };
        let own = u32::from_le_bytes(*own);
        if marker != MARKER || crc32fast::hash(&bytes[..Self::CHECKED]) != own {
            return None;
        }
        let axes: &[[u8; 4]; MAX_AXES] = axes.try_into().ok()?;
        let rank = usize::try_from(u32::from_le_bytes(*rank)).ok()?;
        let shape = Shape::from_axes(axes.map(u32::from_le_bytes), rank)?;
        let checksum = u32::from_le_bytes(*checksum);
        Some(Self { key: Key::from_bytes(*key), shape, checksum })
    }

    fn encode(&self, record: &mut Vec<u8>) {
        record.extend(MARKER);
        record.extend((self.shape.rank as u32).to_le_bytes());
        record.extend(self.key.as_bytes());
        record.extend(self.shape.axes.iter().flat_map(|length| length.to_le_bytes()));
        record.extend(self.checksum.to_le_bytes());
        record.extend(crc32fast::hash(record).to_le_bytes());
    }
}

/// The bytes of a record and the header among them.
pub(crate) fn encode(key: Key, shape: Shape, values: &[f32]) -> (Header, Vec<u8>) {
    let payload = values.iter().map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    let payload = payload.as_flattened();
    let header = Header { key, shape, checksum: crc32fast::hash(payload) };
    let mut record = Vec::with_capacity(Header::BYTES + payload.len());
    header.encode(&mut record);
    record.extend(payload);
    (header, record)
}
