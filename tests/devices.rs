//! A GPU that isn't there is an error that says what to install, never a panic.
#![cfg(feature = "cuda")]

use std::path::PathBuf;
use std::process::Command;

use nfbmr::{CudaProblem, DeviceError, DeviceName, GoodImages, Pipeline, PipelineError};
use nfbmr_backend::{Backend, Cuda, CudaDevice};
use nfbmr_synthetic::{Counts, Kind, PartClass, write_mvtec};

/// An index no machine has, so that the tests hold on one with GPUs too.
const ABSENT: usize = 1000;

/// Whether an error is one that [`ABSENT`] deserves: no driver, a driver without a GPU, or the index.
fn is_absence(error: &DeviceError) -> bool {
    use CudaProblem::{Driver, Index, Refused};
    matches!(
        error,
        DeviceError::Cuda { index: ABSENT, problem: Driver | Refused(_) | Index { .. } }
    )
}

#[test]
fn an_absent_gpu_is_refused_before_anything_is_computed() {
    let builder = || {
        Pipeline::builder()
            .device(DeviceName::Cuda(ABSENT))
            .hold_out(0.0)
            .progress(|_| unreachable!("training began"))
    };
    let trained = builder().train(GoodImages::Decoded(Vec::new()));
    for result in [trained, builder().load("missing.nfbmr")] {
        match result.map(|_| ()).unwrap_err() {
            PipelineError::Device(error) if is_absence(&error) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(is_absence(&Cuda::probe(&CudaDevice::new(ABSENT)).unwrap_err()));
}

#[test]
fn a_program_asked_for_an_absent_gpu_exits_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Counts { train: 2, test_good: 1, test_defect: 1 };
    write_mvtec(folder.path(), Kind::Part(PartClass::Gear), &counts, 64, 0).unwrap();

    let output = Command::new(example("mvtec"))
        .args(["--device", &format!("cuda:{ABSENT}"), "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&format!("cuda:{ABSENT}")), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(output.stdout.is_empty());
}

/// An example, which `cargo test` builds beside the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "{} missing: cargo build --examples", path.display());
    path
}
