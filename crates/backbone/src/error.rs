//! Why a backbone could not be had. Names networks and sources, and no configuration.

use std::fmt;

use thiserror::Error;

use crate::variant::Variant;
use crate::weight_problem::WeightProblem;
use crate::weights_error::WeightsError;
use crate::weights_source::WeightsSource;

/// Why a backbone could not be configured, loaded or run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackboneError {
    /// The source does not have this network.
    #[error("expected one of {}, which {from} has, found {found}", list(&variants(*from)))]
    NoSuchSource {
        /// The source.
        from: WeightsSource,
        /// The network asked for.
        found: Variant,
    },
    /// The weights could not be read.
    #[error(transparent)]
    Read(#[from] WeightsError),
    /// The tensors are not those of an EfficientNet in a naming that is understood.
    #[error(
        "expected the tensors of an EfficientNet B0 to B7 or Lite0 to Lite4 as \
         efficientnet_pytorch (_blocks.0._depthwise_conv.weight), timm \
         (blocks.0.0.conv_dw.weight) or torchvision (features.1.0.block.0.0.weight) \
         name them, found {count} tensors{}",
        first.iter().map(|name| format!(", the first of them {name}")).collect::<String>()
    )]
    UnknownNaming {
        /// How many tensors there are.
        count: usize,
        /// The name of the first.
        first: Option<String>,
    },
    /// Several sources have such tensors, with other details, and nothing says which it is.
    #[error(
        "these {variant} weights could be from several sources, which pad or normalise \
         differently: when importing (`nfbmr weights import --source`), name one of {}",
        list(choices)
    )]
    AmbiguousSource {
        /// The network.
        variant: Variant,
        /// The sources possible.
        choices: Vec<WeightsSource>,
    },
    /// The source named is not that of the weights, by their tensors and metadata.
    #[error("these {variant} weights are from {}, found the source {found}", list(expected))]
    OtherSource {
        /// The network.
        variant: Variant,
        /// The sources possible.
        expected: Vec<WeightsSource>,
        /// The source named.
        found: WeightsSource,
    },
    /// The metadata of a weight file have a value without meaning.
    #[error("metadata {key} of the weights: expected {expected}, found {found}")]
    Metadata {
        /// The key.
        key: &'static str,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The block does not exist.
    #[error("{variant} has {blocks} blocks, expected an index below {blocks}, found {found}")]
    Block {
        /// The network.
        variant: Variant,
        /// How many blocks it has.
        blocks: usize,
        /// The index asked for.
        found: usize,
    },
    /// Features of a block after the last one loaded were asked for.
    #[error("the network is loaded up to block {last}, found a request for block {found}")]
    NotLoaded {
        /// The last block loaded.
        last: usize,
        /// The index asked for.
        found: usize,
    },
    /// Epsilon of batch normalisation is negative or not finite.
    #[error("expected a finite batch_norm_eps of 0 or more, found {found}")]
    BatchNormEps {
        /// The value given.
        found: f64,
    },
    /// A normalisation that cannot be applied.
    #[error(
        "expected finite means and positive standard deviations, found mean {mean:?}, std {std:?}"
    )]
    Normalization {
        /// The means given.
        mean: [f32; 3],
        /// The standard deviations given.
        std: [f32; 3],
    },
    /// A side, in pixels, that is 0 or beyond what any image has.
    #[error("{what}: expected 1 to {max} pixels, found {found}")]
    Side {
        /// Which side.
        what: &'static str,
        /// The largest one.
        max: usize,
        /// The one given.
        found: usize,
    },
    /// A kernel does not fit in its padded input.
    #[error(
        "a network input of {height} x {width} pixels (height x width) is too small for this network: \
         expected {min} or more on each side; raise input_size or take an earlier block"
    )]
    TooSmall {
        /// The shortest side that fits.
        min: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// The input of `forward` is not a batch of images of three channels.
    #[error("expected an input of shape [1 or more, 3, height, width], found {found:?}")]
    Input {
        /// Shape of the input.
        found: [usize; 4],
    },
    /// Tensors are missing, unexpected, misshapen or unusable, or details other than the
    /// configuration's; all are listed.
    #[error("the weights do not fit {variant} up to block {block}:{}", lines(problems))]
    Weights {
        /// The network asked for.
        variant: Variant,
        /// Its last block.
        block: usize,
        /// All that is wrong, in the order of the layers.
        problems: Vec<WeightProblem>,
    },
}

fn list(choices: &[impl fmt::Display]) -> String {
    let names: Vec<String> = choices.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn variants(source: WeightsSource) -> Vec<Variant> {
    Variant::ALL.into_iter().filter(|&variant| source.has(variant)).collect()
}

fn lines(problems: &[WeightProblem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
