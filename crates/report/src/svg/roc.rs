//! ROC curves of the systems of a category.

use maud::{Markup, html};
use nfbmr_metrics::RocPoint;

use super::draw::{WIDTH, color, dash, frame, line, name, path, px, text};
use crate::summary::Summary;

const LEFT: f64 = 46.0;
const TOP: f64 = 12.0;
const SIZE: f64 = WIDTH - LEFT - 14.0;
const ROW: f64 = 18.0;

/// The ROC curves of a category, one for each system, of its lowest seed.
pub(crate) fn roc(summary: &Summary, category: &str) -> Option<Markup> {
    let curves: Vec<_> = summary
        .systems
        .iter()
        .enumerate()
        .filter_map(|(index, &system)| {
            let run = summary.cell(category, system).find(|run| run.auroc.is_some())?;
            Some((index, system, run.auroc?, run.roc()))
        })
        .collect();
    if curves.is_empty() {
        return None;
    }
    let legend = TOP + SIZE + 54.0;
    let content = html! {
        (axes())
        @for (index, system, _, points) in &curves {
            path d=(path(corners(points).map(place))) fill="none" stroke=(color(*index))
                stroke-width="2" stroke-dasharray=(dash(*index)) { title { (system) } }
        }
        @for (row, (index, system, auroc, _)) in curves.iter().enumerate() {
            @let y = legend + ROW * row as f64;
            line x1=(LEFT) y1=(px(y - 4.0)) x2=(LEFT + 28.0) y2=(px(y - 4.0)) stroke=(color(*index))
                stroke-width="2" stroke-dasharray=(dash(*index)) {}
            (name(LEFT + 36.0, y, 30, system))
            (text(LEFT + SIZE, y, "end", &format!("{:.1}", auroc * 100.0)))
        }
    };
    let height = legend + ROW * curves.len() as f64 - 8.0;
    Some(frame(height, &format!("ROC curves of {category}"), content))
}

fn axes() -> Markup {
    let origin = place((0.0, 0.0));
    html! {
        rect x=(LEFT) y=(TOP) width=(SIZE) height=(SIZE) fill="none" stroke="currentColor"
            stroke-opacity="0.5" {}
        (line(origin, place((1.0, 1.0)), 0.3))
        @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
            @let (x, y) = place((tick, tick));
            (line((x, origin.1), (x, origin.1 + 4.0), 0.5))
            (line((origin.0 - 4.0, y), (origin.0, y), 0.5))
            (text(x, origin.1 + 17.0, "middle", &tick.to_string()))
            (text(LEFT - 7.0, y + 4.0, "end", &tick.to_string()))
        }
        (text(LEFT + SIZE / 2.0, origin.1 + 33.0, "middle", "false-positive rate"))
        text x="12" y=(px(TOP + SIZE / 2.0)) text-anchor="middle"
            transform={ "rotate(-90 12 " (px(TOP + SIZE / 2.0)) ")" } { "true-positive rate" }
        (text(LEFT + SIZE, origin.1 + 33.0, "end", "AUROC, %"))
    }
}

fn place((x, y): (f64, f64)) -> (f64, f64) {
    (LEFT + SIZE * x, TOP + SIZE * (1.0 - y))
}

/// The points without those in the middle of a level or upright stretch, of which there are many.
fn corners(points: &[RocPoint]) -> impl Iterator<Item = (f64, f64)> {
    let at = |index: usize| {
        points.get(index).map(|point| (point.false_positive_rate, point.true_positive_rate))
    };
    (0..points.len()).filter_map(move |index| {
        let here = at(index)?;
        let between = index.checked_sub(1).and_then(at).zip(at(index + 1)).is_some_and(|(a, b)| {
            (a.0 == here.0 && here.0 == b.0) || (a.1 == here.1 && here.1 == b.1)
        });
        (!between).then_some(here)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nfbmr_metrics::roc_curve;

    #[test]
    fn corners_keep_the_shape() {
        let labels = [false, false, true, true, false, true];
        let curve = roc_curve(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &labels).unwrap();
        let third = 1.0 / 3.0;
        let expected = [(0.0, 0.0), (0.0, third), (third, third), (third, 1.0), (1.0, 1.0)];
        assert_eq!(corners(&curve).collect::<Vec<_>>(), expected);
    }
}
