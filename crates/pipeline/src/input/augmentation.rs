//! Turned and mirrored copies of the training images.

use image::imageops::{flip_horizontal, rotate90};
use nfbmr_data::{Fitted, Rect};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Copies of the training images that are turned or mirrored, for parts that lie in any direction.
///
/// They are exact, of the square image that the network sees, and train and whiten as images of their own: a
/// training takes as many times the work and the memory as there are copies. An image of another shape is
/// distorted in another direction once it is turned by a quarter ([`Fit::Squash`](nfbmr_data::Fit)). A defect
/// that is nothing but a part turned or mirrored can't be found any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Augmentation {
    /// The images as they are.
    Off,
    /// What training finds: the copies, if any, with which good images that are left out are likelier. With more than 32
    /// images, none.
    #[default]
    Auto,
    /// Left and right exchanged as well.
    Mirror,
    /// Turned by 180° as well.
    HalfTurn,
    /// In all four directions.
    QuarterTurns,
    /// In all four directions, each mirrored as well.
    All,
}

impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Auto => "auto",
            Self::Mirror => "mirror",
            Self::HalfTurn => "half_turn",
            Self::QuarterTurns => "quarter_turns",
            Self::All => "all",
        })
    }
}

impl Augmentation {
    /// The quarter turns clockwise, and whether each is mirrored as well.
    fn turns(self) -> (&'static [u8], bool) {
        match self {
            Self::Off | Self::Auto => (&[0], false),
            Self::Mirror => (&[0], true),
            Self::HalfTurn => (&[0, 2], false),
            Self::QuarterTurns => (&[0, 1, 2, 3], false),
            Self::All => (&[0, 1, 2, 3], true),
        }
    }

    /// How many images each one becomes.
    pub(crate) fn copies(self) -> usize {
        let (turns, mirrored) = self.turns();
        turns.len() * if mirrored { 2 } else { 1 }
    }

    /// The image itself, then its copies.
    pub(crate) fn copies_of(self, fitted: &Fitted) -> Vec<Fitted> {
        let (turns, mirrored) = self.turns();
        let mut copies = Vec::with_capacity(self.copies());
        for &turns in turns {
            let turned = (0..turns).fold(fitted.clone(), |fitted, _| quarter_turn(&fitted));
            let mirror = mirrored.then(|| mirror(&turned));
            copies.push(turned);
            copies.extend(mirror);
        }
        copies
    }
}

/// Turned clockwise.
fn quarter_turn(Fitted { image, content }: &Fitted) -> Fitted {
    let &Rect { x, y, width, height } = content;
    let content = Rect { x: image.height() - y - height, y: x, width: height, height: width };
    Fitted { image: rotate90(image), content }
}

/// Left and right exchanged.
fn mirror(Fitted { image, content }: &Fitted) -> Fitted {
    let content = Rect { x: image.width() - content.x - content.width, ..*content };
    Fitted { image: flip_horizontal(image), content }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use image::{Rgb, RgbImage};

    use super::*;

    const ALL: [(Augmentation, usize); 5] = [
        (Augmentation::Off, 1),
        (Augmentation::Mirror, 2),
        (Augmentation::HalfTurn, 2),
        (Augmentation::QuarterTurns, 4),
        (Augmentation::All, 8),
    ];

    /// The pixels inside are red or more, those outside black.
    fn fitted() -> Fitted {
        let content = Rect { x: 1, y: 0, width: 2, height: 4 };
        let inside = |x, y| (1..3).contains(&x) && y < 4;
        let image = RgbImage::from_fn(5, 5, |x, y| match inside(x, y) {
            true => Rgb([255, x as u8, y as u8]),
            false => Rgb([0; 3]),
        });
        Fitted { image, content }
    }

    #[test]
    fn the_image_comes_first_and_all_copies_differ() {
        for (augmentation, count) in ALL {
            let copies = augmentation.copies_of(&fitted());
            assert_eq!((copies.len(), augmentation.copies()), (count, count));
            assert_eq!(copies[0], fitted());
            let distinct: HashSet<&[u8]> =
                copies.iter().map(|copy| copy.image.as_raw().as_slice()).collect();
            assert_eq!(distinct.len(), count, "{augmentation:?}");
        }
    }

    #[test]
    fn the_content_turns_with_the_image() {
        for copy in Augmentation::All.copies_of(&fitted()) {
            let Rect { x, y, width, height } = copy.content;
            for (column, row, pixel) in copy.image.enumerate_pixels() {
                let inside = (x..x + width).contains(&column) && (y..y + height).contains(&row);
                assert_eq!(pixel.0[0] == 255, inside, "{:?} at {column}, {row}", copy.content);
            }
        }
    }

    #[test]
    fn turns_are_clockwise_and_mirrors_exchange_left_and_right() {
        let corner = |x: u32, y: u32| {
            let image = RgbImage::from_fn(3, 3, |c, r| Rgb([u8::from((c, r) == (x, y)); 3]));
            Fitted { image, content: Rect { x: 0, y: 0, width: 3, height: 3 } }
        };
        let turned = Augmentation::QuarterTurns.copies_of(&corner(0, 0));
        assert_eq!(turned, [corner(0, 0), corner(2, 0), corner(2, 2), corner(0, 2)]);
        let half = Augmentation::HalfTurn.copies_of(&corner(1, 0));
        assert_eq!(half, [corner(1, 0), corner(1, 2)]);
        let mirrored = Augmentation::Mirror.copies_of(&corner(0, 1));
        assert_eq!(mirrored, [corner(0, 1), corner(2, 1)]);
    }
}
