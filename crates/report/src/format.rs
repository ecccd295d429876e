//! Numbers and text as the report shows them.

use nfbmr_metrics::mean_std;

/// What is shown where a number is undefined.
pub(crate) const UNDEFINED: &str = "-";

/// Mean and, over several values, the sample standard deviation. Values that aren't finite don't count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub mean: f64,
    pub std: Option<f64>,
}

impl Spread {
    pub fn new(values: impl IntoIterator<Item = Option<f64>>) -> Option<Self> {
        let values: Vec<f64> =
            values.into_iter().flatten().filter(|value| value.is_finite()).collect();
        match (mean_std(&values), &values[..]) {
            (Ok(spread), _) => Some(Self { mean: spread.mean, std: Some(spread.std) }),
            (_, &[mean]) => Some(Self { mean, std: None }),
            _ => None,
        }
    }

    /// Of a value that is `scale` times as large, with one decimal.
    pub fn text(&self, scale: f64) -> String {
        let mean = self.mean * scale;
        match self.std {
            Some(std) => format!("{mean:.1} ± {:.1}", std * scale),
            None => format!("{mean:.1}"),
        }
    }
}

/// A score with at least three significant digits.
pub(crate) fn score(value: f64) -> String {
    if value.is_nan() {
        return UNDEFINED.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = 2 - value.abs().log10().floor() as i32;
    match digits {
        0..=5 => format!("{value:.*}", digits as usize),
        -3..0 => format!("{value:.0}"),
        _ => format!("{value:.2e}"),
    }
}

/// Replaces what no browser should get to see: characters that XML forbids, other controls, and those that
/// reorder the text around them.
pub(crate) fn clean(text: String) -> String {
    let forbidden = |c: char| {
        matches!(c,
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{fffe}' | '\u{ffff}')
    };
    if text.contains(forbidden) { text.replace(forbidden, "\u{fffd}") } else { text }
}

/// The first characters of a name that is too long for a chart.
pub(crate) fn shorten(name: &str, characters: usize) -> String {
    match name.char_indices().nth(characters) {
        Some(_) => name.chars().take(characters - 1).chain(['…']).collect(),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_needs_two_values_to_deviate() {
        assert_eq!(Spread::new([]), None);
        assert_eq!(Spread::new([None, Some(f64::NAN), Some(f64::INFINITY)]), None);
        assert_eq!(Spread::new([Some(0.5), None]).unwrap().text(100.0), "50.0");
        assert_eq!(Spread::new([Some(0.5), Some(0.7)]).unwrap().text(100.0), "60.0 ± 14.1");
    }

    #[test]
    fn controls_and_reordering_are_replaced() {
        let hostile = "a\0b\u{1b}c\u{202e}d\u{85}e\u{ffff}";
        assert_eq!(clean(hostile.to_owned()), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}");
        assert_eq!(clean("tab\tline\nGrün 部品".to_owned()), "tab\tline\nGrün 部品");
    }

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(shorten("部品部品部品", 4), "部品部…");
        assert_eq!(shorten("部品部品", 4), "部品部品");
    }

    #[test]
    fn scores_have_three_digits() {
        let texts = [0.0, 1.0, -0.012345, 123.4, 12345.6, 1.5e9, 1e-9, 0.25].map(score);
        assert_eq!(texts, ["0", "1.00", "-0.0123", "123", "12346", "1.50e9", "1.00e-9", "0.250"]);
        assert_eq!([f64::NAN, f64::NEG_INFINITY, 5e-324].map(score), ["-", "-inf", "4.94e-324"]);
    }
}
