//! Activation functions: on slices, as the epilogue of a convolution, and backwards. Knows no
//! layers.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::elementary::silu;
use crate::parallel::{SliceKernel, chunk_len, for_each_chunk};
use crate::simd::{F32s, arch};

/// An activation function.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// `x`.
    #[default]
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x` where positive, else the slope times `x`.
    LeakyRelu(f32),
    /// `x / (1 + exp(-x))`, also known as swish.
    Silu,
}

#[derive(Clone, Copy)]
struct Relu;

impl SliceKernel for Relu {
    #[inline(always)]
    fn map<S: Simd>(self, x: F32s<S>) -> F32s<S> {
        x.at_least(x.same(0.0))
    }
}

#[derive(Clone, Copy)]
struct Relu6;

impl SliceKernel for Relu6 {
    #[inline(always)]
    fn map<S: Simd>(self, x: F32s<S>) -> F32s<S> {
        x.at_least(x.same(0.0)).at_most(x.same(6.0))
    }
}

#[derive(Clone, Copy)]
struct LeakyRelu(f32);

impl SliceKernel for LeakyRelu {
    #[inline(always)]
    fn map<S: Simd>(self, x: F32s<S>) -> F32s<S> {
        x.select_greater(x.same(0.0), x, x * x.same(self.0))
    }
}

#[derive(Clone, Copy)]
struct Silu;

impl SliceKernel for Silu {
    #[inline(always)]
    fn map<S: Simd>(self, x: F32s<S>) -> F32s<S> {
        silu(x)
    }
}

impl Activation {
    /// The function of every register of a tile, chosen once.
    #[inline(always)]
    pub(crate) fn apply_tile<S: Simd, const R: usize, const V: usize>(
        self,
        tile: &mut [[F32s<S>; V]; R],
    ) {
        match self {
            Activation::Identity => {}
            Activation::Relu => map_tile(tile, Relu),
            Activation::Relu6 => map_tile(tile, Relu6),
            Activation::LeakyRelu(slope) => map_tile(tile, LeakyRelu(slope)),
            Activation::Silu => map_tile(tile, Silu),
        }
    }
}

#[inline(always)]
fn map_tile<S: Simd, const R: usize, const V: usize>(
    tile: &mut [[F32s<S>; V]; R],
    kernel: impl SliceKernel,
) {
    for row in tile {
        for x in row {
            *x = kernel.map(*x);
        }
    }
}

/// `x <- activation(x)`.
pub fn activate(x: &mut [f32], activation: Activation) {
    match activation {
        Activation::Identity => {}
        Activation::Relu => for_each_chunk(x, Relu),
        Activation::Relu6 => for_each_chunk(x, Relu6),
        Activation::LeakyRelu(slope) => for_each_chunk(x, LeakyRelu(slope)),
        Activation::Silu => for_each_chunk(x, Silu),
    }
}

/// `dy <- dy * activation'(z)`, given the output `y = activation(z)`.
///
/// At the kink of a rectifier, the derivative is that of the left side, as in PyTorch.
///
/// # Panics
///
/// If the lengths differ, and for SiLU, whose output doesn't determine its derivative.
pub fn activation_backward(dy: &mut [f32], y: &[f32], activation: Activation) {
    assert_eq!(dy.len(), y.len(), "dy and y must have equal lengths");
    let Some(slope) = Slope::of(activation) else {
        return;
    };
    let arch = arch();
    let chunk = chunk_len(dy.len());
    if chunk >= dy.len() {
        return arch.dispatch(Backward { dy, y, slope });
    }
    let parts = dy.par_chunks_mut(chunk).zip(y.par_chunks(chunk));
    parts.for_each(|(dy, y)| arch.dispatch(Backward { dy, y, slope }));
}

/// A derivative that is 1 for outputs between 0 and `upper` and `outside` elsewhere.
#[derive(Clone, Copy)]
struct Slope {
    upper: f32,
    outside: f32,
}

impl Slope {
    /// The derivative of `activation`, or `None` where it's 1 everywhere.
    #[expect(clippy::panic, reason = "the public function documents it")]
    fn of(activation: Activation) -> Option<Self> {
        match activation {
            Activation::Identity => None,
            Activation::Relu => Some(Self { upper: f32::INFINITY, outside: 0.0 }),
            Activation::Relu6 => Some(Self { upper: 6.0, outside: 0.0 }),
            Activation::LeakyRelu(slope) => Some(Self { upper: f32::INFINITY, outside: slope }),
            Activation::Silu => panic!("the derivative of SiLU can't be told from its output"),
        }
    }

    /// The gradient before the activation.
    #[inline(always)]
    fn backward<S: Simd>(self, dy: F32s<S>, y: F32s<S>) -> F32s<S> {
        // An infinite gradient times 0 would be NaN.
        let outside = if self.outside == 0.0 { dy.same(0.0) } else { dy * dy.same(self.outside) };
        let below = dy.same(self.upper).select_greater(y, dy, outside);
        y.select_greater(dy.same(0.0), below, outside)
    }
}

/// One thread's share of [`activation_backward`].
struct Backward<'a> {
    dy: &'a mut [f32],
    y: &'a [f32],
    slope: Slope,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { dy, y, slope } = self;
        let (dy_body, dy_tail) = S::as_mut_simd_f32s(dy);
        let (y_body, y_tail) = S::as_simd_f32s(y);
        for (dy, y) in dy_body.iter_mut().zip(y_body) {
            *dy = slope.backward(F32s::new(simd, *dy), F32s::new(simd, *y)).into_inner();
        }
        let y_tail = F32s::load_partial(simd, y_tail);
        slope.backward(F32s::load_partial(simd, dy_tail), y_tail).store_partial(dy_tail);
    }
}
