//! Random orders that are the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The shuffle of Fisher and Yates, written out because that of `rand` may change between its
/// versions.
pub(crate) fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    for last in (1..items.len()).rev() {
        let other = (u64::from(rng.next_u32()) * (last as u64 + 1)) >> 32;
        items.swap(last, other as usize);
    }
}
