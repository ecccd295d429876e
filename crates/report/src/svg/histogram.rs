//! Histograms of scores and of likelihoods.

use maud::{Markup, html};

use super::draw::{DEFECT, NORMAL, WIDTH, dash, frame, line, path, px, text};
use crate::format::score;
use crate::summary::Summary;

const BINS: usize = 30;
/// Room for "100 %".
const LEFT: f64 = 48.0;
const RIGHT: f64 = WIDTH - 10.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 170.0;

/// Scores of normal and of defect images, with the threshold of the highest F1; of the lowest seed that
/// has scores.
pub(crate) fn scores(summary: &Summary, category: &str, system: &str) -> Option<Markup> {
    let title = format!("Histogram of the scores of {system} on {category}");
    summary.cell(category, system).find_map(|run| {
        let classes = [false, true].map(|defect| run.scores(defect));
        draw(&title, "image score", &classes, run.threshold)
    })
}

/// Negative log-likelihoods of normal and of defect images by the flow of a system; of the lowest seed that
/// has some.
pub(crate) fn likelihoods(summary: &Summary, category: &str, system: &str) -> Option<Markup> {
    let title = format!("Histogram of the negative log-likelihoods of {system} on {category}");
    let run = summary.with_likelihoods(category, system)?;
    let classes = [false, true].map(|defect| run.likelihoods(defect));
    draw(&title, "negative log-likelihood", &classes, None)
}

/// Normal images and those with defects, each as shares of its class.
fn draw(
    title: &str,
    axis: &str,
    classes: &[Vec<f64>; 2],
    threshold: Option<f64>,
) -> Option<Markup> {
    let (low, high, cut) = range(classes)?;
    let [normal, defect] = classes;
    let shares = [normal, defect].map(|scores| shares(scores, low, high));
    let top = shares.iter().flatten().copied().fold(0.0, f64::max);
    let x = |bin: usize| LEFT + (RIGHT - LEFT) * bin as f64 / BINS as f64;
    let y = |share: f64| BOTTOM - (BOTTOM - TOP) * share / top;
    let outline = |shares: &[f64]| {
        let steps = shares.iter().enumerate();
        let steps = steps.flat_map(|(bin, &share)| [(x(bin), y(share)), (x(bin + 1), y(share))]);
        path([(x(0), BOTTOM)].into_iter().chain(steps).chain([(x(BINS), BOTTOM)]))
    };
    let threshold = threshold.map(|threshold| ((threshold - low) / (high - low)).min(1.0));
    let content = html! {
        path d={ (outline(&shares[0])) "Z" } fill=(NORMAL) fill-opacity="0.65" {}
        path d=(outline(&shares[1])) fill="none" stroke=(DEFECT) stroke-width="2" {}
        (line((LEFT, BOTTOM), (RIGHT, BOTTOM), 0.5))
        @if let Some(threshold) = threshold.filter(|place| place.is_finite() && *place >= 0.0) {
            @let x = px(LEFT + (RIGHT - LEFT) * threshold);
            line x1=(x) y1=(TOP - 6.0) x2=(x) y2=(BOTTOM) stroke="currentColor"
                stroke-dasharray=(dash(4)) { title { "threshold of the highest F1" } }
        }
        (text(LEFT - 6.0, TOP + 4.0, "end", &format!("{:.0} %", top * 100.0)))
        (text(LEFT - 6.0, BOTTOM, "end", "0"))
        (text(LEFT, BOTTOM + 16.0, "start", &score(low)))
        (text((LEFT + RIGHT) / 2.0, BOTTOM + 16.0, "middle", axis))
        (text(RIGHT, BOTTOM + 16.0, "end", &format!("{}{}", if cut { "≥ " } else { "" }, score(high))))
        rect x=(LEFT) y="6" width="14" height="10" fill=(NORMAL) fill-opacity="0.65" {}
        (text(LEFT + 19.0, 15.0, "start", &format!("normal ({})", normal.len())))
        rect x="161" y="7" width="12" height="8" fill="none" stroke=(DEFECT) stroke-width="2" {}
        (text(179.0, 15.0, "start", &format!("defect ({})", defect.len())))
    };
    Some(frame(BOTTOM + 22.0, title, content))
}

/// The ends of the axis, and whether scores beyond its upper end are counted in the last bin. Defects often score
/// many times what normal images do; a third of the axis is the normal ones' at least, or all would be in one bin.
fn range([normal, defect]: &[Vec<f64>; 2]) -> Option<(f64, f64, bool)> {
    let ends = |scores: &mut dyn Iterator<Item = f64>| {
        scores.fold(None, |ends: Option<(f64, f64)>, score| {
            let (low, high) = ends.unwrap_or((score, score));
            Some((low.min(score), high.max(score)))
        })
    };
    let (low, high) = ends(&mut normal.iter().chain(defect).copied())?;
    if let Some((least, most)) = ends(&mut normal.iter().copied()) {
        let reach = most + 2.0 * (most - least);
        if most > least && high > reach {
            return Some((low, reach, true));
        }
    }
    if high > low {
        return Some((low, high, false));
    }
    let margin = low.abs().max(1.0) / 2.0;
    Some((low - margin, high + margin, false))
}

fn shares(scores: &[f64], low: f64, high: f64) -> Vec<f64> {
    let mut shares = vec![0.0; BINS];
    for score in scores {
        let bin = (BINS as f64 * (score - low) / (high - low)) as usize;
        shares[bin.min(BINS - 1)] += 1.0 / scores.len() as f64;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_one_and_keep_the_ends() {
        let shares = shares(&[0.0, 0.0, 3.0, 7.0], 0.0, 3.0);
        assert_eq!(shares[0], 0.5);
        assert_eq!(shares[BINS - 1], 0.5);
        assert_eq!(shares.iter().sum::<f64>(), 1.0);
    }
}
