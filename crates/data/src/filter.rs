//! The weights of our resampling, for whoever computes it as a product of matrices. Knows numbers
//! alone.

/// Weights of the 8-bit resize are whole numbers below this.
const MOST: f64 = 32768.0;
/// The largest power of two that they are over.
const MOST_BITS: i32 = 21;

/// What [`resize_rgb`](crate::resize_rgb) does along one side, before it rounds: the weights `[to,
/// from]`, row by row, of so many values of which `length` from `start` on become `to`. A bilinear
/// filter, which widens where they become fewer.
pub fn resize_weights(from: usize, [start, length]: [f64; 2], to: usize) -> Vec<f64> {
    let scale = length / to as f64;
    let reach = scale.max(1.0);
    let mut weights = Vec::with_capacity(to.saturating_mul(from));
    for target in 0..to {
        let center = start + (target as f64 + 0.5) * scale - 0.5;
        let weight = |value: usize| (1.0 - ((value as f64 - center) / reach).abs()).max(0.0);
        let sum: f64 = (0..from).map(weight).sum();
        weights.extend((0..from).map(|value| weight(value) / sum));
    }
    weights
}

/// [`resize_weights`] of all values as [`resize_rgb`](crate::resize_rgb) takes them for 8 bits. It
/// resizes the rows first, and rounds to the nearest whole number after either step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedPointWeights {
    /// `[to, from]`, row by row.
    pub values: Vec<u16>,
    /// The power of two that the values are over.
    pub bits: i32,
}

impl FixedPointWeights {
    /// Of `from` values that become `to`.
    pub fn new(from: usize, to: usize) -> Self {
        let weights = resize_weights(from, [0.0, from as f64], to);
        let largest = weights.iter().copied().fold(0.0, f64::max);
        let full = |bits: &i32| (largest * f64::from(*bits + 1).exp2()).round() >= MOST;
        let bits = (0..MOST_BITS).find(full).unwrap_or(MOST_BITS);
        let fixed = |weight: f64| (weight * f64::from(bits).exp2()).round() as u16;
        Self { values: weights.into_iter().map(fixed).collect(), bits }
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};
    use proptest::prelude::*;

    use super::*;
    use crate::resize_rgb;

    /// A step along one side of columns of values, as [`resize_rgb`] rounds it.
    fn step(values: &[u64], weights: &FixedPointWeights) -> Vec<u64> {
        let row = |row: &[u16]| {
            let sum: u64 = row.iter().zip(values).map(|(w, v)| u64::from(*w) * v).sum();
            ((sum + (1 << (weights.bits - 1))) >> weights.bits).min(255)
        };
        weights.values.chunks(values.len()).map(row).collect()
    }

    proptest! {
        #[test]
        fn products_of_matrices_are_the_resize(
            from in (1usize..40, 1usize..40), to in (1usize..40, 1usize..40), seed: u64,
        ) {
            let pixel = |x: u32, y: u32| {
                (seed.wrapping_mul(u64::from(x * 41 + y) + 1).wrapping_mul(0x9e37_79b9) >> 40) as u8
            };
            let image = RgbImage::from_fn(from.0 as u32, from.1 as u32, |x, y| Rgb([pixel(x, y); 3]));
            let expected = resize_rgb(&image, to.0 as u32, to.1 as u32).unwrap();
            let rows = FixedPointWeights::new(from.1, to.1);
            let columns = FixedPointWeights::new(from.0, to.0);
            let value = |x: usize, y: usize| u64::from(image.get_pixel(x as u32, y as u32)[0]);
            let upright: Vec<Vec<u64>> = (0..from.0)
                .map(|x| step(&(0..from.1).map(|y| value(x, y)).collect::<Vec<_>>(), &rows))
                .collect();
            for y in 0..to.1 {
                let line: Vec<u64> = upright.iter().map(|column| column[y]).collect();
                for (x, found) in step(&line, &columns).into_iter().enumerate() {
                    prop_assert_eq!(found, u64::from(expected.get_pixel(x as u32, y as u32)[0]));
                }
            }
        }

        #[test]
        fn weights_of_a_window_add_up_to_one(
            from in 1usize..30, to in 1usize..60, start in 0.0..0.5f64, share in 0.1..1.0f64,
        ) {
            let (start, length) = (start * from as f64, share * from as f64 * 0.5);
            let weights = resize_weights(from, [start, length], to);
            prop_assert_eq!(weights.len(), from * to);
            for row in weights.chunks(from) {
                prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{:?}", row);
            }
        }
    }
}
