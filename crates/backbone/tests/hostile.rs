//! PyTorch files that claim what they do not hold or ask for code to be run.

mod common;

use common::bytes;
use common::pth::{self, Entry};
use nfbmr_backbone::{Weights, WeightsError};

/// One tensor of four values.
fn four() -> Entry {
    Entry {
        name: "a".to_owned(),
        count: 4,
        shape: vec![4],
        strides: vec![1],
        values: Some([0.5_f32, 1.0, 1.5, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect()),
    }
}

/// The errors that both formats give.
fn refused(entry: impl Fn() -> Entry) -> [WeightsError; 2] {
    [pth::zip(&[entry()]), pth::legacy(&[entry()])]
        .map(|file| Weights::from_pytorch(&file).expect_err("refused"))
}

#[test]
fn the_files_made_here_are_readable() {
    let mut expected = Weights::new();
    expected.insert("a", [4], vec![0.5, 1.0, 1.5, 2.0]).expect("fits");
    for file in [pth::zip(&[four()]), pth::legacy(&[four()])] {
        assert_eq!(Weights::from_pytorch(&file).expect("reads"), expected);
    }
}

#[test]
fn values_have_exactly_the_length_claimed() {
    for count in [3, 5] {
        for error in refused(|| Entry { count, ..four() }) {
            let text = error.to_string();
            let expected = format!("expected {} bytes, found 16", 4 * count);
            assert!(text.starts_with("storage \"0\" of") && text.contains(&expected), "{text}");
        }
    }
    let cut = || Entry { values: Some(vec![0; 15]), ..four() };
    assert!(Weights::from_pytorch(&pth::zip(&[cut()])).is_err());
}

#[test]
fn values_that_are_missing_are_refused() {
    for error in refused(|| Entry { values: None, ..four() }) {
        assert!(matches!(error, WeightsError::StorageLength { expected: 16, found: None, .. }));
    }
    // Those of counters, which are not kept, as well.
    let name = "bn.num_batches_tracked";
    for error in refused(|| Entry { values: None, name: name.to_owned(), ..four() }) {
        assert!(matches!(error, WeightsError::StorageLength { .. }), "{error}");
    }
}

#[test]
fn a_terabyte_claimed_is_refused_without_allocating_it() {
    const COUNT: u64 = 1 << 38;
    let claims: [fn() -> Entry; 4] = [
        || Entry { count: COUNT, shape: vec![COUNT], ..four() },
        || Entry { shape: vec![COUNT], ..four() },
        // The same four values over and over.
        || Entry { shape: vec![COUNT, 4], strides: vec![0, 1], ..four() },
        || Entry { shape: vec![1 << 32, 1 << 32], strides: vec![1, 1], ..four() },
    ];
    let before = address_space();
    for claim in claims {
        refused(claim);
    }
    let header =
        br#"{"a":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend([0; 16]);
    Weights::from_safetensors(&file).expect_err("16 bytes are no terabyte");
    let grown = address_space() - before;
    assert!(grown < 1 << 30, "{grown} bytes more");
}

/// The most address space that this process ever had, in bytes; 0 where that cannot be known.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[test]
fn files_cut_at_200_places_are_errors() {
    let large: Vec<Entry> =
        (0..40).map(|index| Entry { name: format!("layer{index}.weight"), ..four() }).collect();
    let files = [bytes("zip.pth"), bytes("legacy.pth"), pth::zip(&large), pth::legacy(&large)];
    for file in files {
        Weights::from_bytes(&file).expect("the whole file reads");
        for place in 0..200 {
            let length = place * file.len() / 200;
            assert!(Weights::from_bytes(&file[..length]).is_err(), "{length} of {}", file.len());
        }
    }
}

#[test]
fn tensors_have_the_axes_that_pytorchs_have() {
    let ones = |axes| Entry { shape: [vec![4], vec![1; axes - 1]].concat(), ..four() };
    let flat = |axes| Entry { strides: vec![1; axes], ..ones(axes) };
    Weights::from_pytorch(&pth::zip(&[flat(64)])).expect("reads");
    for error in refused(|| flat(65)) {
        assert!(error.to_string().contains("expected a tensor under a"), "{error}");
    }
}

#[test]
fn a_name_is_given_once() {
    for file in [pth::zip(&[four(), four()]), pth::legacy(&[four(), four()])] {
        let error = Weights::from_pytorch(&file).expect_err("refused").to_string();
        assert!(error.contains("found a twice"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_device_is_no_weights() {
    let error = Weights::read("/dev/zero").expect_err("refused").to_string();
    assert_eq!(error, "cannot read /dev/zero: not a regular file");
}

/// A pickle in both formats: as the state dictionary, and as the first thing in the file.
fn pickled(pickle: &[u8]) -> [Vec<u8>; 3] {
    let zip = pth::archive(&[("archive/data.pkl".to_owned(), pickle.to_vec())]);
    let whole = pth::legacy(&[]);
    let state = pth::state_dict(&[]);
    let at = whole.windows(state.len()).position(|part| part == state).expect("present");
    [zip, [&whole[..at], pickle].concat(), pickle.to_vec()]
}

#[test]
fn calls_are_refused_by_name() {
    let calls: [(&[u8], &str); 6] = [
        (b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.", "os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", "os.system"),
        (b"\x80\x02}X\x01\0\0\0acbuiltins\neval\nX\x01\0\0\0a\x85Rs.", "builtins.eval"),
        // Named, though not called.
        (b"\x80\x02}X\x01\0\0\0acposix\nsystem\ns.", "posix.system"),
        (b"\x80\x02ctorch\nload\nX\x01\0\0\0a\x85R.", "torch.load"),
        (b"\x80\x02cargparse\nNamespace\n)\x81.", "argparse.Namespace"),
    ];
    for (pickle, name) in calls {
        for file in pickled(pickle) {
            let error = Weights::from_bytes(&file).expect_err("refused").to_string();
            assert!(error.ends_with(&format!("found {name}")), "{error}");
        }
    }
}
