//! Published files as the crate's own weights: which network it is, from whom, and under which
//! names. Knows no device.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::architecture::Architecture;
use crate::check;
use crate::config::BackboneConfig;
use crate::error::BackboneError;
use crate::naming::{LayerNames, Naming};
use crate::network::Network;
use crate::variant::Variant;
use crate::weight_problem::WeightProblem;
use crate::weights::Weights;
use crate::weights_source::WeightsSource;

/// The prefix that `DataParallel` puts before every name.
const WRAPPER: &str = "module.";

/// Key of the metadata with the checksum of the file that was imported.
const CHECKSUM: &str = "source_sha256";

/// One tensor in this many has to fit for weights to count as an EfficientNet, if a damaged one.
const RESEMBLANCE: usize = 10;

impl Weights {
    /// Reads a file as its authors published it: PyTorch or safetensors, in the naming of
    /// `efficientnet_pytorch`, timm or torchvision, as [`Backbone::load`](crate::Backbone::load)
    /// needs it.
    ///
    /// Format, naming and network are recognised by content. The source is needed where these
    /// cannot tell it, and may be left out where the file's metadata do. Head, classifier and the
    /// prefix `module.` are dropped. The metadata of the result record the source, the
    /// [configuration](Self::config) and the SHA-256 of the file. A file that was imported before
    /// gives the same tensors again.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes); [`BackboneError::UnknownNaming`] for other networks;
    /// [`BackboneError::AmbiguousSource`] if the source has to be named,
    /// [`BackboneError::OtherSource`] if it does not have such tensors; [`BackboneError::Weights`]
    /// lists every tensor that is missing, unexpected, misshapen or unusable.
    pub fn import(bytes: &[u8], source: Option<WeightsSource>) -> Result<Self, BackboneError> {
        let mut weights = Self::from_bytes(bytes)?;
        if weights.iter().all(|(name, _)| name.starts_with(WRAPPER)) {
            weights = weights.renamed(|name| Some(name[WRAPPER.len()..].to_owned()));
        }
        // A file that was cut on an earlier import says so.
        let blocks = weights.config()?.map(|recorded| recorded.block + 1);
        let Candidate { naming, variant, names, .. } = recognise(&weights, blocks)?;
        let source = choose(&weights, naming, variant, source)?;
        let blocks = blocks.unwrap_or_else(|| variant.block_count());
        let config = BackboneConfig::new(source, variant, blocks - 1)?;
        let problems = problems(&config, &weights, naming, &names)?;
        if !problems.is_empty() {
            return Err(check::unfit(&config, problems));
        }
        let canonical = Naming::CANONICAL.network(&config.architecture());
        let pairs = names.tensors().zip(canonical.tensors());
        let pairs: HashMap<_, _> = pairs.map(|((from, _), (to, _))| (from, to)).collect();
        let mut imported = weights.renamed(|name| pairs.get(name).cloned());
        imported.record(&config);
        imported.record_source(source);
        let checksum = || Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        imported.metadata_mut().entry(CHECKSUM.to_owned()).or_insert_with(checksum);
        Ok(imported)
    }
}

/// A network that the tensors might be.
struct Candidate {
    naming: Naming,
    variant: Variant,
    names: Network<LayerNames>,
    /// Tensors that fit in name and shape.
    fitting: usize,
    /// Tensors of the network.
    needed: usize,
}

impl Candidate {
    fn new(naming: Naming, variant: Variant, blocks: Option<usize>, weights: &Weights) -> Self {
        let mut architecture = Architecture::new(variant);
        architecture.blocks.truncate(blocks.unwrap_or(usize::MAX));
        let names = naming.network(&architecture);
        let tensors: Vec<_> = names.tensors().collect();
        let fits = |(name, shape): &&(String, Vec<usize>)| {
            weights.get(name).is_some_and(|tensor| tensor.shape() == shape)
        };
        let (fitting, needed) = (tensors.iter().filter(fits).count(), tensors.len());
        Self { naming, variant, names, fitting, needed }
    }
}

/// The network that most of the tensors fit; of two, such as Lite0 and B0 for the tensors of Lite0,
/// the one that needs no more.
fn recognise(weights: &Weights, blocks: Option<usize>) -> Result<Candidate, BackboneError> {
    let published = |naming: Naming, variant: Variant| {
        WeightsSource::ALL
            .into_iter()
            .any(|source| source.naming() == naming && source.has(variant))
    };
    let pairs = Naming::ALL.into_iter().flat_map(|n| Variant::ALL.map(|variant| (n, variant)));
    pairs
        .filter(|&(naming, variant)| published(naming, variant))
        .map(|(naming, variant)| Candidate::new(naming, variant, blocks, weights))
        .min_by_key(|candidate| (Reverse(candidate.fitting), candidate.needed))
        .filter(|candidate| candidate.fitting * RESEMBLANCE >= candidate.needed)
        .ok_or_else(|| BackboneError::UnknownNaming {
            count: weights.len(),
            first: weights.iter().next().map(|(name, _)| name.to_owned()),
        })
}

/// The source asked for, recorded or the only one possible.
fn choose(
    weights: &Weights,
    naming: Naming,
    variant: Variant,
    asked: Option<WeightsSource>,
) -> Result<WeightsSource, BackboneError> {
    let possible = |source: &WeightsSource| source.naming() == naming && source.has(variant);
    let choices = match weights.source()? {
        Some(recorded) => vec![recorded],
        None => WeightsSource::ALL.into_iter().filter(possible).collect(),
    };
    match (asked, &choices[..]) {
        (Some(asked), choices) if choices.contains(&asked) => Ok(asked),
        (Some(found), _) => Err(BackboneError::OtherSource { variant, expected: choices, found }),
        (None, &[only]) => Ok(only),
        (None, _) => Err(BackboneError::AmbiguousSource { variant, choices }),
    }
}

/// As [`check::problems`], and tensors that the network does not have.
fn problems(
    config: &BackboneConfig,
    weights: &Weights,
    naming: Naming,
    names: &Network<LayerNames>,
) -> Result<Vec<WeightProblem>, BackboneError> {
    let mut problems = check::problems(config, weights, names)?;
    let known: HashSet<String> = names.tensors().map(|(name, _)| name).collect();
    let unexpected =
        weights.iter().filter(|(name, _)| !known.contains(*name) && !naming.is_head(name));
    problems.extend(unexpected.map(|(name, tensor)| WeightProblem::Unexpected {
        name: name.to_owned(),
        found: tensor.shape().to_vec(),
    }));
    Ok(problems)
}
