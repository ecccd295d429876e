//! The scale of the heatmaps' colours.

use maud::{Markup, html};

use super::draw::{WIDTH, frame, px, text};

const STEPS: u32 = 60;
const LEFT: f64 = 4.0;
const RIGHT: f64 = WIDTH - 4.0;

/// The colours of heatmaps: Inferno, whose lightness rises evenly, also to colour-blind eyes and in grey.
pub(crate) fn color_scale() -> Markup {
    let width = (RIGHT - LEFT) / f64::from(STEPS);
    let content = html! {
        @for step in 0..STEPS {
            @let color = colorous::INFERNO.eval_continuous(f64::from(step) / f64::from(STEPS - 1));
            // Wider than a step, and sharp, so that no seams show.
            rect x=(px(LEFT + width * f64::from(step))) y="2" width=(px(width + 0.5)) height="14"
                fill={ "#" (format!("{color:x}")) } shape-rendering="crispEdges" {}
        }
        rect x=(px(LEFT)) y="2" width=(px(RIGHT - LEFT)) height="14" fill="none"
            stroke="currentColor" stroke-opacity="0.5" {}
        (text(LEFT, 31.0, "start", "low end"))
        (text(WIDTH / 2.0, 31.0, "middle", "anomaly map"))
        (text(RIGHT, 31.0, "end", "high end"))
    };
    frame(36.0, "Colour scale of the heatmaps", content)
}
