//! Weights cut to what a configuration needs. Knows the check that they have it.

use std::collections::HashSet;

use crate::check;
use crate::config::BackboneConfig;
use crate::error::BackboneError;
use crate::weights::Weights;

impl Weights {
    /// The tensors that a network needs, and no others; the metadata are kept and record the
    /// configuration.
    ///
    /// # Errors
    /// As [`Backbone::load`](crate::Backbone::load).
    pub fn select(&self, config: &BackboneConfig) -> Result<Self, BackboneError> {
        let names = check::names(config, self)?;
        let needed: HashSet<String> = names.tensors().map(|(name, _)| name).collect();
        let mut selected =
            self.clone().renamed(|name| needed.contains(name).then(|| name.to_owned()));
        selected.record(config);
        Ok(selected)
    }
}
