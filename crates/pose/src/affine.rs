//! Maps of the plane that keep lines straight and parallel.

/// x ↦ a·x + b·y + c, y ↦ d·x + e·y + f. Pixel (0, 0) covers the square from (0, 0) to (1, 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// a, b, c and d, e, f.
    pub rows: [[f64; 3]; 2],
}

impl Affine {
    /// The image of a point.
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        self.rows.map(|[a, b, c]| a * x + b * y + c)
    }

    /// Stretches and shifts along the axes.
    pub fn along_axes(stretch: [f64; 2], shift: [f64; 2]) -> Self {
        let ([x, y], [u, v]) = (stretch, shift);
        Self { rows: [[x, 0.0, u], [0.0, y, v]] }
    }

    /// This map, then another.
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        let [origin, x, y] =
            [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]].map(|p| next.apply(self.apply(p)));
        let row = |i: usize| [x[i] - origin[i], y[i] - origin[i], origin[i]];
        Self { rows: [row(0), row(1)] }
    }

    /// The map back; `None` where all points come to lie on a line.
    pub fn inverse(&self) -> Option<Self> {
        let [[a, b, c], [d, e, f]] = self.rows;
        let area = a * e - b * d;
        let rows = [
            [e / area, -b / area, (b * f - e * c) / area],
            [-d / area, a / area, (d * c - a * f) / area],
        ];
        rows.iter().flatten().all(|value| value.is_finite()).then_some(Self { rows })
    }
}
