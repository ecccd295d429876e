//! Bars of AUROC, by category and by system, and those of the ablation.

use maud::{Markup, html};

use super::draw::{WIDTH, color, frame, line, name, px, text};
use crate::format::Spread;
use crate::report::{Published, Report};
use crate::summary::Summary;

const LEFT: f64 = 106.0;
const RIGHT: f64 = WIDTH - 84.0;
const PITCH: f64 = 18.0;
const HEADING: f64 = 20.0;

/// An AUROC and the range of its whisker.
struct Bar<'a> {
    name: &'a str,
    /// That of a system; without it the bar is an outline.
    color: Option<usize>,
    value: Spread,
    whisker: Option<[f64; 2]>,
}

/// Image AUROC of all categories and systems.
pub(crate) fn auroc(summary: &Summary) -> Option<Markup> {
    let groups: Vec<_> = summary
        .categories
        .iter()
        .map(|&category| (Some(category), bars(summary, category)))
        .collect();
    draw("Image AUROC by category and system", &groups, lowest(summary))
}

/// Image AUROC of one category's systems, to the scale of [`auroc`].
pub(crate) fn auroc_of(summary: &Summary, category: &str) -> Option<Markup> {
    let title = format!("Image AUROC of {category} by system");
    draw(&title, &[(None, bars(summary, category))], lowest(summary))
}

/// Mean image AUROC of the systems that add a part each, with those published below them.
pub(crate) fn ablation<'a>(report: &'a Report, summary: &Summary<'a>) -> Option<Markup> {
    let group = |&system: &&'a str| {
        let own = bar(summary, system, summary.mean_auroc(system)?, None)?;
        let others = report.published.as_ref();
        let others = others.and_then(|published| published_bar(published, system));
        Some((None, [own].into_iter().chain(others).collect::<Vec<_>>()))
    };
    let groups: Vec<_> = summary.ablation.iter().filter_map(group).collect();
    let low = groups.iter().flat_map(|(_, bars)| bars).map(Bar::low).fold(0.5, f64::min);
    draw("Ablation: mean image AUROC over the categories", &groups, low)
}

fn published_bar<'a>(published: &'a Published, system: &str) -> Option<Bar<'a>> {
    let of =
        |(name, value): &(String, f64)| (name == system && value.is_finite()).then_some(*value);
    let mean = published.image_auroc.iter().find_map(of)?.clamp(0.0, 1.0);
    let value = Spread { mean, std: None };
    Some(Bar { name: &published.source, color: None, value, whisker: None })
}

fn bars<'a>(summary: &Summary<'a>, category: &str) -> Vec<Bar<'a>> {
    let of = |&system: &&'a str| {
        let interval = summary.cell(category, system).find_map(|run| run.run.image_auroc_interval);
        bar(summary, system, summary.auroc(category, system)?, interval)
    };
    summary.systems.iter().filter_map(of).collect()
}

/// The whisker is the standard deviation over seeds, or the interval of a single run.
fn bar<'a>(
    summary: &Summary<'a>,
    system: &'a str,
    value: Spread,
    interval: Option<[f64; 2]>,
) -> Option<Bar<'a>> {
    let deviation = value.std.map(|std| [value.mean - std, value.mean + std]);
    let whisker = deviation.or(interval).filter(|range| range.iter().all(|end| end.is_finite()));
    let whisker = whisker.map(|range| range.map(|end| end.clamp(0.0, 1.0)));
    let color = summary.systems.iter().position(|&name| name == system)?;
    Some(Bar { name: system, color: Some(color), value, whisker })
}

impl Bar<'_> {
    fn low(&self) -> f64 {
        self.whisker.map_or(self.value.mean, |[low, _]| low.min(self.value.mean))
    }
}

/// Where the axis starts: at chance, or below the lowest value.
fn lowest(summary: &Summary) -> f64 {
    let bars = summary.categories.iter().flat_map(|category| bars(summary, category));
    bars.map(|bar| bar.low()).fold(0.5, f64::min)
}

fn draw(title: &str, groups: &[(Option<&str>, Vec<Bar>)], low: f64) -> Option<Markup> {
    let low = (low * 10.0).floor() / 10.0;
    let place = |value: f64| LEFT + (RIGHT - LEFT) * (value - low) / (1.0 - low);
    let mut y = 4.0;
    let mut rows = Vec::new();
    for (heading, bars) in groups.iter().filter(|(_, bars)| !bars.is_empty()) {
        if let Some(heading) = heading {
            rows.push(html! { g font-weight="600" { (name(0.0, y + 14.0, 48, heading)) } });
            y += HEADING;
        }
        for bar in bars {
            rows.push(row(bar, y, &place));
            y += PITCH;
        }
        y += 4.0;
    }
    if rows.is_empty() {
        return None;
    }
    // Every tenth where there is room, else every second.
    let step = if low < 0.5 { 2 } else { 1 };
    let ticks = (0..=10).rev().step_by(step).map(|tenth| f64::from(tenth) / 10.0);
    let content = html! {
        @for tick in ticks.filter(|&tick| tick >= low - 1e-9) {
            (line((place(tick), 2.0), (place(tick), y), 0.15))
            (text(place(tick), y + 14.0, "middle", &format!("{:.0}", tick * 100.0)))
        }
        @for row in &rows { (row) }
        (line((place(0.5), 2.0), (place(0.5), y), 0.6))
        (text(WIDTH, y + 14.0, "end", "AUROC, %"))
    };
    Some(frame(y + 20.0, title, content))
}

/// The bar starts at chance.
fn row(bar: &Bar, y: f64, place: &impl Fn(f64) -> f64) -> Markup {
    let (value, middle) = (place(bar.value.mean), y + PITCH / 2.0);
    let (left, right) = (value.min(place(0.5)), value.max(place(0.5)));
    html! {
        (name(0.0, middle + 4.0, 15, bar.name))
        @let fill = bar.color.map_or("none", color);
        @let stroke = bar.color.is_none().then_some("currentColor");
        rect x=(px(left)) y=(px(y + 2.0)) width=(px(right - left)) height=(PITCH - 4.0) fill=(fill)
            stroke=[stroke] { title { (bar.name) ": " (bar.value.text(100.0)) } }
        @if let Some([low, high]) = bar.whisker {
            @let (low, high) = (place(low), place(high));
            (line((low, middle), (high, middle), 1.0))
            (line((low, middle - 3.0), (low, middle + 3.0), 1.0))
            (line((high, middle - 3.0), (high, middle + 3.0), 1.0))
        }
        (text(WIDTH, middle + 4.0, "end", &bar.value.text(100.0)))
    }
}
