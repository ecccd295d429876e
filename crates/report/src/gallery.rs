//! Examples as images, the worst first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use crate::error::ReportError;
use crate::format::score;
use crate::report::{Example, Report};
use crate::summary::Summary;

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

/// All examples of a report.
pub(crate) fn gallery(report: &Report, summary: &Summary) -> Result<Markup, ReportError> {
    let mut judged: Vec<Judged> =
        report.examples.iter().map(|example| Judged::new(example, summary)).collect();
    judged.sort_by(Judged::order);
    let figures: Vec<Markup> = judged.iter().map(figure).collect::<Result<_, _>>()?;
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
    let images = [
        ("image", Some(&example.image)),
        ("mask", example.mask.as_ref()),
        ("overlay", example.overlay.as_ref()),
    ];
    let mut shown = Vec::new();
    for (name, bytes) in images {
        if let Some(bytes) = bytes {
            shown.push(image(example, name, bytes)?);
        }
    }
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
                    div { dt { "Category" } dd { (example.category) } }
                    div { dt { "System" } dd { (example.system) ", seed " (example.seed) } }
                }
            }
        }
    })
}

fn image(example: &Example, name: &'static str, bytes: &[u8]) -> Result<Markup, ReportError> {
    let Some((width, height)) = png_size(bytes) else {
        return Err(ReportError::NotPng { title: example.title.clone(), image: name });
    };
    let alt = format!("{} ({name})", example.title);
    Ok(html! {
        div {
            img src={ "data:image/png;base64," (STANDARD.encode(bytes)) } alt=(alt) width=(width)
                height=(height);
            span { (name) }
        }
    })
}

/// Width and height of a PNG file, from its first chunk.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    number(0).zip(number(4))
}
