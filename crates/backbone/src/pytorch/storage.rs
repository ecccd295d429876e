//! Blocks of values as pickles refer to them: how long each must be, and how to read it. Knows
//! pickles, and no tensors.

use std::collections::HashMap;

use half::{bf16, f16};

use super::cursor::Cursor;
use super::element::element_width;
use super::pickle::{Id, Node, Pickle};
use crate::weights_error::WeightsError;

/// Reads the value at an index as f32; `None` past the end.
pub(super) type ReadValue = fn(&[u8], usize) -> Option<f32>;

/// What a pickle says about a block of values outside it.
pub(super) struct StorageRef<'a> {
    pub(super) kind: &'a str,
    pub(super) key: &'a str,
    /// Number of values that it claims.
    pub(super) count: usize,
}

impl<'a> StorageRef<'a> {
    /// `None` if the node is not `('storage', class, key, device, count, ...)`.
    pub(super) fn of(pickle: &Pickle<'a>, node: &Node<'a>) -> Option<Self> {
        let Node::Persistent(id) = node else { return None };
        let &[tag, class, key, _device, count, ..] = pickle.sequence(*id)? else { return None };
        let Node::Global("torch", kind) = pickle.get(class) else { return None };
        (pickle.text(tag)? == "storage").then_some(())?;
        Some(Self { kind, key: pickle.text(key)?, count: pickle.size(count)? })
    }

    /// Checks that the values are there in exactly the length claimed.
    pub(super) fn check(&self, values: Option<&[u8]>) -> Result<(), WeightsError> {
        let width = element_width(self.kind).unwrap_or(0);
        let expected = self.count as u128 * width as u128;
        let found = values.map(<[u8]>::len);
        if found.map(|length| length as u128) == Some(expected) {
            return Ok(());
        }
        Err(WeightsError::StorageLength { key: self.key.to_owned(), expected, found })
    }

    /// Reads the value at an index as f32; `None` past the end, and for number types that are no
    /// weights.
    pub(super) fn reader(&self) -> Option<ReadValue> {
        match self.kind {
            "FloatStorage" => Some(|bytes, at| array(bytes, at).map(f32::from_le_bytes)),
            "HalfStorage" => Some(|b, at| array(b, at).map(|v| f16::from_le_bytes(v).to_f32())),
            "BFloat16Storage" => {
                Some(|b, at| array(b, at).map(|v| bf16::from_le_bytes(v).to_f32()))
            }
            _ => None,
        }
    }
}

fn array<const N: usize>(bytes: &[u8], index: usize) -> Option<[u8; N]> {
    let start = index.checked_mul(N)?;
    bytes.get(start..start.checked_add(N)?)?.try_into().ok()
}

/// The storages that follow the pickles of a file written before the zip format, each behind its
/// length.
pub(super) fn sequential<'a>(
    pickle: &Pickle<'a>,
    keys: &Pickle<'a>,
    cursor: &mut Cursor<'a>,
) -> Result<HashMap<&'a str, &'a [u8]>, WeightsError> {
    let storages = pickle.iter().filter_map(|node| StorageRef::of(pickle, node));
    let kinds: HashMap<&str, &str> = storages.map(|storage| (storage.key, storage.kind)).collect();
    let at = cursor.position;
    let order: &[Id] = keys
        .sequence(keys.root)
        .ok_or_else(|| WeightsError::malformed(at, "the list of storages", "another value"))?;
    let mut storages = HashMap::with_capacity(order.len());
    for &key in order {
        let at = cursor.position;
        let key = keys
            .text(key)
            .ok_or_else(|| WeightsError::malformed(at, "names of storages", "others"))?;
        let kind = kinds.get(key).copied().unwrap_or_default();
        let Some(width) = element_width(kind) else {
            return Err(WeightsError::malformed(
                at,
                "a known number type",
                format!("`{kind}`, storage {key}"),
            ));
        };
        let length = cursor.length()?;
        let size = length.checked_mul(width);
        let size = size.ok_or_else(|| {
            WeightsError::malformed(at, "a storage within the file", "a larger one")
        })?;
        storages.insert(key, cursor.take(size)?);
    }
    Ok(storages)
}
