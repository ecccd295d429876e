//! Convolutions on the host, batch normalisation folded in, on their way to a device. Knows names
//! and weights, and that they were checked.

use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::Backend;

use crate::naming::LayerNames;
use crate::weights::Weights;

/// A convolution's weight and bias on the host; batch normalisation is folded in.
pub(crate) struct HostConv {
    shape: [usize; 4],
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl HostConv {
    /// Takes a layer out of weights that were checked to have it.
    pub(crate) fn read(layer: &LayerNames, weights: &Weights, eps: f64) -> Self {
        let values = |of: &str, part: &str| {
            weights.get(&format!("{of}.{part}")).map_or(&[][..], |tensor| tensor.values())
        };
        let shape = layer.shape;
        let weight = values(&layer.conv, "weight");
        let Some(norm) = &layer.norm else {
            let bias = values(&layer.conv, "bias").to_vec();
            return Self { shape, weight: weight.to_vec(), bias };
        };
        // f64, so that folding loses nothing against a normalisation carried out in f32.
        let scale = values(norm, "weight").iter().zip(values(norm, "running_var"));
        let scale = scale.map(|(&g, &v)| f64::from(g) / (f64::from(v) + eps).sqrt());
        let scale: Vec<f64> = scale.collect();
        let filters = weight.chunks_exact(shape[1] * shape[2] * shape[3]);
        let folded = filters
            .zip(&scale)
            .flat_map(|(filter, &s)| filter.iter().map(move |&w| (f64::from(w) * s) as f32));
        let bias = values(norm, "bias").iter().zip(values(norm, "running_mean")).zip(&scale);
        let bias = bias.map(|((&b, &m), &s)| (f64::from(b) - f64::from(m) * s) as f32);
        Self { shape, weight: folded.collect(), bias: bias.collect() }
    }

    pub(crate) fn upload<B: Backend>(self, device: &B::Device) -> (Tensor<B, 4>, Tensor<B, 1>) {
        let length = self.bias.len();
        let weight = Tensor::from_data(TensorData::new(self.weight, self.shape), device);
        let bias = Tensor::from_data(TensorData::new(self.bias, [length]), device);
        (weight, bias)
    }
}
