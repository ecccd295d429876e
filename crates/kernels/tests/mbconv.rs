//! Blocks of EfficientNet against their layers one by one, which have tests of their own.

mod common;

use common::{assert_close, at_every_level, doubles, uniform};
use nfbmr_kernels::{
    Activation, Conv1x1Dims, ConvLayer, DepthwiseDims, LayerWeights, Margins, MbConv, MbConvDims,
    SqueezeExcite, conv1x1, depthwise, mbconv, squeeze_excite_gate,
};
use proptest::prelude::*;

/// Parameters of a block.
struct Block {
    dims: MbConvDims,
    expand: Option<[Vec<f32>; 2]>,
    depthwise: [Vec<f32>; 2],
    gate: Option<[Vec<f32>; 4]>,
    project: [Vec<f32>; 2],
    activation: Activation,
}

impl Block {
    fn new(dims: MbConvDims, squeezed: Option<usize>, activation: Activation) -> Self {
        let MbConvDims { input, expanded, output, kernel, .. } = dims;
        let layer = |c_in: usize, c_out: usize, seed: u64| {
            let scale = 1.0 / (c_in as f32).sqrt();
            let weight = uniform(c_out * c_in, seed).into_iter().map(|w| w * scale).collect();
            [weight, uniform(c_out, seed + 1)]
        };
        Self {
            dims,
            expand: (expanded != input).then(|| layer(input, expanded, 10)),
            depthwise: layer(kernel * kernel, expanded, 20),
            gate: squeezed.map(|squeezed| {
                let ([w1, b1], [w2, b2]) =
                    (layer(expanded, squeezed, 30), layer(squeezed, expanded, 40));
                [w1, b1, w2, b2]
            }),
            project: layer(expanded, output, 50),
            activation,
        }
    }

    fn skip(&self) -> bool {
        self.dims.input == self.dims.output && self.dims.stride == 1
    }

    fn gate(&self) -> Option<SqueezeExcite<'_>> {
        self.gate.as_ref().map(|[w1, b1, w2, b2]| SqueezeExcite {
            reduce_weight: w1,
            reduce_bias: b1,
            expand_weight: w2,
            expand_bias: b2,
        })
    }

    fn fused(&self, x: &[f32]) -> Vec<f32> {
        fn layer([weight, bias]: &[Vec<f32>; 2]) -> LayerWeights<'_> {
            LayerWeights { weight, bias }
        }
        let layers = MbConv {
            expand: self.expand.as_ref().map(layer),
            depthwise: layer(&self.depthwise),
            squeeze_excite: self.gate(),
            project: layer(&self.project),
            activation: self.activation,
            skip: self.skip(),
        };
        let (height, width) = self.dims.output_size();
        let mut out = vec![0.0; self.dims.output * self.dims.batch * height * width];
        mbconv(&mut out, self.dims, &layers, x);
        out
    }

    fn layer_by_layer(&self, x: &[f32]) -> Vec<f32> {
        let MbConvDims { input, expanded, output, batch, height, width, kernel, stride, padding } =
            self.dims;
        let (out_height, out_width) = self.dims.output_size();
        let (n, area) = (batch * height * width, out_height * out_width);
        let mut wide = x.to_vec();
        if let Some([weight, bias]) = &self.expand {
            wide = vec![0.0; expanded * n];
            let dims = Conv1x1Dims { co: expanded, ci: input, n };
            let layer: ConvLayer =
                ConvLayer { weight, bias: Some(bias), activation: self.activation };
            conv1x1(&mut wide, dims, layer, x, None);
        }
        let mut convolved = vec![0.0; expanded * batch * area];
        let mut sums = vec![0.0; expanded * batch];
        let dims =
            DepthwiseDims { channels: expanded, batch, height, width, kernel, stride, padding };
        let [weight, bias] = &self.depthwise;
        let layer: ConvLayer = ConvLayer { weight, bias: Some(bias), activation: self.activation };
        depthwise(&mut convolved, dims, layer, &wide, Some(&mut sums));
        if let Some(weights) = self.gate() {
            let mut gates = vec![0.0; sums.len()];
            squeeze_excite_gate(&mut gates, &sums, area, &weights);
            for (plane, gate) in convolved.chunks_mut(area).zip(gates) {
                plane.iter_mut().for_each(|value| *value *= gate);
            }
        }
        let mut out = vec![0.0; output * batch * area];
        let [weight, bias] = &self.project;
        let dims = Conv1x1Dims { co: output, ci: expanded, n: batch * area };
        let residual = self.skip().then_some(x);
        let layer: ConvLayer = ConvLayer { bias: Some(bias), ..ConvLayer::linear(weight) };
        conv1x1(&mut out, dims, layer, &convolved, residual);
        out
    }

    fn check(&self) {
        let MbConvDims { input, batch, height, width, .. } = self.dims;
        let x = uniform(input * batch * height * width, 1);
        let expected = doubles(&self.layer_by_layer(&x));
        assert_close(&format!("{:?}", self.dims), &self.fused(&x), &expected, 1e-5);
    }
}

fn dims(
    [input, expanded, output]: [usize; 3],
    [batch, height, width]: [usize; 3],
    [kernel, stride]: [usize; 2],
) -> MbConvDims {
    let padding = Margins::uniform(kernel / 2);
    MbConvDims { input, expanded, output, batch, height, width, kernel, stride, padding }
}

#[test]
fn large_blocks_on_several_threads() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let shapes = [[8, 48, 8], [20, 20, 12], [9, 54, 11]];
    pool.install(|| {
        for (channels, squeezed) in shapes.into_iter().zip([None, Some(5), Some(3)]) {
            let dims = dims(channels, [2, 57, 83], [5, 1]);
            Block::new(dims, squeezed, Activation::Silu).check();
        }
    });
}

#[test]
#[should_panic(expected = "skip")]
fn a_skip_needs_equal_shapes() {
    let block = Block::new(dims([3, 6, 3], [1, 4, 4], [3, 1]), None, Activation::Relu);
    let layers = MbConv {
        expand: block.expand.as_ref().map(|[weight, bias]| LayerWeights { weight, bias }),
        depthwise: LayerWeights { weight: &block.depthwise[0], bias: &block.depthwise[1] },
        squeeze_excite: None,
        project: LayerWeights { weight: &block.project[0], bias: &block.project[1] },
        activation: Activation::Relu,
        skip: true,
    };
    let dims = MbConvDims { stride: 2, ..block.dims };
    mbconv(&mut [0.0; 12], dims, &layers, &[0.0; 48]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_block(
        channels in (1..9usize, 1..6usize, 1..9usize),
        grid in (1..4usize, 5..20usize, 5..20usize),
        kernel in prop_oneof![Just(3usize), Just(5)],
        stride in 1..3usize,
        squeezed in prop::option::of(1..5usize),
        activation in prop_oneof![Just(Activation::Relu6), Just(Activation::Silu)],
    ) {
        let (input, factor, output) = channels;
        let dims = dims(
            [input, input * factor, output],
            [grid.0, grid.1, grid.2],
            [kernel, stride],
        );
        at_every_level(|| Block::new(dims, squeezed, activation).check());
    }
}
