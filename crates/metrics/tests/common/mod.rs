use proptest::prelude::*;

/// Samples of both classes whose scores are often tied.
pub fn samples() -> impl Strategy<Value = Vec<(f64, bool)>> {
    let score = prop_oneof![(-3i8..3).prop_map(f64::from), -1e3..1e3f64];
    let extra = prop::collection::vec((score.clone(), any::<bool>()), 0..60);
    (score.clone(), score, extra).prop_map(|(positive, negative, mut samples)| {
        samples.push((positive, true));
        samples.push((negative, false));
        samples
    })
}
