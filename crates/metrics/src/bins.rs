//! A histogram over all of `f32`. Nothing else of the crate is known here.

const BINS_PER_PAGE: usize = 256;
const PAGES: usize = 1 << 16;

/// What is known of the pixels whose scores fall into one bin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bin {
    /// Normal pixels.
    pub(crate) normal: u64,
    /// Defect pixels.
    pub(crate) defect: u64,
    /// Over the defect pixels, the sum of 1 / the area of the pixel's component.
    pub(crate) overlap: f64,
    pub(crate) lowest: f32,
    pub(crate) highest: f32,
}

impl Bin {
    const EMPTY: Self = Self {
        normal: 0,
        defect: 0,
        overlap: 0.0,
        lowest: f32::INFINITY,
        highest: f32::NEG_INFINITY,
    };

    /// Whether scores differ within the bin, so that their order is lost.
    pub(crate) fn is_mixed(&self) -> bool {
        self.lowest < self.highest
    }
}

/// Bins of the upper 24 of the 32 bits of a score: sign, exponent and 15 bits of the mantissa.
///
/// Each power of two has 2^15 bins, so no range need be known. Bins come in pages of the upper 16
/// bits, there only once a score has fallen into them.
#[derive(Clone, Debug)]
pub(crate) struct Bins {
    pages: Vec<Option<Box<[Bin; BINS_PER_PAGE]>>>,
}

impl Bins {
    pub(crate) fn new() -> Self {
        Self { pages: vec![None; PAGES] }
    }

    /// The bin of a score, which counts as seen there.
    pub(crate) fn at(&mut self, score: f32) -> &mut Bin {
        let key = ordered_bits(score);
        let page = self.pages[(key >> 16) as usize]
            .get_or_insert_with(|| Box::new([Bin::EMPTY; BINS_PER_PAGE]));
        let bin = &mut page[(key >> 8) as usize % BINS_PER_PAGE];
        bin.lowest = bin.lowest.min(score);
        bin.highest = bin.highest.max(score);
        bin
    }

    /// The bins with pixels in them, from the highest score down.
    pub(crate) fn descending(&self) -> impl Iterator<Item = &Bin> {
        let bins = self.pages.iter().rev().flatten().flat_map(|page| page.iter().rev());
        bins.filter(|bin| bin.normal + bin.defect > 0)
    }
}

/// Bits that are in the order of the numbers.
fn ordered_bits(score: f32) -> u32 {
    // Adding 0 turns -0 into 0.
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_ordered_as_the_numbers_are() {
        let ascending = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.5,
            -1.0,
            -f32::MIN_POSITIVE,
            -1e-45,
            0.0,
            1e-45,
            f32::MIN_POSITIVE,
            1.0,
            1.5,
            f32::MAX,
            f32::INFINITY,
        ];
        assert!(ascending.windows(2).all(|pair| ordered_bits(pair[0]) < ordered_bits(pair[1])));
        assert_eq!(ordered_bits(-0.0), ordered_bits(0.0));
    }
}
