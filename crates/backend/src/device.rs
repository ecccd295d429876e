use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A device by the name a user gives it: `cpu`, `ndarray`, `cuda` or `cuda:1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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
