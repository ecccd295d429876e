//! Images of good parts that are unlike the others.

use crate::error::ImageName;

/// The fewest images whose spread says which of them is far out.
const FEWEST: usize = 8;

/// How far beyond the upper quartile far out begins, in interquartile ranges (Tukey, 1977).
const REACH: f64 = 3.0;

/// The least spread that counts, as a share of the median: generated images may all be alike.
const LEAST_SPREAD: f64 = 0.05;

/// An image given as one of a good part that is far out of the others: a defect among the good, perhaps.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Suspect {
    /// The image.
    pub image: ImageName,
    /// How far its score, by statistics or a model that left it out, is above the upper quartile of all, in
    /// interquartile ranges: 3 or more.
    pub ranges: f64,
}

/// The images whose scores are far out, the highest first; `None` for images too few to tell.
pub(crate) fn far_out(scores: &[(ImageName, f64)]) -> Option<Vec<Suspect>> {
    let mut sorted: Vec<f64> = scores.iter().map(|(_, score)| *score).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| sorted.get((share * (sorted.len() - 1) as f64).round() as usize);
    if sorted.len() < FEWEST {
        return None;
    }
    let (&low, &median, &high) = (quantile(0.25)?, quantile(0.5)?, quantile(0.75)?);
    let spread = (high - low).max(LEAST_SPREAD * median.abs());
    let mut suspects: Vec<Suspect> = scores
        .iter()
        .map(|(image, score)| Suspect { image: image.clone(), ranges: (score - high) / spread })
        .filter(|suspect| suspect.ranges > REACH)
        .collect();
    suspects.sort_by(|a, b| b.ranges.total_cmp(&a.ranges));
    Some(suspects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(values: impl IntoIterator<Item = f64>) -> Vec<(ImageName, f64)> {
        (0..).map(ImageName::Index).zip(values).collect()
    }

    #[test]
    fn what_is_far_out_is_found_and_what_is_spread_is_not() {
        let even: Vec<f64> = (0..20).map(|i| 1.0 + 0.1 * f64::from(i)).collect();
        assert_eq!(far_out(&scores(even.clone())), Some(vec![]));
        let with = [&even[..], &[9.0, 20.0]].concat();
        let found = far_out(&scores(with)).unwrap();
        let images: Vec<_> = found.iter().map(|suspect| suspect.image.clone()).collect();
        assert_eq!(images, [ImageName::Index(21), ImageName::Index(20)]);
        // The quartiles are 1.5 and 2.6.
        assert!((found[0].ranges - (20.0 - 2.6) / 1.1).abs() < 0.6, "{found:?}");
    }

    #[test]
    fn few_images_say_nothing_and_images_alike_are_not_told_apart_by_rounding() {
        assert_eq!(far_out(&scores([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 90.0])), None);
        let alike = (0..20).map(|i| 1.0 + 1e-6 * f64::from(i * i));
        assert_eq!(far_out(&scores(alike)), Some(vec![]));
    }
}
