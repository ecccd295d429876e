use crate::architecture::{BlockSpec, STEM_KERNEL};
use crate::config::BackboneConfig;
use crate::error::BackboneError;
use crate::loader::{HostConv, Loader};
use crate::weights::Weights;

/// Channels of the image.
pub(crate) const RGB: usize = 3;

/// The folded layers of a network on the host.
pub(crate) struct HostNetwork {
    pub(crate) stem: HostConv,
    pub(crate) blocks: Vec<HostBlock>,
    /// The tensors it was made of.
    names: Vec<String>,
}

pub(crate) struct HostBlock {
    pub(crate) spec: BlockSpec,
    pub(crate) expand: Option<HostConv>,
    pub(crate) depthwise: HostConv,
    /// Reduce and expand.
    pub(crate) squeeze_excite: Option<(HostConv, HostConv)>,
    pub(crate) project: HostConv,
}

impl HostNetwork {
    pub(crate) fn read(config: &BackboneConfig, weights: &Weights) -> Result<Self, BackboneError> {
        config.validate()?;
        let architecture = config.architecture();
        let mut loader = Loader::new(weights, config.batch_norm_eps);
        let shape = [architecture.stem, RGB, STEM_KERNEL, STEM_KERNEL];
        let stem = loader.conv_norm("_conv_stem", "_bn0", shape);
        let specs = architecture.blocks.into_iter().enumerate();
        let blocks = specs.map(|(index, spec)| HostBlock::read(&mut loader, index, spec)).collect();
        if loader.problems.is_empty() {
            return Ok(Self { stem, blocks, names: loader.names });
        }
        Err(BackboneError::Weights {
            variant: config.variant,
            block: config.block,
            problems: loader.problems,
        })
    }
}

impl HostBlock {
    fn read(loader: &mut Loader<'_>, index: usize, spec: BlockSpec) -> Self {
        let BlockSpec { kernel, input, expanded, output, .. } = spec;
        let name = |layer: &str| format!("_blocks.{index}.{layer}");
        let mut norm = |conv, bn, shape| loader.conv_norm(&name(conv), &name(bn), shape);
        let expand =
            (expanded != input).then(|| norm("_expand_conv", "_bn0", [expanded, input, 1, 1]));
        let depthwise = norm("_depthwise_conv", "_bn1", [expanded, 1, kernel, kernel]);
        let project = norm("_project_conv", "_bn2", [output, expanded, 1, 1]);
        let squeeze_excite = spec.squeezed.map(|squeezed| {
            let reduce = loader.conv_bias(&name("_se_reduce"), [squeezed, expanded, 1, 1]);
            (reduce, loader.conv_bias(&name("_se_expand"), [expanded, squeezed, 1, 1]))
        });
        Self { spec, expand, depthwise, squeeze_excite, project }
    }
}

impl Weights {
    /// The tensors that a network needs, and no others, with the same metadata.
    ///
    /// # Errors
    /// As [`Backbone::load`](crate::Backbone::load).
    pub fn select(&self, config: &BackboneConfig) -> Result<Self, BackboneError> {
        let names = HostNetwork::read(config, self)?.names;
        let mut selected = self.clone();
        selected.retain(|name| names.iter().any(|needed| needed == name));
        Ok(selected)
    }
}
