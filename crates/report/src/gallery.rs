//! Examples as images, the worst first.

use maud::{Markup, html};

use crate::error::ReportError;
use crate::format::score;
use crate::png::Png;
use crate::report::{Example, Report};
use crate::summary::Summary;
use crate::svg::file_name;

/// What became of an image at the threshold with the highest F1 of its run.
#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Miss,
    FalseAlarm,
    Right,
    Unknown,
}

struct Judged<'a> {
    example: &'a Example,
    verdict: Verdict,
    /// The share of the other class on the wrong side of the score.
    wrongness: f64,
}

impl<'a> Judged<'a> {
    fn new(example: &'a Example, summary: &Summary) -> Self {
        let of = summary
            .cell(&example.category, &example.system)
            .find(|run| run.run.seed == example.seed)
            .and_then(|run| Some((run, run.threshold?)));
        let Some((run, threshold)) = of.filter(|_| !example.score.is_nan()) else {
            return Self { example, verdict: Verdict::Unknown, wrongness: 0.0 };
        };
        let defect = example.defect.is_some();
        let verdict = match (defect, f64::from(example.score) >= threshold) {
            (true, false) => Verdict::Miss,
            (false, true) => Verdict::FalseAlarm,
            _ => Verdict::Right,
        };
        Self { example, verdict, wrongness: run.wrongness(example.score, defect) }
    }

    /// Wrong verdicts, then right ones, then those without.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let place = |judged: &Self| match judged.verdict {
            Verdict::Miss | Verdict::FalseAlarm => 0,
            Verdict::Right => 1,
            Verdict::Unknown => 2,
        };
        place(self).cmp(&place(other)).then(other.wrongness.total_cmp(&self.wrongness))
    }
}

/// The worst first.
fn judged<'a>(report: &'a Report, summary: &Summary) -> Vec<Judged<'a>> {
    let mut judged: Vec<Judged> =
        report.examples.iter().map(|example| Judged::new(example, summary)).collect();
    judged.sort_by(Judged::order);
    judged
}

/// The images of all examples by the names of their files: `001-000_png-image.png` for the first.
pub(crate) fn files(report: &Report) -> Result<Vec<(String, &[u8])>, ReportError> {
    let summary = Summary::new(report)?;
    let mut files = Vec::new();
    for (place, Judged { example, .. }) in (1..).zip(judged(report, &summary)) {
        for (name, png) in pictures(example) {
            check(example, name, png)?;
            files.push((format!("{place:03}-{}-{name}.png", file_name(&example.title)), &*png.0));
        }
    }
    Ok(files)
}

/// What there is of an example, by name.
fn pictures(example: &Example) -> impl Iterator<Item = (&'static str, &Png)> {
    let all = [
        ("image", Some(&example.image)),
        ("mask", example.mask.as_ref()),
        ("heatmap", example.heatmap.as_ref()),
        ("overlay", example.overlay.as_ref()),
    ];
    all.into_iter().filter_map(|(name, png)| Some((name, png?)))
}

/// The size of a picture.
fn check(example: &Example, image: &'static str, png: &Png) -> Result<(u32, u32), ReportError> {
    png.size().ok_or_else(|| ReportError::NotPng { title: example.title.clone(), image })
}

/// All examples of a report.
pub(crate) fn gallery(report: &Report, summary: &Summary) -> Result<Markup, ReportError> {
    let figures: Vec<Markup> =
        judged(report, summary).iter().map(figure).collect::<Result<_, _>>()?;
    Ok(html! { div.gallery { @for figure in &figures { (figure) } } })
}

fn figure(judged: &Judged) -> Result<Markup, ReportError> {
    let example = judged.example;
    let (class, verdict) = match judged.verdict {
        Verdict::Miss => (Some("wrong"), Some("Missed defect")),
        Verdict::FalseAlarm => (Some("wrong"), Some("False alarm")),
        Verdict::Right if example.defect.is_some() => (None, Some("Defect found")),
        Verdict::Right => (None, Some("Normal, passed")),
        Verdict::Unknown => (None, None),
    };
    let shown: Vec<Markup> =
        pictures(example).map(|(name, png)| image(example, name, png)).collect::<Result<_, _>>()?;
    let scale = example.scale.filter(|ends| ends.iter().all(|end| end.is_finite()));
    let label = example.defect.as_deref().unwrap_or("normal");
    Ok(html! {
        figure class=[class] {
            div.images { @for image in &shown { (image) } }
            figcaption {
                h3 { (example.title) }
                @if let Some(verdict) = verdict { p.verdict { (verdict) } }
                @if !example.caption.is_empty() { p { (example.caption) } }
                dl {
                    div { dt { "Label" } dd { (label) } }
                    div { dt { "Score" } dd { (score(example.score.into())) } }
                    @if let Some([low, high]) = scale {
                        div { dt { "Scale" } dd { (score(low.into())) " to " (score(high.into())) } }
                    }
                    div { dt { "Category" } dd { (example.category) } }
                    div { dt { "System" } dd { (example.system) ", seed " (example.seed) } }
                }
            }
        }
    })
}

fn image(example: &Example, name: &'static str, png: &Png) -> Result<Markup, ReportError> {
    let (width, height) = check(example, name, png)?;
    let alt = format!("{} ({name})", example.title);
    Ok(html! {
        div {
            img src={ "data:image/png;base64," (png.base64()) } alt=(alt) width=(width)
                height=(height);
            span { (name) }
        }
    })
}
