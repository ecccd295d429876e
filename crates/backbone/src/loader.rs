use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::Backend;

use crate::error::WeightProblem;
use crate::weights::Weights;

/// Takes tensors out of a bag of weights and notes everything that is wrong, so that one error can
/// list it all.
pub(crate) struct Loader<'a> {
    weights: &'a Weights,
    eps: f64,
    /// Every tensor asked for.
    pub(crate) names: Vec<String>,
    pub(crate) problems: Vec<WeightProblem>,
}

/// A convolution's weight and bias on the host; empty where the loader has noted a problem.
pub(crate) struct HostConv {
    shape: [usize; 4],
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl HostConv {
    pub(crate) fn upload<B: Backend>(self, device: &B::Device) -> (Tensor<B, 4>, Tensor<B, 1>) {
        let length = self.bias.len();
        let weight = Tensor::from_data(TensorData::new(self.weight, self.shape), device);
        let bias = Tensor::from_data(TensorData::new(self.bias, [length]), device);
        (weight, bias)
    }
}

impl<'a> Loader<'a> {
    pub(crate) fn new(weights: &'a Weights, eps: f64) -> Self {
        Self { weights, eps, names: Vec::new(), problems: Vec::new() }
    }

    /// A convolution without bias, folded with the batch normalisation after it.
    pub(crate) fn conv_norm(&mut self, conv: &str, norm: &str, shape: [usize; 4]) -> HostConv {
        let channels = [shape[0]];
        let weight = self.take(format!("{conv}.weight"), &shape);
        let gamma = self.take(format!("{norm}.weight"), &channels);
        let beta = self.take(format!("{norm}.bias"), &channels);
        let mean = self.take(format!("{norm}.running_mean"), &channels);
        let name = format!("{norm}.running_var");
        let variance = self.take(name.clone(), &channels);
        if variance.iter().any(|&v| f64::from(v) + self.eps <= 0.0) {
            self.problems.push(WeightProblem::Variance { name });
        }
        // f64, so that folding loses nothing against a normalisation carried out in f32.
        let scale = gamma.iter().zip(variance);
        let scale = scale.map(|(&g, &v)| f64::from(g) / (f64::from(v) + self.eps).sqrt());
        let scale: Vec<f64> = scale.collect();
        let filters = weight.chunks_exact(shape[1] * shape[2] * shape[3]);
        let folded = filters
            .zip(&scale)
            .flat_map(|(filter, &s)| filter.iter().map(move |&w| (f64::from(w) * s) as f32));
        let bias = beta.iter().zip(mean).zip(&scale);
        let bias = bias.map(|((&b, &m), &s)| (f64::from(b) - f64::from(m) * s) as f32);
        HostConv { shape, weight: folded.collect(), bias: bias.collect() }
    }

    /// A convolution with its own bias.
    pub(crate) fn conv_bias(&mut self, conv: &str, shape: [usize; 4]) -> HostConv {
        let weight = self.take(format!("{conv}.weight"), &shape).to_vec();
        let bias = self.take(format!("{conv}.bias"), &shape[..1]).to_vec();
        HostConv { shape, weight, bias }
    }

    fn take(&mut self, name: String, expected: &[usize]) -> &'a [f32] {
        self.names.push(name.clone());
        let Some(tensor) = self.weights.get(&name) else {
            self.problems.push(WeightProblem::Missing { name, expected: expected.to_vec() });
            return &[];
        };
        if tensor.shape() != expected {
            let (expected, found) = (expected.to_vec(), tensor.shape().to_vec());
            self.problems.push(WeightProblem::Shape { name, expected, found });
            return &[];
        }
        if tensor.values().iter().any(|value| !value.is_finite()) {
            self.problems.push(WeightProblem::NotFinite { name });
            return &[];
        }
        tensor.values()
    }
}
