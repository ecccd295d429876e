//! Devices by the names that users give them, and what is missing where one can't be had. No type of burn.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A device by the name a user gives it: `cpu`, `ndarray`, `cuda` or `cuda:1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum DeviceName {
    /// The default CPU backend (feature `flex`).
    #[default]
    Cpu,
    /// The reference CPU backend (feature `ndarray`).
    NdArray,
    /// The NVIDIA GPU of this index (feature `cuda`).
    Cuda(usize),
}

impl DeviceName {
    /// The cargo feature that brings this device.
    pub fn feature(self) -> &'static str {
        match self {
            Self::Cpu => "flex",
            Self::NdArray => "ndarray",
            Self::Cuda(_) => "cuda",
        }
    }
}

/// A device that can't be had.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name is none of those known.
    #[error("unknown device {0:?}: expected `cpu`, `ndarray`, `cuda` or `cuda:<index>`")]
    UnknownName(String),
    /// This build leaves the device's backend out.
    #[error("device `{device}` is not in this build: build with `--features {}`", .device.feature())]
    NotBuilt {
        /// The device asked for.
        device: DeviceName,
    },
    /// Something that an NVIDIA GPU needs is missing on this machine.
    #[error("device `cuda:{index}`: {problem}")]
    Cuda {
        /// Index of the GPU asked for.
        index: usize,
        /// What is missing.
        problem: CudaProblem,
    },
}

/// What an NVIDIA GPU needs and this machine lacks.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CudaProblem {
    /// The driver's library isn't there.
    #[error("no NVIDIA driver found (libcuda): install the driver of your GPU")]
    Driver,
    /// The driver is there but doesn't start, mostly because there is no GPU.
    #[error("the NVIDIA driver can't be used ({0}): check `nvidia-smi`")]
    Refused(String),
    /// There are fewer GPUs.
    #[error("expected a GPU index below {count}, the number of GPUs, found {index}")]
    Index {
        /// Index asked for.
        index: usize,
        /// Number of GPUs.
        count: usize,
    },
    /// The run-time compiler isn't there.
    #[error(
        "no CUDA run-time compiler found (libnvrtc): install the CUDA toolkit, or its package \
         cuda-nvrtc, and have its folder searched for libraries"
    )]
    Compiler,
    /// The run-time compiler's headers aren't there.
    #[error(
        "no CUDA headers found, expected {}: install the CUDA toolkit and set CUDA_PATH to its folder",
        .header.display()
    )]
    Headers {
        /// One of them, where it should be.
        header: PathBuf,
    },
}

impl FromStr for DeviceName {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || DeviceError::UnknownName(name.to_owned());
        match name {
            "cpu" => Ok(Self::Cpu),
            "ndarray" => Ok(Self::NdArray),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let index = name.strip_prefix("cuda:").ok_or_else(unknown)?;
                index.parse().map(Self::Cuda).map_err(|_| unknown())
            }
        }
    }
}

impl TryFrom<String> for DeviceName {
    type Error = DeviceError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<DeviceName> for String {
    fn from(device: DeviceName) -> Self {
        device.to_string()
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::NdArray => f.write_str("ndarray"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["cpu", "ndarray", "cuda:0", "cuda:12"] {
            assert_eq!(name.parse::<DeviceName>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse(), Ok(DeviceName::Cuda(0)));
    }

    #[test]
    fn other_names_are_refused_by_name() {
        for name in ["", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:x"] {
            let error = name.parse::<DeviceName>().unwrap_err();
            assert_eq!(error, DeviceError::UnknownName(name.to_owned()));
        }
    }
}
