//! What the charts share: the frame, colours, text and numbers.

use maud::{Markup, html};

use crate::format::shorten;

/// Width of every chart, in CSS pixels, so that text is readable on a phone.
pub(crate) const WIDTH: f64 = 360.0;

/// The palette of Okabe and Ito without yellow, too light for lines on white, and with grey for black, so
/// that all are visible on light and dark.
const COLORS: [&str; 7] =
    ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C8C8C"];

/// Normal images: sky blue, filled.
pub(crate) const NORMAL: &str = "#56B4E9";
/// Images with a defect: vermilion, in outline.
pub(crate) const DEFECT: &str = "#D55E00";

/// As many as are coprime to the colours, so that 56 systems look different.
const DASHES: [&str; 8] = ["none", "7 2", "2 2", "8 2 2 2", "4 2", "10 3", "1 3", "8 2 2 2 2 2"];

pub(crate) fn color(system: usize) -> &'static str {
    COLORS[system % COLORS.len()]
}

pub(crate) fn dash(system: usize) -> &'static str {
    DASHES[system % DASHES.len()]
}

/// A chart with a title for screen readers.
pub(crate) fn frame(height: f64, title: &str, content: Markup) -> Markup {
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (height) }
            width=(WIDTH) height=(height) role="img" fill="currentColor"
            font-family="system-ui, sans-serif" font-size="12" {
            title { (title) }
            (content)
        }
    }
}

/// Where a line of text is held: `start`, `middle` or `end`.
pub(crate) fn text(x: f64, y: f64, anchor: &str, content: &str) -> Markup {
    html! { text x=(px(x)) y=(px(y)) text-anchor=(anchor) { (content) } }
}

/// A name, cut where it is longer than there is room for; the whole name is its tooltip.
pub(crate) fn name(x: f64, y: f64, characters: usize, name: &str) -> Markup {
    html! { text x=(px(x)) y=(px(y)) { title { (name) } (shorten(name, characters)) } }
}

pub(crate) fn line(from: (f64, f64), to: (f64, f64), opacity: f64) -> Markup {
    html! {
        line x1=(px(from.0)) y1=(px(from.1)) x2=(px(to.0)) y2=(px(to.1)) stroke="currentColor"
            stroke-opacity=(opacity) {}
    }
}

pub(crate) fn path(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let points: Vec<String> =
        points.into_iter().map(|(x, y)| format!("{} {}", px(x), px(y))).collect();
    format!("M{}", points.join("L"))
}

/// A coordinate, to a tenth of a pixel.
pub(crate) fn px(coordinate: f64) -> String {
    let text = format!("{coordinate:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
