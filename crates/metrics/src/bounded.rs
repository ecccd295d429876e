/// A metric that was computed from a histogram, and how far from the exact one it may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded<T> {
    /// The metric.
    pub value: T,
    /// The most that the metric of the scores themselves can differ: a bound that always holds,
    /// computed from the histogram, and not an estimate.
    pub error: f64,
}
