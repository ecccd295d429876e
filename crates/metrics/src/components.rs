//! Connected components. Knows neither scores nor metrics.

use std::mem::take;

/// Visits the 8-connected components of the pixels that are `true`, each as the indices of its
/// pixels. `mask` is row by row, `width` pixels each.
pub(crate) fn for_each_component(mask: &[bool], width: usize, mut visit: impl FnMut(&[usize])) {
    let height = mask.len().checked_div(width).unwrap_or(0);
    let mut unvisited = mask.to_vec();
    // Breadth first: what is visited stays in the list, so the list ends up as the component.
    let mut component = Vec::new();
    for start in 0..width * height {
        if !take(&mut unvisited[start]) {
            continue;
        }
        component.clear();
        component.push(start);
        let mut next = 0;
        while let Some(&pixel) = component.get(next) {
            next += 1;
            let (x, y) = (pixel % width, pixel / width);
            for y in y.saturating_sub(1)..(y + 2).min(height) {
                for x in x.saturating_sub(1)..(x + 2).min(width) {
                    let neighbour = y * width + x;
                    if take(&mut unvisited[neighbour]) {
                        component.push(neighbour);
                    }
                }
            }
        }
        visit(&component);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components(rows: &[&str]) -> Vec<Vec<usize>> {
        let mask: Vec<bool> = rows.concat().bytes().map(|pixel| pixel == b'#').collect();
        let mut found = Vec::new();
        for_each_component(&mask, rows.first().map_or(0, |row| row.len()), |pixels| {
            let mut pixels = pixels.to_vec();
            pixels.sort_unstable();
            found.push(pixels);
        });
        found
    }

    #[test]
    fn diagonal_neighbours_are_connected() {
        assert_eq!(components(&["#..", ".#.", "..#"]), [[0, 4, 8]]);
        assert_eq!(components(&["..#", ".#.", "#.."]), [[2, 4, 6]]);
    }

    #[test]
    fn the_ends_of_neighbouring_rows_are_not() {
        assert_eq!(components(&["...#", "#...", "...."]), [[3], [4]]);
    }

    #[test]
    fn branches_that_meet_late_are_one_component() {
        assert_eq!(components(&["#.#.#", "#.#.#", "#####"])[0].len(), 11);
        assert_eq!(components(&["#####", "#...#", "#.#.#", "#...#", "#####"]).len(), 2);
    }

    #[test]
    fn masks_without_defects_have_none() {
        assert!(components(&["...", "..."]).is_empty());
        assert!(components(&[]).is_empty());
        assert!(components(&["", ""]).is_empty());
    }
}
