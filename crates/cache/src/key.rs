//! Keys: what features are filed under. What goes into one is the caller's affair.

use std::fmt;

use sha2::{Digest, Sha256};

/// What features are filed under: a hash of all that they depend on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// Starts a key without parts.
    pub fn builder() -> KeyBuilder {
        KeyBuilder(Sha256::new())
    }

    /// A key that was hashed elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// In hexadecimal.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Hashes labelled parts into a [`Key`].
///
/// The key is the SHA-256 of the parts in the order given, each as the length of its label (`u64`,
/// little-endian), the label, the length of its content (likewise) and the content: other labels, other
/// contents, another order and the same bytes split otherwise all give other keys.
#[derive(Clone, Debug)]
#[must_use]
pub struct KeyBuilder(Sha256);

impl KeyBuilder {
    /// Adds a part, such as the bytes of an image or the checksum of the backbone's weights.
    pub fn part(mut self, label: &str, content: &[u8]) -> Self {
        for bytes in [label.as_bytes(), content] {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
        self
    }

    /// The key of the parts added.
    pub fn build(self) -> Key {
        Key(self.0.finalize().into())
    }
}
