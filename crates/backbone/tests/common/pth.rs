//! Writes PyTorch files as `torch.save` does, true or false.

use nfbmr_backbone::Weights;

/// What a file says of one tensor and what it holds of it.
pub struct Entry {
    pub name: String,
    /// Number of values claimed of the storage.
    pub count: u64,
    pub shape: Vec<u64>,
    pub strides: Vec<u64>,
    /// The storage; `None` leaves it out.
    pub values: Option<Vec<u8>>,
}

/// True entries for these weights.
pub fn entries(weights: &Weights) -> Vec<Entry> {
    let entry = |(name, tensor): (&str, &nfbmr_backbone::WeightTensor)| {
        let shape: Vec<u64> = tensor.shape().iter().map(|&axis| axis as u64).collect();
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        let values = tensor.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        let count = tensor.values().len() as u64;
        Entry { name: name.to_owned(), count, shape, strides, values: Some(values) }
    };
    weights.iter().map(entry).collect()
}

/// The format since PyTorch 1.6: a zip archive.
pub fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut files = vec![("archive/data.pkl".to_owned(), state_dict(entries))];
    for (key, entry) in entries.iter().enumerate() {
        if let Some(values) = &entry.values {
            files.push((format!("archive/data/{key}"), values.clone()));
        }
    }
    archive(&files)
}

/// The format before: pickles, then the storages.
pub fn legacy(entries: &[Entry]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
    let mut file = [&magic[..], b"\x80\x02M\xe9\x03.", b"\x80\x02}."].concat();
    file.extend(state_dict(entries));
    file.extend(b"\x80\x02](");
    let stored = || entries.iter().enumerate().filter(|(_, entry)| entry.values.is_some());
    for (key, _) in stored() {
        text(&mut file, &key.to_string());
    }
    file.extend(b"e.");
    for (_, entry) in stored() {
        let values = entry.values.as_deref().unwrap_or_default();
        file.extend((values.len() as u64 / 4).to_le_bytes());
        file.extend(values);
    }
    file
}

/// A pickle of a dictionary of f32 tensors.
pub fn state_dict(entries: &[Entry]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    for (key, entry) in entries.iter().enumerate() {
        text(&mut pickle, &entry.name);
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(b"ctorch\nFloatStorage\n");
        text(&mut pickle, &key.to_string());
        text(&mut pickle, "cpu");
        integer(&mut pickle, entry.count);
        pickle.extend(b"tQK\x00");
        for sizes in [&entry.shape, &entry.strides] {
            pickle.push(b'(');
            sizes.iter().for_each(|&size| integer(&mut pickle, size));
            pickle.push(b't');
        }
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    pickle.extend(b"u.");
    pickle
}

/// An uncompressed zip archive.
pub fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let offset = file.len() as u32;
        let length = (content.len() as u32).to_le_bytes();
        let name_length = (name.len() as u16).to_le_bytes();
        // Version, flags, method, time, date and checksum; none of them is looked at.
        let common = [&[0; 14][..], &length, &length, &name_length, &[0; 2]].concat();
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.as_bytes());
        file.extend(content);
        directory.extend(b"PK\x01\x02\0\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = (file.len() as u32).to_le_bytes();
    let count = (files.len() as u16).to_le_bytes();
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count);
    file.extend(count);
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start);
    file.extend([0; 2]);
    file
}

fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.as_bytes());
}

fn integer(pickle: &mut Vec<u8>, value: u64) {
    pickle.extend(b"\x8a\x08");
    pickle.extend(value.to_le_bytes());
}
