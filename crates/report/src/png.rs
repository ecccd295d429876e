//! PNG files as bytes: they are embedded as they are, never decoded.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The bytes of a PNG file; base64 where it is serialised.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Png(pub Vec<u8>);

impl Png {
    pub(crate) fn base64(&self) -> String {
        STANDARD.encode(&self.0)
    }

    /// Width and height, from the first chunk.
    pub(crate) fn size(&self) -> Option<(u32, u32)> {
        let header = self.0.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
        let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
        number(0).zip(number(4))
    }
}

impl From<Vec<u8>> for Png {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Png {
    /// Not thousands of bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Png({} bytes)", self.0.len())
    }
}

impl Serialize for Png {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.base64())
    }
}

impl<'de> Deserialize<'de> for Png {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(de::Error::custom)
    }
}
