//! The Adam optimiser's step in one pass over memory.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::parallel::chunk_len;
use crate::simd::{arch, for_each_vector};

/// Hyperparameters of Adam, with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// L2 penalty, added to the gradient (not decoupled as in AdamW).
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl Adam {
    /// Updates `parameter` and the moments by the gradient of the step `step`, counted from 1.
    ///
    /// ```text
    /// g = gradient_scale gradient + weight_decay p
    /// m <- beta1 m + (1 - beta1) g
    /// v <- beta2 v + (1 - beta2) g^2
    /// p <- p - learning_rate (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + epsilon)
    /// ```
    ///
    /// `gradient_scale` is 1, or what clipping to a global norm says.
    ///
    /// # Panics
    ///
    /// If the lengths differ or `step` is 0.
    pub fn step(
        &self,
        parameter: &mut [f32],
        gradient: &[f32],
        first_moment: &mut [f32],
        second_moment: &mut [f32],
        step: u64,
        gradient_scale: f32,
    ) {
        let len = parameter.len();
        assert_eq!(gradient.len(), len, "the gradient must have the length of the parameter");
        assert_eq!(first_moment.len(), len, "the moments must have the length of the parameter");
        assert_eq!(second_moment.len(), len, "the moments must have the length of the parameter");
        assert!(step > 0, "steps are counted from 1");
        let update = Update::new(self, step, gradient_scale);
        let arch = arch();
        let chunk = chunk_len(len);
        if chunk >= len {
            return arch.dispatch(Chunk {
                update,
                parameter,
                gradient,
                first_moment,
                second_moment,
            });
        }
        parameter
            .par_chunks_mut(chunk)
            .zip(gradient.par_chunks(chunk))
            .zip(first_moment.par_chunks_mut(chunk))
            .zip(second_moment.par_chunks_mut(chunk))
            .for_each(|(((parameter, gradient), first_moment), second_moment)| {
                arch.dispatch(Chunk { update, parameter, gradient, first_moment, second_moment });
            });
    }
}

/// The constants of one step, computed in double precision.
#[derive(Clone, Copy)]
struct Update {
    gradient_scale: f32,
    weight_decay: f32,
    /// `1 - beta1`: `m += (1 - beta1) (g - m)` is exact where `m` has settled.
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    /// `learning_rate / (1 - beta1^step)`.
    step_size: f32,
    /// `1 / sqrt(1 - beta2^step)`.
    root_correction: f32,
    epsilon: f32,
}

impl Update {
    fn new(adam: &Adam, step: u64, gradient_scale: f32) -> Self {
        let step = step as f64;
        Self {
            gradient_scale,
            weight_decay: adam.weight_decay as f32,
            one_minus_beta1: (1.0 - adam.beta1) as f32,
            beta2: adam.beta2 as f32,
            one_minus_beta2: (1.0 - adam.beta2) as f32,
            step_size: (adam.learning_rate / (1.0 - adam.beta1.powf(step))) as f32,
            root_correction: (1.0 / (1.0 - adam.beta2.powf(step)).sqrt()) as f32,
            epsilon: adam.epsilon as f32,
        }
    }
}

/// One task of [`Adam::step`].
struct Chunk<'a> {
    update: Update,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    first_moment: &'a mut [f32],
    second_moment: &'a mut [f32],
}

impl WithSimd for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { update, parameter, gradient, first_moment, second_moment } = self;
        for_each_vector(
            simd,
            parameter.len(),
            #[inline(always)]
            |at| {
                let p = at.load(parameter);
                let g = at.load(gradient) * p.same(update.gradient_scale);
                let g = p.mul_add(p.same(update.weight_decay), g);
                let m = at.load(first_moment);
                let m = (g - m).mul_add(g.same(update.one_minus_beta1), m);
                let v = at.load(second_moment) * g.same(update.beta2);
                let v = (g * g).mul_add(g.same(update.one_minus_beta2), v);
                let root = v.sqrt().mul_add(v.same(update.root_correction), v.same(update.epsilon));
                at.store(first_moment, m);
                at.store(second_moment, v);
                at.store(parameter, p - m * m.same(update.step_size) / root);
            },
        );
    }
}
