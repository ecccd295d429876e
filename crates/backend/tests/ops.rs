//! The fused operations and their gradients against burn's own on the reference backend.
#![cfg(all(feature = "flex", feature = "ndarray"))]

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Int, Tensor, TensorData};
use nfbmr_backend::Activation;
use nfbmr_backend::ops::{
    ConvParams, CouplingBlock, FusedOps, MbConv, SpatialConv, SqueezeExcite, Subnet,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Random values that are the same on every backend.
struct Draw(ChaCha8Rng);

impl Draw {
    fn new() -> Self {
        Self(ChaCha8Rng::seed_from_u64(5))
    }

    fn tensor<B: FusedOps, const D: usize>(&mut self, shape: [usize; D]) -> Tensor<B, D> {
        let values: Vec<f32> =
            (0..shape.iter().product()).map(|_| self.0.random_range(-1.0..1.0)).collect();
        Tensor::from_data(TensorData::new(values, shape), &Default::default())
    }

    /// A leaf whose gradient is asked for.
    fn leaf<B: FusedOps, const D: usize>(&mut self, shape: [usize; D]) -> Tensor<Autodiff<B>, D> {
        Tensor::from_inner(self.tensor::<B, D>(shape)).require_grad()
    }
}

fn values<B: FusedOps, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

fn gradient<B: FusedOps, const D: usize>(
    tensor: &Tensor<Autodiff<B>, D>,
    gradients: &<Autodiff<B> as AutodiffBackend>::Gradients,
) -> Vec<f32> {
    values(tensor.grad(gradients).expect("a gradient"))
}

/// Asserts that lists of values are within 5e-5 of the largest one of each: Winograd's transforms round
/// more than direct sums do.
#[track_caller]
fn assert_close(what: &str, found: Vec<Vec<f32>>, expected: Vec<Vec<f32>>) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "{what}, list {i}");
        let scale = expected.iter().fold(0f32, |scale, v| scale.max(v.abs()));
        let error = found.iter().zip(expected).fold(0f32, |e, (a, b)| e.max((a - b).abs()));
        assert!(error <= 5e-5 * scale, "{what}, list {i}: off by {error}, values reach {scale}");
    }
}

/// Output and all gradients of a weighted sum of the output.
fn conv<B: FusedOps>(
    kernel: usize,
    grid: [usize; 3],
    activation: Activation,
    residual: bool,
    prepare: bool,
) -> Vec<Vec<f32>> {
    let mut draw = Draw::new();
    let [batch, height, width] = grid;
    let x = draw.leaf::<B, 4>([5, batch, height, width]);
    let weight = draw.leaf::<B, 4>([6, 5, kernel, kernel]);
    let bias = draw.leaf::<B, 1>([6]);
    let residual = residual.then(|| draw.leaf::<B, 4>([6, batch, height, width]));
    let params = ConvParams { weight: weight.clone(), bias: bias.clone(), prepared: None };
    let out = Autodiff::<B>::conv(x.clone(), params, activation, residual.clone());
    let upstream = Tensor::from_inner(draw.tensor::<B, 4>([6, batch, height, width]));
    let gradients = (out.clone() * upstream).sum().backward();

    let inner = weight.clone().inner();
    let prepared = if prepare { B::prepare(&inner) } else { None };
    let params = ConvParams { weight: inner, bias: bias.clone().inner(), prepared };
    let plain = B::conv(x.clone().inner(), params, activation, residual.clone().map(Tensor::inner));
    let mut all = vec![values(out.inner()), values(plain)];
    all.push(gradient(&x, &gradients));
    all.push(gradient(&weight, &gradients));
    all.push(gradient(&bias, &gradients));
    all.extend(residual.map(|residual| gradient(&residual, &gradients)));
    all
}

#[test]
fn convolutions_match() {
    let activations =
        [Activation::Identity, Activation::Relu, Activation::LeakyRelu(0.1), Activation::Silu];
    for kernel in [1, 3, 5] {
        for grid in [[1, 1, 1], [2, 5, 7], [3, 8, 4]] {
            for activation in activations {
                for (residual, prepare) in [(false, false), (true, true)] {
                    let found = conv::<Flex>(kernel, grid, activation, residual, prepare);
                    let expected = conv::<NdArray>(kernel, grid, activation, residual, prepare);
                    let what = format!("{kernel} {grid:?} {activation:?} {residual}");
                    assert_close(&what, found, expected);
                }
            }
        }
    }
}

fn subnet<B: FusedOps>(
    draw: &mut Draw,
    [input, hidden, output]: [usize; 3],
    kernel: usize,
) -> Subnet<Autodiff<B>> {
    let mut params = |c_in: usize, c_out: usize| ConvParams {
        weight: draw.leaf::<B, 4>([c_out, c_in, kernel, kernel]),
        bias: draw.leaf::<B, 1>([c_out]),
        prepared: None,
    };
    let (conv1, conv2) = (params(input, hidden), params(hidden, 2 * output));
    Subnet { conv1, conv2, gamma: draw.leaf::<B, 1>([1]) }
}

/// The state after two blocks, and all gradients of a weighted sum of it.
fn coupling<B: FusedOps>(kernel: usize, channels: usize) -> Vec<Vec<f32>> {
    let mut draw = Draw::new();
    let (half, rest) = (channels / 2, channels - channels / 2);
    let grid = [2, 3, 5];
    let state = draw.leaf::<B, 4>([channels + 1, grid[0], grid[1], grid[2]]);
    let order: Vec<i32> = (0..channels as i32).map(|i| (i * 3 + 1) % channels as i32).collect();
    let permutation =
        Tensor::<Autodiff<B>, 1, Int>::from_ints(order.as_slice(), &Default::default());
    let blocks = [(), ()].map(|()| CouplingBlock {
        permutation: permutation.clone(),
        first: subnet::<B>(&mut draw, [half, 4, rest], kernel),
        second: subnet::<B>(&mut draw, [rest, 4, half], kernel),
        clamp: 2.0,
    });
    let out = blocks
        .iter()
        .fold(state.clone(), |state, block| Autodiff::<B>::coupling(state, block.clone()));
    let upstream = Tensor::from_inner(draw.tensor::<B, 4>(out.dims()));
    let gradients = (out.clone() * upstream).sum().backward();
    let mut all = vec![values(out.inner()), gradient(&state, &gradients)];
    for block in &blocks {
        for subnet in [&block.first, &block.second] {
            for conv in [&subnet.conv1, &subnet.conv2] {
                all.push(gradient(&conv.weight, &gradients));
                all.push(gradient(&conv.bias, &gradients));
            }
            // One number that large terms cancel out in: measured by the size of its neighbours.
            all.last_mut().unwrap().extend(gradient(&subnet.gamma, &gradients));
        }
    }
    all
}

#[test]
fn coupling_blocks_match() {
    for kernel in [1, 3, 5] {
        for channels in [2, 5, 8] {
            let found = coupling::<Flex>(kernel, channels);
            let expected = coupling::<NdArray>(kernel, channels);
            assert_close(&format!("kernel {kernel}, {channels} channels"), found, expected);
        }
    }
}

fn spatial<B: FusedOps>(
    weight: [usize; 4],
    channels: usize,
    stride: usize,
    padding: [usize; 4],
) -> Vec<Vec<f32>> {
    let mut draw = Draw::new();
    let x = draw.tensor::<B, 4>([channels, 2, 9, 11]);
    let conv = SpatialConv {
        weight: draw.tensor::<B, 4>(weight),
        bias: draw.tensor::<B, 1>([weight[0]]),
        stride,
        padding,
        activation: Activation::Relu6,
    };
    vec![values(B::spatial_conv(x, conv))]
}

#[test]
fn spatial_convolutions_match() {
    for (weight, channels) in
        [([8, 3, 3, 3], 3), ([6, 1, 3, 3], 6), ([6, 1, 5, 5], 6), ([4, 6, 3, 3], 6)]
    {
        for stride in [1, 2] {
            for padding in [[1, 1, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2]] {
                let found = spatial::<Flex>(weight, channels, stride, padding);
                let expected = spatial::<NdArray>(weight, channels, stride, padding);
                assert_close(&format!("{weight:?} / {stride}, {padding:?}"), found, expected);
            }
        }
    }
}

/// A block with or without its optional layers.
fn mbconv<B: FusedOps>(
    [input, expanded, output, batch]: [usize; 4],
    [kernel, stride]: [usize; 2],
    squeezed: Option<usize>,
    activation: Activation,
) -> Vec<Vec<f32>> {
    let mut draw = Draw::new();
    let x = draw.tensor::<B, 4>([input, batch, 9, 11]);
    let mut params = |c_in: usize, c_out: usize| ConvParams {
        weight: draw.tensor::<B, 4>([c_out, c_in, 1, 1]),
        bias: draw.tensor::<B, 1>([c_out]),
        prepared: None,
    };
    let expand = (expanded != input).then(|| params(input, expanded));
    let squeeze_excite = squeezed.map(|squeezed| SqueezeExcite {
        reduce: params(expanded, squeezed),
        expand: params(squeezed, expanded),
    });
    let project = params(expanded, output);
    let depthwise = SpatialConv {
        weight: draw.tensor::<B, 4>([expanded, 1, kernel, kernel]),
        bias: draw.tensor::<B, 1>([expanded]),
        stride,
        padding: [kernel / 2; 4],
        activation,
    };
    let skip = input == output && stride == 1;
    let block = MbConv { expand, depthwise, squeeze_excite, project, skip };
    // The input is shared here and must stay as it is.
    vec![values(B::mbconv(x.clone(), block)), values(x)]
}

#[test]
fn blocks_match() {
    for channels in [[5, 5, 7, 1], [4, 24, 4, 2], [7, 42, 7, 3]] {
        for (size, squeezed, activation) in [
            ([3, 1], None, Activation::Relu6),
            ([5, 1], Some(2), Activation::Silu),
            ([3, 2], Some(3), Activation::Silu),
        ] {
            let found = mbconv::<Flex>(channels, size, squeezed, activation);
            let expected = mbconv::<NdArray>(channels, size, squeezed, activation);
            assert_close(&format!("{channels:?}, {size:?}, {squeezed:?}"), found, expected);
        }
    }
}

fn residual_map<B: FusedOps>() -> Vec<Vec<f32>> {
    let mut draw = Draw::new();
    let (x, mapped) = (draw.tensor::<B, 4>([6, 2, 3, 5]), draw.tensor::<B, 4>([6, 2, 3, 5]));
    vec![values(B::residual_map(x.clone(), mapped)), values(x)]
}

#[test]
fn residual_maps_match() {
    assert_close("residual map", residual_map::<Flex>(), residual_map::<NdArray>());
}

fn whiten<B: FusedOps>() -> Vec<Vec<f32>> {
    let mut draw = Draw::new();
    let (y, mean) = (draw.tensor::<B, 3>([2, 5, 3]), draw.tensor::<B, 3>([3, 1, 5]));
    vec![values(B::whiten(y, mean, draw.tensor::<B, 3>([3, 5, 5]).triu(0)))]
}

#[test]
fn whitening_matches() {
    assert_close("whitened", whiten::<Flex>(), whiten::<NdArray>());
}
