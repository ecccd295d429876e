//! Reading and writing weight files, whole and damaged.

mod common;

use common::bytes;
use nfbmr_backbone::{Storage, Weights, WeightsError};

fn sample() -> Weights {
    let mut weights = Weights::new();
    let insert = |weights: &mut Weights, name: &str, shape: &[usize]| {
        let values = common::uniform(name, shape.iter().product());
        weights.insert(name, shape, values).expect("the shape fits");
    };
    insert(&mut weights, "_bn0.weight", &[5]);
    insert(&mut weights, "_conv_stem.weight", &[2, 3, 1, 1]);
    insert(&mut weights, "empty", &[0, 4]);
    for key in ["source", "licence", "variant", "quote \" and \\"] {
        weights.metadata_mut().insert(key.to_owned(), format!("value of {key}"));
    }
    weights
}

#[test]
fn f32_survives_a_round_trip() {
    let weights = sample();
    let bytes = weights.to_safetensors(Storage::F32).expect("writes");
    assert_eq!(Weights::from_safetensors(&bytes).expect("reads"), weights);
}

#[test]
fn f16_keeps_three_digits() {
    let weights = sample();
    let bytes = weights.to_safetensors(Storage::F16).expect("writes");
    let back = Weights::from_safetensors(&bytes).expect("reads");
    assert_eq!(back.metadata(), weights.metadata());
    for ((name, was), (same_name, is)) in weights.iter().zip(back.iter()) {
        assert_eq!((name, was.shape()), (same_name, is.shape()));
        for (was, is) in was.values().iter().zip(is.values()) {
            assert!((was - is).abs() <= 5e-4 * was.abs(), "{name}: {was} became {is}");
        }
    }
    assert_ne!(back, weights);
}

#[test]
fn the_same_weights_give_the_same_bytes() {
    let bytes = sample().to_safetensors(Storage::F32).expect("writes");
    for _ in 0..8 {
        assert_eq!(sample().to_safetensors(Storage::F32).expect("writes"), bytes);
    }
    assert_eq!(u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) % 8, 0);
}

#[test]
fn no_tensors_make_a_file_too() {
    let mut weights = Weights::new();
    weights.metadata_mut().insert("a".to_owned(), "b".to_owned());
    let bytes = weights.to_safetensors(Storage::F32).expect("writes");
    assert_eq!(Weights::from_safetensors(&bytes).expect("reads"), weights);
}

#[test]
fn values_beyond_f16_are_refused() {
    let mut weights = Weights::new();
    weights.insert("a", [2], vec![1.0, 7e4]).expect("the shape fits");
    let error = weights.to_safetensors(Storage::F16).expect_err("overflows");
    assert!(matches!(error, WeightsError::HalfOverflow { index: 1, value: 7e4, .. }), "{error}");
}

#[test]
fn shapes_and_values_have_to_agree() {
    let mut weights = Weights::new();
    for shape in [&[2, 2][..], &[usize::MAX, 2][..]] {
        let error = weights.insert("a", shape, vec![0.0; 3]).expect_err("3 is not the product");
        assert!(matches!(error, WeightsError::Length { found: 3, .. }));
    }
}

#[test]
fn other_number_types_are_refused() {
    let header = br#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend([0; 8]);
    let error = Weights::from_safetensors(&file).expect_err("f64").to_string();
    assert_eq!(error, "tensor a: expected f32, f16 or bf16, found F64");
    let error = Weights::from_pytorch(&bytes("integers.pth")).expect_err("i64").to_string();
    assert_eq!(error, "tensor counts: expected f32, f16 or bf16, found long");
}

#[test]
fn a_missing_file_is_named() {
    let error = Weights::read("no/such/file").expect_err("absent").to_string();
    assert!(error.contains("no/such/file"), "{error}");
}

#[test]
fn formats_are_recognised_by_content() {
    let weights = sample();
    let mut bytes = weights.to_safetensors(Storage::F32).expect("writes");
    assert_eq!(Weights::from_bytes(&bytes).expect("reads"), weights);
    // A header of 0x280 bytes makes a safetensors file start like a pickle.
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let padding = vec![b' '; 0x280 - header];
    bytes.splice(8 + header..8 + header, padding);
    bytes[..8].copy_from_slice(&0x280_u64.to_le_bytes());
    assert_eq!(bytes[..2], [0x80, 2]);
    assert_eq!(Weights::from_bytes(&bytes).expect("reads"), weights);
    for file in ["zip.pth", "legacy.pth"] {
        let bytes = common::bytes(file);
        let weights = Weights::from_pytorch(&bytes).expect("reads");
        assert_eq!(Weights::from_bytes(&bytes).expect("reads"), weights);
    }
    let error = Weights::from_bytes(b"version https://git-lfs").expect_err("neither").to_string();
    assert!(error.ends_with("found 23 bytes, \"version https://\" at first"), "{error}");
    assert!(matches!(Weights::from_bytes(b""), Err(WeightsError::Format { .. })));
}

#[test]
fn both_pytorch_formats_are_read() {
    let base: Vec<f32> = (0..24).map(|i| i as f32 / 8.0).collect();
    let transposed = |i: usize| base[12 * (i / 3 % 2) + 4 * (i % 3) + i / 6];
    let mut expected = Weights::new();
    let mut insert = |name: &str, shape: &[usize], values: Vec<f32>| {
        expected.insert(name, shape, values).expect("the shape fits");
    };
    insert("plain", &[2, 3, 4], base.clone());
    insert("transposed", &[4, 2, 3], (0..24).map(transposed).collect());
    insert("slice", &[4], base[5..9].to_vec());
    insert("half", &[3], base[..3].to_vec());
    insert("brain", &[3], base[..3].to_vec());
    insert("parameter", &[2], base[..2].to_vec());
    insert("scalar", &[], vec![2.5]);
    for file in ["zip.pth", "legacy.pth"] {
        assert_eq!(Weights::from_pytorch(&bytes(file)).expect("reads"), expected, "{file}");
    }
}

type Reader = fn(&[u8]) -> Result<Weights, WeightsError>;

/// Every prefix and every changed byte either still reads or is an error, and never a panic.
#[test]
fn damaged_files_are_errors() {
    let safetensors = sample().to_safetensors(Storage::F32).expect("writes");
    let readers: [(Vec<u8>, Reader); 3] = [
        (safetensors, Weights::from_safetensors),
        (bytes("zip.pth"), Weights::from_pytorch),
        (bytes("legacy.pth"), Weights::from_pytorch),
    ];
    for (file, read) in readers {
        read(&file).expect("the whole file reads");
        for length in 0..file.len() {
            assert!(read(&file[..length]).is_err(), "{length} of {} bytes", file.len());
        }
        let mut refused = 0;
        for at in 0..file.len() {
            for value in [0, b'(', b'R', b't', 0x7f, 0xff] {
                let mut damaged = file.clone();
                damaged[at] = value;
                refused += usize::from(read(&damaged).is_err());
            }
        }
        assert!(refused > file.len() / 4, "only {refused} refused");
    }
}

/// A shape that asks for more values than the storage has.
#[test]
fn shapes_larger_than_the_storage_are_refused() {
    let file = bytes("legacy.pth");
    // The stride of a one-dimensional tensor, 1, and its size, 4, stand at the end of `slice`.
    let slice = file.windows(5).position(|window| window == b"slice").expect("present");
    let size = file[slice..].windows(3).position(|window| window == b"K\x04\x85");
    let mut damaged = file.clone();
    damaged[slice + size.expect("the size of the slice") + 1] = 200;
    let error = Weights::from_pytorch(&damaged).expect_err("more than the storage has").to_string();
    assert!(error.contains("values of slice within the file"), "{error}");
}
