//! The block of EfficientNet: expand, depthwise, squeeze-excite, project.
//!
//! The expanded tensor is several times the size of input and output. It's never there as a whole:
//! each task expands a few channels and convolves them while they are in its cache. What is convolved
//! stays in working memory, its means are taken while it's written, and the gates of
//! squeeze-excite are multiplied in when the projection packs it.

use rayon::prelude::*;

use crate::activation::Activation;
use crate::conv_layer::ConvLayer;
use crate::depthwise::{DepthwiseDims, depthwise_here};
use crate::margins::Margins;
use crate::matmul::{Epilogue, GatedRowMajor, RowMajor, matmul, matmul_here};
use crate::parallel::SERIAL_ELEMENTS;
use crate::scratch::with_scratch;
use crate::squeeze_excite::{SqueezeExcite, squeeze_excite_gate};

/// Values of the expanded channels of a task: with their convolution, about what a core has of the
/// second- and third-level caches.
const EXPANDED: usize = 1 << 18;
/// Rows of a tile of the expanding product, of which a task's channels are a multiple.
const ROWS: usize = 6;

/// Shape of a block from `[input, batch, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MbConvDims {
    /// Input channels.
    pub input: usize,
    /// Channels of the depthwise convolution; `input` where the block doesn't expand.
    pub expanded: usize,
    /// Output channels.
    pub output: usize,
    /// Number of images.
    pub batch: usize,
    /// Height of the input.
    pub height: usize,
    /// Width of the input.
    pub width: usize,
    /// Height and width of the depthwise kernel.
    pub kernel: usize,
    /// Step between outputs, down and across.
    pub stride: usize,
    /// Zeros around the input of the depthwise convolution.
    pub padding: Margins,
}

impl MbConvDims {
    /// Height and width of the output.
    ///
    /// # Panics
    ///
    /// If the padded input is smaller than the kernel or the stride is 0.
    pub fn output_size(&self) -> (usize, usize) {
        self.padding.output_size(self.height, self.width, self.kernel, self.stride)
    }

    /// The depthwise convolution of `channels` of the expanded channels.
    fn depthwise(&self, channels: usize) -> DepthwiseDims {
        let Self { batch, height, width, kernel, stride, padding, .. } = *self;
        DepthwiseDims { channels, batch, height, width, kernel, stride, padding }
    }
}

/// Weights and bias of a layer.
#[derive(Clone, Copy, Debug)]
pub struct LayerWeights<'a> {
    /// `[c_out, c_in]` of a 1 x 1, `[channels, kernel, kernel]` of a depthwise convolution.
    pub weight: &'a [f32],
    /// A value for each output channel.
    pub bias: &'a [f32],
}

/// The layers of a block.
#[derive(Clone, Copy, Debug)]
pub struct MbConv<'a> {
    /// 1 x 1, `[expanded, input]`; not in blocks that convolve their input.
    pub expand: Option<LayerWeights<'a>>,
    /// `[expanded, kernel, kernel]`.
    pub depthwise: LayerWeights<'a>,
    /// Gates of the expanded channels.
    pub squeeze_excite: Option<SqueezeExcite<'a>>,
    /// 1 x 1, `[output, expanded]`, without an activation.
    pub project: LayerWeights<'a>,
    /// After the first two.
    pub activation: Activation,
    /// Whether the input is added to the output.
    pub skip: bool,
}

/// `out = project(squeeze_excite(act(depthwise(act(expand(x)))))) (+ x)`.
///
/// `x` is `[input, batch, height, width]`, `out` `[output, batch, out height, out width]`.
///
/// # Panics
///
/// If a slice doesn't have the length that `dims` says, or the padded input is smaller than the
/// kernel.
pub fn mbconv(out: &mut [f32], dims: MbConvDims, layers: &MbConv, x: &[f32]) {
    let MbConvDims { input, expanded, output, batch, height, width, kernel, .. } = dims;
    let (out_height, out_width) = dims.output_size();
    let area = out_height * out_width;
    let (positions, out_positions) = (batch * height * width, batch * area);
    assert_eq!(x.len(), input * positions, "input must be [input, batch, height, width]");
    assert_eq!(
        out.len(),
        output * out_positions,
        "output must be [output, batch, out height, out width]"
    );
    let lengths = |layer: LayerWeights, weight: usize, bias: usize, name: &str| {
        assert_eq!(layer.weight.len(), weight, "weight of the {name} layer");
        assert_eq!(layer.bias.len(), bias, "bias of the {name} layer");
    };
    match layers.expand {
        Some(expand) => lengths(expand, expanded * input, expanded, "expanding"),
        None => assert_eq!(input, expanded, "channels of a block that doesn't expand"),
    }
    lengths(layers.depthwise, expanded * kernel * kernel, expanded, "depthwise");
    lengths(layers.project, output * expanded, output, "projecting");
    assert!(!layers.skip || x.len() == out.len(), "a skip connection needs equal shapes");
    if out.is_empty() {
        return;
    }

    let planes = expanded * batch;
    with_scratch(planes * area + 2 * planes, |scratch| {
        let (convolved, scratch) = scratch.split_at_mut(planes * area);
        let (sums, gates) = scratch.split_at_mut(planes);
        expand_and_convolve(convolved, sums, dims, layers, x);
        let epilogue = Epilogue {
            bias: Some(layers.project.bias),
            residual: layers.skip.then_some(x),
            ..Epilogue::default()
        };
        let (weight, sizes) = (layers.project.weight, [output, out_positions, expanded]);
        match &layers.squeeze_excite {
            Some(weights) => {
                squeeze_excite_gate(gates, sums, area, weights);
                let b = GatedRowMajor { values: convolved, n: out_positions, gates, area };
                matmul(out, weight, &b, sizes, epilogue);
            }
            None => {
                let b = RowMajor { values: convolved, n: out_positions };
                matmul(out, weight, &b, sizes, epilogue);
            }
        }
    });
}

/// The first two layers, `[expanded, batch, out area]`, and the sums of their planes.
fn expand_and_convolve(
    convolved: &mut [f32],
    sums: &mut [f32],
    dims: MbConvDims,
    layers: &MbConv,
    x: &[f32],
) {
    let MbConvDims { input, expanded, batch, height, width, kernel, .. } = dims;
    let positions = batch * height * width;
    let out_positions = convolved.len() / expanded;
    let channels = channels_per_task(expanded, positions);
    let run = |(task, (convolved, sums)): (usize, (&mut [f32], &mut [f32]))| {
        let first = task * channels;
        let count = sums.len() / batch;
        let convolve = |convolved: &mut [f32], sums: &mut [f32], x: &[f32]| {
            let LayerWeights { weight, bias } = layers.depthwise;
            let weight = &weight[first * kernel * kernel..][..count * kernel * kernel];
            let bias = Some(&bias[first..][..count]);
            let layer = ConvLayer { weight, bias, activation: layers.activation };
            depthwise_here(convolved, dims.depthwise(count), layer, x, Some(sums));
        };
        let Some(LayerWeights { weight, bias }) = layers.expand else {
            return convolve(convolved, sums, &x[first * positions..][..count * positions]);
        };
        with_scratch(count * positions, |rows| {
            let epilogue = Epilogue {
                bias: Some(&bias[first..][..count]),
                activation: layers.activation,
                ..Epilogue::default()
            };
            let weight = &weight[first * input..][..count * input];
            let b = RowMajor { values: x, n: positions };
            matmul_here(rows, weight, &b, [count, positions, input], epilogue);
            convolve(convolved, sums, rows);
        });
    };
    let convolved = convolved.par_chunks_mut(channels * out_positions);
    let tasks = convolved.zip(sums.par_chunks_mut(channels * batch)).enumerate();
    tasks.with_max_len(1).for_each(run);
}

/// As many channels as stay in the cache, if that leaves a task for each thread.
fn channels_per_task(expanded: usize, positions: usize) -> usize {
    let threads = rayon::current_num_threads();
    if expanded * positions < SERIAL_ELEMENTS {
        return expanded;
    }
    let cached = (EXPANDED / positions.max(1)).max(ROWS);
    let tasks = expanded.div_ceil(cached).next_multiple_of(threads);
    expanded.div_ceil(tasks).next_multiple_of(ROWS)
}
