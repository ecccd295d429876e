//! State dictionaries of either format to weights: which pickle says what, and where its values lie.
//! Knows all the parts beside it, and no network.

use std::collections::HashMap;

use super::cursor::Cursor;
use super::pickle::{Id, Node, Pickle};
use super::storage::{StorageRef, sequential};
use super::zip;
use crate::weights::Weights;
use crate::weights_error::WeightsError;

/// The most axes of a tensor, as in PyTorch. Tensors may share a shape, so that without a limit a small
/// file could ask for any amount of memory, and each value costs time for each axis.
const MAX_AXES: usize = 64;

pub(super) fn read(bytes: &[u8]) -> Result<Weights, WeightsError> {
    if zip::is_zip(bytes) { read_zip(bytes) } else { read_legacy(bytes) }
}

fn read_zip(bytes: &[u8]) -> Result<Weights, WeightsError> {
    let files = zip::files(bytes)?;
    let pickled = files.iter().find_map(|(name, content)| {
        let folder = name.strip_suffix("data.pkl")?;
        (folder.is_empty() || folder.ends_with('/')).then_some((folder, *content))
    });
    let Some((folder, content)) = pickled else {
        return Err(WeightsError::malformed(0, "a file data.pkl in the archive", "none"));
    };
    if let Some(order) = files.get(format!("{folder}byteorder").as_str())
        && *order != b"little"
    {
        let found = String::from_utf8_lossy(order).into_owned();
        return Err(WeightsError::malformed(0, "little-endian values", found));
    }
    let prefix = format!("{folder}data/");
    let storages =
        files.iter().filter_map(|(name, content)| Some((name.strip_prefix(&prefix)?, *content)));
    let pickle = Pickle::read(&mut Cursor::new(content, 0))?;
    Tensors { pickle, storages: storages.collect(), budget: bytes.len() }.collect()
}

/// Magic number, protocol version and system information, the state dictionary, the order of the
/// storages, and the storages.
fn read_legacy(bytes: &[u8]) -> Result<Weights, WeightsError> {
    let cursor = &mut Cursor::new(bytes, 0);
    for _ in 0..2 {
        Pickle::read(cursor)?;
    }
    Pickle::read(cursor)?;
    let pickle = Pickle::read(cursor)?;
    let keys = Pickle::read(cursor)?;
    let storages = sequential(&pickle, &keys, cursor)?;
    Tensors { pickle, storages, budget: bytes.len() }.collect()
}

struct Tensors<'a> {
    pickle: Pickle<'a>,
    storages: HashMap<&'a str, &'a [u8]>,
    /// Values that may still be read. Tensors may share storages, so that without a limit a small
    /// file could ask for any amount of memory.
    budget: usize,
}

impl Tensors<'_> {
    fn collect(mut self) -> Result<Weights, WeightsError> {
        self.check_storages()?;
        let mut weights = Weights::new();
        for (key, value) in self.entries()? {
            let Some(name) = self.pickle.text(key) else {
                return Err(WeightsError::malformed(0, "names of tensors", "other keys"));
            };
            if name.ends_with("num_batches_tracked") {
                continue;
            }
            // The same name over and over costs few bytes of a file and much time.
            if weights.get(name).is_some() {
                return Err(WeightsError::malformed(
                    0,
                    "names that differ",
                    format!("{name} twice"),
                ));
            }
            let (shape, values) = self.tensor(name, value)?;
            weights.insert(name, shape, values)?;
        }
        Ok(weights)
    }

    /// Nothing is read before all values are known to be there, those of tensors left out as well.
    fn check_storages(&self) -> Result<(), WeightsError> {
        for node in self.pickle.iter().filter(|node| matches!(node, Node::Persistent(_))) {
            let storage = StorageRef::of(&self.pickle, node);
            let storage = storage
                .ok_or_else(|| WeightsError::malformed(0, "values of tensors", "other data"))?;
            storage.check(self.storages.get(storage.key).copied())?;
        }
        Ok(())
    }

    /// The entries of the dictionary, or of the one under `state_dict`.
    fn entries(&self) -> Result<Vec<(Id, Id)>, WeightsError> {
        let dict = |id| {
            let entries = self.pickle.dict(id);
            entries.ok_or_else(|| WeightsError::malformed(0, "a state dictionary", "another value"))
        };
        let entries = dict(self.pickle.root)?;
        let nested = entries.iter().find(|(key, _)| self.pickle.text(*key) == Some("state_dict"));
        Ok(match nested {
            Some(&(_, inner)) => dict(inner)?.to_vec(),
            None => entries.to_vec(),
        })
    }

    fn tensor(&mut self, name: &str, id: Id) -> Result<(Vec<usize>, Vec<f32>), WeightsError> {
        let Some((storage, offset, shape, strides)) = self.describe(id) else {
            return Err(WeightsError::malformed(
                0,
                format!("a tensor under {name}"),
                "another value",
            ));
        };
        let Some(read) = storage.reader() else {
            let found = storage.kind.trim_end_matches("Storage").to_lowercase();
            return Err(WeightsError::ElementType { name: name.to_owned(), found });
        };
        let Some(bytes) = self.storages.get(storage.key) else {
            return Err(WeightsError::malformed(0, format!("values for {name}"), "none"));
        };
        let outside = || {
            WeightsError::malformed(
                0,
                format!("values of {name} within the file"),
                "a larger shape",
            )
        };
        let count = shape.iter().try_fold(1_usize, |count, &axis| count.checked_mul(axis));
        let count = count.filter(|&count| count <= self.budget).ok_or_else(outside)?;
        let last = count.checked_sub(1).map(|last| locate(last, offset, &shape, &strides));
        if last.is_some_and(|last| last.is_none_or(|position| position >= storage.count)) {
            return Err(outside());
        }
        self.budget -= count;
        let values = (0..count).map(|index| {
            let position = locate(index, offset, &shape, &strides)?;
            read(bytes, position)
        });
        let values = values.collect::<Option<Vec<f32>>>().ok_or_else(outside)?;
        Ok((shape, values))
    }

    /// Storage, offset, shape and strides of a rebuilt tensor, or of the one inside a parameter.
    fn describe(&self, id: Id) -> Option<(StorageRef<'_>, usize, Vec<usize>, Vec<usize>)> {
        let pickle = &self.pickle;
        let Node::Call { function, arguments } = pickle.get(id) else { return None };
        let Node::Global("torch._utils", mut function) = *pickle.get(*function) else {
            return None;
        };
        let mut arguments = pickle.sequence(*arguments)?;
        if function == "_rebuild_parameter" {
            let Node::Call { function: inner, arguments: of } = pickle.get(*arguments.first()?)
            else {
                return None;
            };
            let Node::Global("torch._utils", name) = *pickle.get(*inner) else { return None };
            (function, arguments) = (name, pickle.sequence(*of)?);
        }
        let (true, &[storage, offset, shape, strides, ..]) =
            (function == "_rebuild_tensor_v2", arguments)
        else {
            return None;
        };
        let storage = StorageRef::of(pickle, pickle.get(storage))?;
        let axes = |id| pickle.sequence(id).map(<[Id]>::len);
        (axes(shape)? == axes(strides)? && axes(shape)? <= MAX_AXES).then_some(())?;
        let (shape, strides) = (pickle.sizes(shape)?, pickle.sizes(strides)?);
        Some((storage, pickle.size(offset)?, shape, strides))
    }
}

/// Position in the storage of a row-major index; `None` where it overflows.
fn locate(mut index: usize, offset: usize, shape: &[usize], strides: &[usize]) -> Option<usize> {
    let mut position = offset;
    for (&axis, &stride) in shape.iter().zip(strides).rev() {
        position = position.checked_add((index % axis).checked_mul(stride)?)?;
        index /= axis;
    }
    Some(position)
}
