//! Points and vectors in the image plane, the image's side being 1. Nothing else of the crate is
//! known here.

/// `x` right and `y` down.
pub(crate) type Point = [f32; 2];

pub(crate) fn sub(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

/// `a + t * b`.
pub(crate) fn along(a: Point, t: f32, b: Point) -> Point {
    [a[0] + t * b[0], a[1] + t * b[1]]
}

pub(crate) fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1]
}

pub(crate) fn length(a: Point) -> f32 {
    dot(a, a).sqrt()
}

/// `p` in the coordinates whose first axis is the unit vector `axis`.
pub(crate) fn turn(p: Point, axis: Point) -> Point {
    [dot(p, axis), dot(p, [-axis[1], axis[0]])]
}

pub(crate) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Rises smoothly from 0 to 1 as `t` goes from 0 to 1.
pub(crate) fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The share of a pixel that lies inside, from its signed distance to the edge, over a border of
/// `width`.
pub(crate) fn coverage(distance: f32, width: f32) -> f32 {
    (0.5 - distance / width).clamp(0.0, 1.0)
}
