//! Grids of one image laid over each other.

use std::ops::Range;

use nfbmr_data::Size;

/// Whether each pixel of a grid of size `to` overlaps a pixel that is set of a grid of size `from`, both laid
/// over the same image; row by row. Where one is set, one overlaps it.
pub(crate) fn overlapping(set: &[bool], from: Size, to: Size) -> Vec<bool> {
    if from == to {
        return set.to_vec();
    }
    let width = from.width as usize;
    let mut overlapping = Vec::with_capacity(to.width as usize * to.height as usize);
    let (mut columns, mut line) = (vec![false; width], Vec::new());
    // Rows that lie over the same ones are alike, so that the time is that of both grids.
    let mut done = None;
    for row in 0..to.height {
        let rows = under(row, to.height, from.height);
        if done.as_ref() != Some(&rows) {
            columns.fill(false);
            let rows = set.get(rows.start * width..rows.end * width).unwrap_or_default();
            for row in rows.chunks(width.max(1)) {
                columns.iter_mut().zip(row).for_each(|(any, &set)| *any |= set);
            }
            let any = |column| {
                let columns = columns.get(under(column, to.width, from.width));
                columns.is_some_and(|columns| columns.contains(&true))
            };
            line = (0..to.width).map(any).collect();
        }
        done = Some(rows);
        overlapping.extend_from_slice(&line);
    }
    overlapping
}

/// The pixels of `from` along a side that pixel `at` of `to` overlaps.
fn under(at: u32, to: u32, from: u32) -> Range<usize> {
    let [at, to, from] = [at, to, from].map(u64::from);
    let (first, end) = (at * from / to, ((at + 1) * from).div_ceil(to));
    first as usize..end as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid() -> impl Strategy<Value = (Vec<bool>, Size)> {
        (1u32..9, 1u32..9).prop_flat_map(|(width, height)| {
            let set = prop::collection::vec(prop::bool::weighted(0.2), (width * height) as usize);
            (set, Just(Size { width, height }))
        })
    }

    proptest! {
        /// By another way: pixels overlap where neither ends before the other starts.
        #[test]
        fn pixels_overlap((set, from) in grid(), width in 1u32..12, height in 1u32..12) {
            let to = Size { width, height };
            let meet = |a: u32, of_a: u32, b: u32, of_b: u32| {
                a * of_b < (b + 1) * of_a && b * of_a < (a + 1) * of_b
            };
            let found = overlapping(&set, from, to);
            prop_assert_eq!(found.len() as u32, width * height);
            for (pixel, found) in (0..).zip(found) {
                let (x, y) = (pixel % width, pixel / width);
                let expected = (0..).zip(&set).any(|(other, &set)| {
                    let (u, v) = (other % from.width, other / from.width);
                    set && meet(x, width, u, from.width) && meet(y, height, v, from.height)
                });
                prop_assert_eq!(found, expected, "{} {}", x, y);
            }
        }

        #[test]
        fn what_is_set_is_never_lost((set, from) in grid(), width in 1u32..5000, narrow: bool) {
            let to = if narrow { (width, 1) } else { (1, width) }.into();
            prop_assert_eq!(overlapping(&set, from, to).contains(&true), set.contains(&true));
        }
    }

    #[test]
    fn grids_far_apart_take_the_time_of_both() {
        let long = 1 << 22;
        let mut set = vec![false; long as usize];
        set[9] = true;
        assert!(overlapping(&set, (1, long).into(), (long, 1).into()).iter().all(|&set| set));
        let found = overlapping(&set, (long, 1).into(), (1, long).into());
        assert!(found.len() == set.len() && found.iter().all(|&set| set));
    }
}
