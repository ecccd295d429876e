//! Model files with changes that their checksum doesn't find.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

/// A tensor of a file.
pub struct Tensor {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub data: Vec<u8>,
}

/// Writes the model at `from` to `to` with its metadata and tensors changed, under a checksum that fits.
/// `change` is given each tensor by its name; one that it returns `false` of is left out.
pub fn rewrite(
    from: &Path,
    to: &Path,
    metadata: impl Fn(String) -> String,
    change: impl Fn(&str, &mut Tensor) -> bool,
) {
    let bytes = fs::read(from).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    // `nfbmr` of an ordinary model.
    let (entry, old) = header.metadata().as_ref().unwrap().iter().next().unwrap();
    let metadata = metadata(old.clone());
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut hasher = Sha256::new_with_prefix(&metadata);
    let mut tensors = Vec::new();
    for (name, view) in file.iter().collect::<BTreeMap<_, _>>() {
        let (shape, data) = (view.shape().to_vec(), view.data().to_vec());
        let mut tensor = Tensor { dtype: view.dtype(), shape, data };
        if name == "sha256" || !change(name, &mut tensor) {
            continue;
        }
        hasher.update(name);
        hasher.update(&tensor.data);
        tensors.push((name, tensor));
    }
    let data = hasher.finalize().to_vec();
    tensors.push(("sha256", Tensor { dtype: Dtype::U8, shape: vec![32], data }));
    let views = tensors.iter().map(|(name, Tensor { dtype, shape, data })| {
        (*name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    let metadata = HashMap::from([(entry.clone(), metadata)]);
    fs::write(to, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
}
