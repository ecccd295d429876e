//! What weight files record in their metadata, so that they say themselves how they are to be used.
//! Knows configurations, and tensors not at all.

use std::str::FromStr;

use crate::config::BackboneConfig;
use crate::error::BackboneError;
use crate::normalization::Normalization;
use crate::padding::Padding;
use crate::weights::Weights;
use crate::weights_source::WeightsSource;

const VARIANT: &str = "variant";
const PADDING: &str = "padding";
const EPS: &str = "batch_norm_eps";
const MEAN: &str = "normalization_mean";
const STD: &str = "normalization_std";
const SOURCE: &str = "source_kind";

impl BackboneConfig {
    /// The number of blocks in the file.
    pub(crate) const BLOCKS: &str = "blocks";

    const KEYS: [&str; 6] = [VARIANT, Self::BLOCKS, PADDING, EPS, MEAN, STD];

    /// The configuration as keys and values of metadata, always in the same order.
    pub(crate) fn notes(&self) -> [(&'static str, String); 6] {
        let values = [
            self.variant.to_string(),
            (self.block + 1).to_string(),
            self.padding.to_string(),
            self.batch_norm_eps.to_string(),
            format!("{:?}", self.normalization.mean),
            format!("{:?}", self.normalization.std),
        ];
        let mut values = values.into_iter();
        Self::KEYS.map(|key| (key, values.next().unwrap_or_default()))
    }
}

impl Weights {
    /// The configuration of the whole file, up to its last block, as the metadata record it; `None`
    /// if they record nothing of it.
    ///
    /// Files made by [`import`](Self::import) and [`select`](Self::select) record it. A network up
    /// to an earlier block is `BackboneConfig { block, ..recorded }`.
    ///
    /// # Errors
    /// [`BackboneError::Metadata`] if it is recorded in part or in values without meaning,
    /// otherwise as [`BackboneConfig::validate`].
    pub fn config(&self) -> Result<Option<BackboneConfig>, BackboneError> {
        if !BackboneConfig::KEYS.iter().any(|&key| self.metadata().contains_key(key)) {
            return Ok(None);
        }
        let config = BackboneConfig {
            variant: self.note(VARIANT, "b0 to b7 or lite0 to lite4", parse)?,
            block: self.note(BackboneConfig::BLOCKS, "a number of 1 or more", |text| {
                parse::<usize>(text)?.checked_sub(1)
            })?,
            padding: self.note(
                PADDING,
                "same_dynamic, same_static and a resolution, or symmetric",
                Padding::parse,
            )?,
            batch_norm_eps: self.note(EPS, "a number", parse)?,
            normalization: Normalization {
                mean: self.note(MEAN, "a list of three numbers", list)?,
                std: self.note(STD, "a list of three numbers", list)?,
            },
        };
        config.validate()?;
        Ok(Some(config))
    }

    /// Where the weights come from, as the metadata record it; `None` if they do not.
    ///
    /// # Errors
    /// [`BackboneError::Metadata`] if the metadata name an unknown source.
    pub fn source(&self) -> Result<Option<WeightsSource>, BackboneError> {
        let names = || WeightsSource::ALL.map(WeightsSource::name).join(", ");
        let Some(name) = self.metadata().get(SOURCE) else { return Ok(None) };
        name.parse().map(Some).map_err(|_| BackboneError::Metadata {
            key: SOURCE,
            expected: names(),
            found: name.clone(),
        })
    }

    /// Puts a configuration on record.
    pub(crate) fn record(&mut self, config: &BackboneConfig) {
        let notes = config.notes().map(|(key, value)| (key.to_owned(), value));
        self.metadata_mut().extend(notes);
    }

    pub(crate) fn record_source(&mut self, source: WeightsSource) {
        self.metadata_mut().insert(SOURCE.to_owned(), source.to_string());
    }

    fn note<T>(
        &self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, BackboneError> {
        let found = self.metadata().get(key);
        found.and_then(|text| parse(text)).ok_or_else(|| BackboneError::Metadata {
            key,
            expected: expected.to_owned(),
            found: found.cloned().unwrap_or_else(|| "nothing".to_owned()),
        })
    }
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn list(text: &str) -> Option<[f32; 3]> {
    serde_json::from_str(text).ok()
}
