//! The layers of each network, from the table that its multipliers scale, and what follows from them:
//! channels and strides by block. Of the crate only the networks' names are known.

use crate::variant::Variant;

/// One MBConv block: expand (1x1), depthwise (k x k), squeeze-excite where there is one, project
/// (1x1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockSpec {
    /// Index of its stage, and its place in it.
    pub(crate) stage: usize,
    pub(crate) repeat: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) input: usize,
    /// Channels of the depthwise convolution; equal to `input` where there is no expansion.
    pub(crate) expanded: usize,
    pub(crate) output: usize,
    /// Channels between the two squeeze-excite convolutions.
    pub(crate) squeezed: Option<usize>,
}

impl BlockSpec {
    /// Whether the block starts with an expanding convolution; those of the first stage do not.
    pub(crate) fn expands(&self) -> bool {
        self.expanded != self.input
    }

    pub(crate) fn has_skip(&self) -> bool {
        self.stride == 1 && self.input == self.output
    }
}

/// A stage of B0: the row of the table that the multipliers scale.
struct Stage {
    repeats: usize,
    kernel: usize,
    stride: usize,
    expand: usize,
    output: usize,
}

const fn stage(
    repeats: usize,
    kernel: usize,
    stride: usize,
    expand: usize,
    output: usize,
) -> Stage {
    Stage { repeats, kernel, stride, expand, output }
}

const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];

const STEM_CHANNELS: usize = 32;
const CHANNEL_DIVISOR: usize = 8;
const SQUEEZE_RATIO: f64 = 0.25;

/// Kernel and stride of the stem convolution, the same in every variant.
pub(crate) const STEM_KERNEL: usize = 3;
pub(crate) const STEM_STRIDE: usize = 2;

/// The layers of a variant.
pub(crate) struct Architecture {
    pub(crate) stem: usize,
    pub(crate) blocks: Vec<BlockSpec>,
}

impl Architecture {
    pub(crate) fn new(variant: Variant) -> Self {
        let (width, depth, _) = variant.scaling();
        let lite = variant.is_lite();
        let stem = if lite { STEM_CHANNELS } else { round_filters(STEM_CHANNELS, width) };
        let mut blocks = Vec::new();
        let mut input = stem;
        for (index, stage) in STAGES.iter().enumerate() {
            let output = round_filters(stage.output, width);
            let fixed_depth = lite && (index == 0 || index == STAGES.len() - 1);
            let repeats =
                if fixed_depth { stage.repeats } else { round_repeats(stage.repeats, depth) };
            for repeat in 0..repeats {
                blocks.push(BlockSpec {
                    stage: index,
                    repeat,
                    kernel: stage.kernel,
                    stride: if repeat == 0 { stage.stride } else { 1 },
                    input,
                    expanded: input * stage.expand,
                    output,
                    squeezed: (!lite).then(|| squeezed(input)),
                });
                input = output;
            }
        }
        Self { stem, blocks }
    }
}

impl Variant {
    /// Number of MBConv blocks of the whole network.
    pub fn block_count(self) -> usize {
        Architecture::new(self).blocks.len()
    }

    /// Number of channels that the block with this index puts out; `None` past the last block.
    pub fn channels(self, block: usize) -> Option<usize> {
        Architecture::new(self).blocks.get(block).map(|spec| spec.output)
    }

    /// Pixels of the image per position of that block's output (2 to 32); `None` past the last
    /// block.
    pub fn stride(self, block: usize) -> Option<usize> {
        let blocks = Architecture::new(self).blocks;
        let upto: &[BlockSpec] = blocks.get(..=block)?;
        Some(upto.iter().fold(2, |stride, spec| stride * spec.stride))
    }

    /// The last block of `other` in the stage that this variant's block belongs to, which has the same
    /// [`stride`](Self::stride) if that block is the last of its stage too; `None` past the last block.
    pub fn counterpart(self, block: usize, other: Self) -> Option<usize> {
        let stage = Architecture::new(self).blocks.get(block)?.stage;
        Architecture::new(other).blocks.iter().rposition(|spec| spec.stage == stage)
    }
}

/// Channels scaled by the width multiplier: the nearest multiple of 8, but never more than 10 %
/// below.
fn round_filters(filters: usize, width: f64) -> usize {
    let scaled = filters as f64 * width;
    let half = CHANNEL_DIVISOR as f64 / 2.0;
    let nearest = (scaled + half) as usize / CHANNEL_DIVISOR * CHANNEL_DIVISOR;
    let rounded = nearest.max(CHANNEL_DIVISOR);
    if (rounded as f64) < 0.9 * scaled { rounded + CHANNEL_DIVISOR } else { rounded }
}

fn round_repeats(repeats: usize, depth: f64) -> usize {
    (repeats as f64 * depth).ceil() as usize
}

/// The ratio applies to the input of the block, not to the expanded channels.
fn squeezed(input: usize) -> usize {
    ((input as f64 * SQUEEZE_RATIO) as usize).max(1)
}
