//! From a map of positions to one of pixels, as anomalib has it. It knows maps alone, not what they
//! measure.

use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::Backend;
use nfbmr_onnx::{Graph, Matrix, Value};

use crate::PeerError;

/// Standard deviation of the blur in pixels; anomalib's default.
const SIGMA: f64 = 4.0;

/// The kernel reaches 4σ to either side.
const RADIUS: i64 = 16;

const MAX_SIDE: usize = 1 << 16;

/// How a map is enlarged before it is blurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Upsampling {
    /// Each pixel has the value of the cell that it lies in: PatchCore's.
    Nearest,
    /// Between the centres of the cells (`align_corners = false`): PaDiM's.
    Bilinear,
}

/// Brings maps `[N, H, W]` to `size` rows and columns and blurs them by a Gaussian of σ = 4 pixels that
/// reaches to 4σ, mirrored at the borders: anomalib's anomaly map.
///
/// Both steps are linear and separable, so they are one matrix by rows and one by columns.
///
/// # Errors
/// [`PeerError::Size`] if a side of the map or of `size` is 0 or above 65,536.
pub fn smooth<B: Backend>(
    map: Tensor<B, 3>,
    size: [usize; 2],
    upsampling: Upsampling,
) -> Result<Tensor<B, 3>, PeerError> {
    let [_, rows, columns] = map.dims();
    for [height, width] in [[rows, columns], size] {
        if !(1..=MAX_SIDE).contains(&height) || !(1..=MAX_SIDE).contains(&width) {
            return Err(PeerError::Size { height, width });
        }
    }
    let device = map.device();
    let by = |from, to| -> Tensor<B, 3> {
        let data = TensorData::new(matrix(from, to, upsampling), [1, to, from]);
        Tensor::from_data(data, &device)
    };
    let [height, width] = size;
    Ok(by(rows, height).matmul(map).matmul(by(columns, width).swap_dims(1, 2)))
}

/// [`smooth`] in a graph, of maps `[N, H, W]` of `from` rows and columns.
pub(crate) fn add_smooth(
    graph: &mut Graph,
    map: &Value,
    from: [usize; 2],
    to: [usize; 2],
    upsampling: Upsampling,
) -> Value {
    let along = |from, to| Matrix { to, from, values: matrix(from, to, upsampling) };
    graph.along_sides(map, &along(from[0], to[0]), &along(from[1], to[1]))
}

/// Upsampling and blur along one side as a matrix `[to, from]`.
fn matrix(from: usize, to: usize, upsampling: Upsampling) -> Vec<f32> {
    let gaussian = |x: i64| (-0.5 * (x as f64 / SIGMA).powi(2)).exp();
    let norm: f64 = (-RADIUS..=RADIUS).map(gaussian).sum();
    let mut matrix = vec![0f64; from * to];
    for (pixel, row) in matrix.chunks_exact_mut(from).enumerate() {
        for tap in -RADIUS..=RADIUS {
            let weight = gaussian(tap) / norm;
            let pixel = mirror(pixel as i64 + tap, to);
            match upsampling {
                Upsampling::Nearest => row[pixel * from / to] += weight,
                Upsampling::Bilinear => {
                    let center = (pixel as f64 + 0.5) * from as f64 / to as f64 - 0.5;
                    let center = center.clamp(0.0, (from - 1) as f64);
                    let cell = center as usize;
                    let share = center - cell as f64;
                    row[cell] += weight * (1.0 - share);
                    row[(cell + 1).min(from - 1)] += weight * share;
                }
            }
        }
    }
    matrix.into_iter().map(|value| value as f32).collect()
}

/// The pixel in 0..`side` that mirrors `pixel` at the first and last one.
fn mirror(pixel: i64, side: usize) -> usize {
    let last = side as i64 - 1;
    match last {
        0 => 0,
        _ => (last - (pixel.rem_euclid(2 * last) - last).abs()) as usize,
    }
}
