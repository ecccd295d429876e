//! Squeeze-and-excitation: gates of channels, by which they are scaled, that depend on their means.
//! Knows elementary functions and vectors.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::elementary::{sigmoid, silu};
use crate::parallel::SERIAL_ELEMENTS;
use crate::simd::{F32s, arch, for_each_vector};

/// Weights of a squeeze-and-excitation block, which squeezes `C` channels into `R`.
#[derive(Clone, Copy, Debug)]
pub struct SqueezeExcite<'a> {
    /// `W1`, `[R, C]`.
    pub reduce_weight: &'a [f32],
    /// `b1`, `[R]`.
    pub reduce_bias: &'a [f32],
    /// `W2`, `[C, R]`.
    pub expand_weight: &'a [f32],
    /// `b2`, `[C]`.
    pub expand_bias: &'a [f32],
}

impl SqueezeExcite<'_> {
    fn channels(&self) -> usize {
        self.expand_bias.len()
    }

    fn check(&self) {
        let (channels, squeezed) = (self.channels(), self.reduce_bias.len());
        assert_eq!(
            self.reduce_weight.len(),
            squeezed * channels,
            "the reducing weight must be [{squeezed}, {channels}]"
        );
        assert_eq!(
            self.expand_weight.len(),
            channels * squeezed,
            "the expanding weight must be [{channels}, {squeezed}]"
        );
    }
}

/// The gates, `sigmoid(W2 silu(W1 sums / area + b1) + b2)`, from the sums of the planes.
///
/// `gate` and `sums` are `[channels, batch]`; [`depthwise`](crate::depthwise()) gives the sums of its
/// planes.
///
/// # Panics
///
/// If a slice doesn't have the length that the shapes say.
pub fn squeeze_excite_gate(gate: &mut [f32], sums: &[f32], area: usize, weights: &SqueezeExcite) {
    weights.check();
    let (channels, squeezed) = (weights.channels(), weights.reduce_bias.len());
    let batch = sums.len().checked_div(channels).unwrap_or(0);
    assert_eq!(sums.len(), channels * batch, "the sums must be [channels, batch]");
    assert_eq!(gate.len(), sums.len(), "the gates must be [channels, batch]");
    let arch = arch();
    let mut means = vec![0.0; channels];
    let mut reduced = vec![0.0; squeezed];
    let mut column = vec![0.0; channels];
    for b in 0..batch {
        for (mean, sums) in means.iter_mut().zip(sums.chunks_exact(batch)) {
            *mean = sums[b] / area as f32;
        }
        let reduce = Layer { weight: weights.reduce_weight, bias: weights.reduce_bias, x: &means };
        reduce.run(arch, &mut reduced, Gate::Silu);
        let expand =
            Layer { weight: weights.expand_weight, bias: weights.expand_bias, x: &reduced };
        expand.run(arch, &mut column, Gate::Sigmoid);
        for (gate, value) in gate.chunks_exact_mut(batch).zip(&column) {
            gate[b] = *value;
        }
    }
}

/// The function after a layer.
#[derive(Clone, Copy)]
enum Gate {
    Silu,
    Sigmoid,
}

/// A fully connected layer, `W x + b`.
#[derive(Clone, Copy)]
struct Layer<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    x: &'a [f32],
}

impl Layer<'_> {
    /// `out <- gate(W x + b)`, split over the rows if there are many weights.
    fn run(self, arch: pulp::Arch, out: &mut [f32], gate: Gate) {
        if self.weight.len() < SERIAL_ELEMENTS {
            return arch.dispatch(LayerRows { layer: self, first: 0, out, gate });
        }
        let share = out.len().div_ceil(rayon::current_num_threads());
        out.par_chunks_mut(share).enumerate().for_each(|(task, out)| {
            arch.dispatch(LayerRows { layer: self, first: task * share, out, gate });
        });
    }
}

/// One task of [`Layer::run`]: the rows from `first` on.
struct LayerRows<'a> {
    layer: Layer<'a>,
    first: usize,
    out: &'a mut [f32],
    gate: Gate,
}

impl WithSimd for LayerRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer: Layer { weight, bias, x }, first, out, gate } = self;
        for (row, out) in (first..).zip(out.iter_mut()) {
            *out = bias[row] + dot(simd, &weight[row * x.len()..][..x.len()], x);
        }
        for_each_vector(
            simd,
            out.len(),
            #[inline(always)]
            |at| {
                let z = at.load(out);
                at.store(
                    out,
                    match gate {
                        Gate::Silu => silu(z),
                        Gate::Sigmoid => sigmoid(z),
                    },
                );
            },
        );
    }
}

/// `x . y` in four independent chains.
#[inline(always)]
fn dot<S: Simd>(simd: S, x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [F32s::splat(simd, 0.0); 4];
    let step = 4 * F32s::<S>::LANES;
    let (x_groups, y_groups) = (x.chunks_exact(step), y.chunks_exact(step));
    let (x_rest, y_rest) = (x_groups.remainder(), y_groups.remainder());
    for (x, y) in x_groups.zip(y_groups) {
        for (i, sum) in sums.iter_mut().enumerate() {
            let start = i * F32s::<S>::LANES;
            *sum = F32s::load(simd, &x[start..]).mul_add(F32s::load(simd, &y[start..]), *sum);
        }
    }
    let mut sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    for_each_vector(
        simd,
        x_rest.len(),
        #[inline(always)]
        |at| sum = at.load(x_rest).mul_add(at.load(y_rest), sum),
    );
    sum.sum()
}
