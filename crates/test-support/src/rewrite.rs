//! Files of nfbmr with changes that their checksum doesn't find.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

/// A tensor of a file.
#[derive(Clone)]
pub struct Tensor {
    /// The type of its values.
    pub dtype: Dtype,
    /// Its size in each dimension.
    pub shape: Vec<usize>,
    /// Its values as they are stored.
    pub data: Vec<u8>,
}

/// A model file or a checkpoint, without its checksum.
#[derive(Clone)]
pub struct Content {
    /// The entry of the metadata that holds all.
    pub entry: String,
    /// The value of that entry, in JSON.
    pub metadata: String,
    /// All tensors but the checksum, by their names.
    pub tensors: BTreeMap<String, Tensor>,
}

impl Content {
    /// What a file holds.
    pub fn read(file: &[u8]) -> Self {
        let (_, header) = SafeTensors::read_metadata(file).unwrap();
        let (entry, metadata) = header.metadata().clone().unwrap().into_iter().next().unwrap();
        let tensors = SafeTensors::deserialize(file).unwrap().tensors().into_iter();
        let tensors = tensors.filter(|(name, _)| name != "sha256").map(|(name, view)| {
            let (shape, data) = (view.shape().to_vec(), view.data().to_vec());
            (name, Tensor { dtype: view.dtype(), shape, data })
        });
        Self { entry, metadata, tensors: tensors.collect() }
    }

    /// The file, under a checksum that fits.
    pub fn write(mut self) -> Vec<u8> {
        let mut hasher = Sha256::new_with_prefix(&self.metadata);
        for (name, tensor) in &self.tensors {
            hasher.update(name);
            hasher.update(&tensor.data);
        }
        let data = hasher.finalize().to_vec();
        let checksum = Tensor { dtype: Dtype::U8, shape: vec![data.len()], data };
        self.tensors.insert("sha256".to_owned(), checksum);
        let views = self.tensors.iter().map(|(name, Tensor { dtype, shape, data })| {
            (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        let metadata = HashMap::from([(self.entry, self.metadata)]);
        safetensors::serialize(views, Some(metadata)).unwrap()
    }
}

/// Writes the model at `from` to `to` with its metadata and tensors changed, under a checksum that fits.
/// `change` is given each tensor by its name; one that it returns `false` of is left out.
pub fn rewrite(
    from: &Path,
    to: &Path,
    metadata: impl Fn(String) -> String,
    change: impl Fn(&str, &mut Tensor) -> bool,
) {
    let mut content = Content::read(&fs::read(from).unwrap());
    content.metadata = metadata(content.metadata);
    content.tensors.retain(|name, tensor| change(name, tensor));
    fs::write(to, content.write()).unwrap();
}
