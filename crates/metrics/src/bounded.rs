//! A value with a bound of its error. Nothing else of the crate is known here.

/// A metric that was computed from a histogram, and how far from the exact one it may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded<T> {
    /// The metric.
    pub value: T,
    /// The most by which the metric of the scores themselves can differ, rounding of the last digits
    /// aside. This is computed from the histogram and always holds; it is no estimate.
    pub error: f64,
}
