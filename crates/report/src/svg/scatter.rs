//! Images by their features, as points in a plane.

use maud::{Markup, html};

use super::draw::{DEFECT, NORMAL, WIDTH, frame, path, px, text};
use crate::projection::{ProjectedImage, Projection};

const LEFT: f64 = 26.0;
const RIGHT: f64 = WIDTH - 10.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = TOP + 240.0;
/// Between the outermost points and the frame.
const MARGIN: f64 = 8.0;
/// Half the side of a cross.
const ARM: f64 = 3.0;

/// Normal images as discs and those with defects as crosses, each axis to the range of its own.
pub(crate) fn scatter(projection: &Projection, category: &str, system: &str) -> Option<Markup> {
    let finite = |point: &&ProjectedImage| point.at.iter().all(|value| value.is_finite());
    let points = projection.points.iter().filter(finite);
    let (defect, normal): (Vec<_>, Vec<_>) = points.partition(|point| point.defect.is_some());
    let range = |axis: usize| {
        let values = normal.iter().chain(&defect).map(|point| point.at[axis]);
        values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
            [low.min(value), high.max(value)]
        })
    };
    let ranges = [range(0), range(1)];
    if ranges[0][0] > ranges[0][1] {
        return None;
    }
    // The middle where all are level. Halves, as the difference of two numbers can be infinite.
    let share = |axis: usize, value: f64| {
        let [low, high] = ranges[axis];
        if high > low { (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) } else { 0.5 }
    };
    let place = |point: &ProjectedImage| {
        let width = RIGHT - LEFT - 2.0 * MARGIN;
        let height = BOTTOM - TOP - 2.0 * MARGIN;
        let [x, y] = [0, 1].map(|axis| share(axis, point.at[axis]));
        (LEFT + MARGIN + width * x, BOTTOM - MARGIN - height * y)
    };
    let axis = |component: usize| {
        let explained = projection.explained[component];
        match explained.is_finite() {
            true => format!("component {} ({:.0} %)", component + 1, 100.0 * explained),
            false => format!("component {}", component + 1),
        }
    };
    let content = html! {
        rect x=(LEFT) y=(TOP) width=(RIGHT - LEFT) height=(BOTTOM - TOP) fill="none"
            stroke="currentColor" stroke-opacity="0.5" {}
        @for point in &normal {
            @let (x, y) = place(point);
            (disc(x, y, Some(&point.path)))
        }
        @for point in &defect {
            @let (x, y) = place(point);
            (cross(x, y, Some(&point.path)))
        }
        (text((LEFT + RIGHT) / 2.0, BOTTOM + 17.0, "middle", &axis(0)))
        @let middle = px((TOP + BOTTOM) / 2.0);
        text x="14" y=(middle) text-anchor="middle" transform={ "rotate(-90 14 " (middle) ")" } {
            (axis(1))
        }
        (disc(LEFT + 6.0, 11.0, None))
        (text(LEFT + 15.0, 15.0, "start", &format!("normal ({})", normal.len())))
        (cross(167.0, 11.0, None))
        (text(179.0, 15.0, "start", &format!("defect ({})", defect.len())))
    };
    let title = format!("Features of {category} in the {} space of {system}", projection.space);
    Some(frame(BOTTOM + 24.0, &title, content))
}

fn disc(x: f64, y: f64, title: Option<&str>) -> Markup {
    html! {
        circle cx=(px(x)) cy=(px(y)) r="3.5" fill=(NORMAL) fill-opacity="0.65" {
            @if let Some(title) = title { title { (title) } }
        }
    }
}

fn cross(x: f64, y: f64, title: Option<&str>) -> Markup {
    let falling = path([(x - ARM, y - ARM), (x + ARM, y + ARM)]);
    let rising = path([(x - ARM, y + ARM), (x + ARM, y - ARM)]);
    html! {
        path d={ (falling) (rising) } fill="none" stroke=(DEFECT) stroke-width="2" {
            @if let Some(title) = title { title { (title) } }
        }
    }
}
