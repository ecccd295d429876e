//! The parameters of a whitening as files hold them: of each triangular matrix, what isn't 0 by definition.

use burn::tensor::TensorData;
use nfbmr_backend::StateDict;

/// How the names of matrices end.
const MATRIX: &str = ".matrix";

/// The parameters of a [`Whitening`](crate::Whitening) in half the size: a matrix L⁻ᵀ `[H · W, C, C]` becomes
/// `[H · W, C (C + 1) / 2]`, its upper triangle row by row.
pub fn pack(state: StateDict) -> StateDict {
    each_matrix(state, |data| {
        let [positions, rows, columns] = data.shape[..] else { return None };
        if rows != columns {
            return None;
        }
        let values: Vec<f32> = data.iter::<f32>().collect();
        let mut packed = Vec::with_capacity(positions * rows * (rows + 1) / 2);
        for (index, row) in values.chunks_exact(rows.max(1)).enumerate() {
            packed.extend_from_slice(&row[index % rows..]);
        }
        Some(TensorData::new(packed, [positions, rows * (rows + 1) / 2]))
    })
}

/// What [`pack`] was given. A tensor that no matrix is packed to stays as it is.
pub fn unpack(state: StateDict) -> StateDict {
    each_matrix(state, |data| {
        let [positions, packed] = data.shape[..] else { return None };
        // C (C + 1) / 2 lies between C² / 2 and (C + 1)² / 2.
        let side = (2 * packed).isqrt();
        if side == 0 || side * (side + 1) / 2 != packed {
            return None;
        }
        let mut values = data.iter::<f32>();
        let mut matrices = vec![0.0; positions * side * side];
        for (index, row) in matrices.chunks_exact_mut(side).enumerate() {
            row[index % side..].iter_mut().zip(&mut values).for_each(|(own, value)| *own = value);
        }
        Some(TensorData::new(matrices, [positions, side, side]))
    })
}

fn each_matrix(state: StateDict, map: impl Fn(&TensorData) -> Option<TensorData>) -> StateDict {
    let mapped = |(name, data): (String, TensorData)| match name.ends_with(MATRIX) {
        true => match map(&data) {
            Some(mapped) => (name, mapped),
            None => (name, data),
        },
        false => (name, data),
    };
    state.into_iter().map(mapped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_matrices_by_hand() {
        let matrices = vec![1f32, 2.0, 3.0, 0.0, 4.0, 5.0, 0.0, 0.0, 6.0];
        let twice = [&matrices[..], &matrices].concat();
        let state = StateDict::from([
            ("blocks.0.matrix".to_owned(), TensorData::new(twice, [2, 3, 3])),
            ("blocks.0.mean".to_owned(), TensorData::new(vec![7f32; 6], [2, 1, 3])),
        ]);
        let packed = pack(state.clone());
        let found: Vec<f32> = packed["blocks.0.matrix"].iter::<f32>().collect();
        let expected = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(
            (&found[..], packed["blocks.0.matrix"].shape.to_vec()),
            (&expected[..], vec![2, 6])
        );
        assert_eq!(unpack(packed), state);
    }

    #[test]
    fn what_no_matrix_is_packed_to_stays() {
        for shape in [vec![2, 5], vec![10], vec![1, 2, 5]] {
            let data = TensorData::new(vec![1f32; 10], shape);
            let state = StateDict::from([("0.matrix".to_owned(), data)]);
            assert_eq!(unpack(state.clone()), state);
        }
    }
}
