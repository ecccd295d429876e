//! Signals on a grid of pixels.

/// Brightness, edges and foreground.
pub(crate) const CHANNELS: usize = 3;

/// Signals row by row; pixel (0, 0) covers the square from (0, 0) to (1, 1).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grid {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) values: Vec<[f32; CHANNELS]>,
}

impl Grid {
    /// The signals at a place, bilinear between the centres of pixels; `None` outside.
    #[inline]
    pub(crate) fn at(&self, [x, y]: [f64; 2]) -> Option<[f32; CHANNELS]> {
        let (width, height) = (self.width as f64, self.height as f64);
        if !(0.0..=width).contains(&x) || !(0.0..=height).contains(&y) {
            return None;
        }
        let (x, y) = ((x - 0.5).clamp(0.0, width - 1.0), (y - 0.5).clamp(0.0, height - 1.0));
        let (column, row) = (x as usize, y as usize);
        let (next, below) = ((column + 1).min(self.width - 1), (row + 1).min(self.height - 1));
        let (u, v) = ((x - column as f64) as f32, (y - row as f64) as f32);
        let line = |row: usize| {
            let line = row * self.width;
            let (a, b) = (self.values[line + column], self.values[line + next]);
            std::array::from_fn::<f32, CHANNELS, _>(|c| a[c] + u * (b[c] - a[c]))
        };
        let (above, below) = (line(row), line(below));
        Some(std::array::from_fn(|c| above[c] + v * (below[c] - above[c])))
    }
}

/// The mean over the channels of the product of signals, which is their correlation where both are of mean 0 and norm 1;
/// channels that are 0 in `template` don't count.
pub(crate) fn correlation(template: &[[f32; CHANNELS]], other: &[[f32; CHANNELS]]) -> f64 {
    let (mut sums, mut own) = ([0f64; CHANNELS], [0f64; CHANNELS]);
    for (a, b) in template.iter().zip(other) {
        for c in 0..CHANNELS {
            sums[c] += f64::from(a[c] * b[c]);
            own[c] += f64::from(a[c] * a[c]);
        }
    }
    let used = own.iter().filter(|&&own| own > 0.0).count().max(1);
    sums.iter().sum::<f64>() / used as f64
}
