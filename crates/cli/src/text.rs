//! Numbers and names as the program words them. It knows nothing of errors, nor where the words go.

use std::fmt::Display;

use nfbmr::PipelineConfig;
use nfbmr::config::Mask;

/// Text without what names of files could do to a terminal.
pub fn harmless(text: impl Display) -> String {
    let hostile = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.to_string().replace(hostile, "\u{fffd}")
}

/// A line that says how much of an image a model inspects; empty where that is all.
pub fn inspected(config: &PipelineConfig) -> String {
    let share = match config.mask.as_ref().map(Mask::share) {
        None => return String::new(),
        Some(share) if share < 0.001 => "less than 0.1 %".to_owned(),
        Some(share) => percent(share),
    };
    format!("inspected: {share} of the image\n")
}

/// `1 image`, `2 images`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A share as percent, with as many digits as it takes.
pub fn percent(share: f64) -> String {
    let text = format!("{:.1}", 100.0 * share);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}
