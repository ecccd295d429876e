//! Random orders that are the same on every machine. Nothing else of the crate is known here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Brings items into a random order by the shuffle of Fisher and Yates. The same number of items and
/// seed give the same order on every machine.
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    // Written out because that of `rand` may change between its versions.
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    for last in (1..items.len()).rev() {
        let other = (u64::from(rng.next_u32()) * (last as u64 + 1)) >> 32;
        items.swap(last, other as usize);
    }
}
