//! Random numbers that are the same on every machine. Nothing else of the crate is known here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What random numbers are for: each purpose has its own, so that the scene under a defect is the
/// scene without it.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Scene = 1,
    Defect = 2,
    Paste = 3,
    Shown = 4,
    Colour = 5,
}

/// A ChaCha8 stream turned into the numbers that drawing needs.
///
/// The conversions are written out here because those of `rand` may change between its versions.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of one image: the four numbers are the key, so no two streams are alike.
    pub(crate) fn new(kind: u8, seed: u64, index: u64, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16] = purpose as u8;
        key[17] = kind;
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Any number of 32 bits.
    pub(crate) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number from `from` to `to`.
    pub(crate) fn range(&mut self, from: f32, to: f32) -> f32 {
        // 24 bits fill the mantissa of an f32 without rounding.
        let unit = (self.bits() >> 8) as f32 / (1 << 24) as f32;
        from + (to - from) * unit
    }

    /// One of the integers below `n`, or 0 for `n` = 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.bits()) * n as u64) >> 32) as usize
    }

    /// Heads or tails.
    pub(crate) fn coin(&mut self) -> bool {
        self.bits() >> 31 == 1
    }

    /// A unit vector of any direction, found without sine and cosine.
    pub(crate) fn direction(&mut self) -> [f32; 2] {
        loop {
            let [x, y] = [self.range(-1.0, 1.0), self.range(-1.0, 1.0)];
            let square = x * x + y * y;
            if (0.01..=1.0).contains(&square) {
                let length = square.sqrt();
                return [x / length, y / length];
            }
        }
    }
}
