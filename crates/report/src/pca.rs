//! Principal components of a few hundred rows.

/// Enough for components that differ by a percent in variance; those that don't are interchangeable.
const ITERATIONS: usize = 1000;
/// Variances below this share of the total are rounding errors.
const ROUNDING: f64 = 1e-12;

/// Rows in the plane of their first two principal components.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plane {
    /// For each row, as far from the mean along each component.
    pub points: Vec<[f64; 2]>,
    /// The share of the variance that each component has.
    pub explained: [f64; 2],
}

impl Plane {
    /// Of rows that are finite and of one length; `None` where they are all the same.
    pub fn new(rows: &[&[f32]]) -> Option<Self> {
        let columns = rows.first()?.len();
        let mean: Vec<f64> = (0..columns)
            .map(|at| rows.iter().map(|row| f64::from(row[at])).sum::<f64>() / rows.len() as f64)
            .collect();
        let centred = |row: &&[f32]| -> Vec<f64> {
            row.iter().zip(&mean).map(|(&value, mean)| f64::from(value) - mean).collect()
        };
        let rows: Vec<Vec<f64>> = rows.iter().map(centred).collect();
        let total: f64 = rows.iter().map(|row| dot(row, row)).sum();
        // What rounding leaves of equal rows is no variance.
        let size = rows.len() as f64 * dot(&mean, &mean);
        if total <= ROUNDING * ROUNDING * size || total == 0.0 {
            return None;
        }
        let first = component(&rows, total, None);
        let second = component(&rows, total, Some(&first));
        let points: Vec<[f64; 2]> =
            rows.iter().map(|row| [dot(row, &first), dot(row, &second)]).collect();
        let variance = |axis: usize| points.iter().map(|point| point[axis].powi(2)).sum::<f64>();
        Some(Self { explained: [variance(0) / total, variance(1) / total], points })
    }
}

/// The direction of the highest variance, or the highest at a right angle to `first`, by power iteration:
/// of length 1, its largest entry positive. All zeros where no variance is left.
fn component(rows: &[Vec<f64>], total: f64, first: Option<&[f64]>) -> Vec<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    // Multiples of the golden ratio, less their whole part: at a right angle to no component in practice.
    let mut direction: Vec<f64> =
        (1..=columns).map(|at| (at as f64 * 0.618_033_988_749_895).fract() - 0.5).collect();
    for _ in 0..ITERATIONS {
        let mut next = vec![0.0; columns];
        for row in rows {
            let along = dot(row, &direction) / total;
            next.iter_mut().zip(row).for_each(|(next, value)| *next += along * value);
        }
        if let Some(first) = first {
            let along = dot(&next, first);
            next.iter_mut().zip(first).for_each(|(next, first)| *next -= along * first);
        }
        let length = dot(&next, &next).sqrt();
        if length <= ROUNDING * dot(&direction, &direction).sqrt() {
            return vec![0.0; columns];
        }
        next.iter_mut().for_each(|value| *value /= length);
        let moved: f64 = next.iter().zip(&direction).map(|(a, b)| (a - b).powi(2)).sum();
        direction = next;
        if moved < 1e-24 {
            break;
        }
    }
    let largest = direction
        .iter()
        .copied()
        .fold(0.0, |largest: f64, value| if value.abs() > largest.abs() { value } else { largest });
    direction.iter_mut().for_each(|value| *value *= largest.signum());
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMPY_ROWS: [[f32; 4]; 6] = [
        [0.38, -0.13, 1.28, 0.05],
        [-1.61, 0.36, 2.61, 0.47],
        [-2.11, -1.27, -1.25, 0.02],
        [-6.98, -0.22, -2.49, -0.37],
        [-1.63, -0.32, 0.82, 0.52],
        [-0.39, 1.37, -1.33, 0.18],
    ];
    const NUMPY_POINTS: [[f64; 2]; 6] = [
        [2.7432961, -0.1127872],
        [1.8299890, 1.9811764],
        [-0.7746414, -0.7945967],
        [-5.4869826, 0.4712162],
        [0.8288278, 0.5912916],
        [0.8595111, -2.1363002],
    ];
    const NUMPY_EXPLAINED: [f64; 2] = [0.7640494, 0.1724081];

    fn plane(rows: &[[f32; 4]]) -> Option<Plane> {
        let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
        Plane::new(&rows)
    }

    fn close(found: &Plane, points: &[[f64; 2]], explained: [f64; 2]) {
        let pairs = found.points.iter().zip(points).chain([(&found.explained, &explained)]);
        for (found, expected) in pairs {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
            }
        }
        assert_eq!(found.points.len(), points.len());
    }

    #[test]
    fn an_ellipse_has_its_axes() {
        // Half axes 5 and 1, turned so that the long one is along (0.6, 0.8, 0, 0).
        let rows = [[3.0, 4.0], [-3.0, -4.0], [-0.8, 0.6], [0.8, -0.6]];
        let rows = rows.map(|[x, y]| [x + 10.0, y - 7.0, 3.0, 0.0]);
        let points = [[5.0, 0.0], [-5.0, 0.0], [0.0, -1.0], [0.0, 1.0]];
        close(&plane(&rows).unwrap(), &points, [25.0 / 26.0, 1.0 / 26.0]);
    }

    /// numpy 2: `x -= x.mean(0); u, s, v = np.linalg.svd(x, full_matrices=False)`, then `u * s` with the signs
    /// that make the largest entry of each row of `v` positive, and `s**2 / (s**2).sum()`.
    #[test]
    fn points_are_those_of_numpy() {
        let rows = NUMPY_ROWS;
        close(&plane(&rows).unwrap(), &NUMPY_POINTS, NUMPY_EXPLAINED);
        assert_eq!(plane(&rows), plane(&rows), "the same each time");
    }

    #[test]
    fn a_line_has_no_second_component() {
        let found = plane(&[[0.1, 0.2, 0.3, 0.4], [0.2, 0.4, 0.6, 0.8], [0.3, 0.6, 0.9, 1.2]]);
        let found = found.unwrap();
        assert!(found.explained[0] > 0.999_999 && found.explained[1] < 1e-9, "{found:?}");
        assert!(found.points.iter().all(|point| point[1].abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn the_start_is_no_trap() {
        // The longest row is at a right angle to the component.
        let mut rows = vec![[0.0, 3.0, 0.0, 0.0], [0.0, -3.0, 0.0, 0.0]];
        rows.extend([[2.0, 0.0, 0.0, 0.0], [-2.0, 0.0, 0.0, 0.0]].repeat(5));
        let found = plane(&rows).unwrap();
        assert!((found.points[2][0] - 2.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn equal_rows_have_no_plane() {
        assert_eq!(Plane::new(&[]), None);
        assert_eq!(Plane::new(&[&[], &[]]), None);
        assert_eq!(plane(&[[0.1, 1e20, -3.0, 7.7]; 7]), None);
        assert_eq!(plane(&[[0.0; 4]; 3]), None);
        let huge = plane(&[[f32::MAX; 4], [f32::MIN; 4], [0.0; 4]]).unwrap();
        assert!(huge.points.iter().flatten().all(|value| value.is_finite()), "{huge:?}");
    }
}
