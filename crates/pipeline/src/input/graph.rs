//! How an image becomes what the networks see, as nodes of an ONNX graph: what `fitting` does
//! without alignment.

use nfbmr_data::{Fit, FixedPointWeights, Rect, Size};
use nfbmr_onnx::{Dim, Element, Graph, Value};

use super::fitting::Input;
use super::mask::Mask;
use super::tiling::Tiles;
use crate::error::PipelineError;

impl Input {
    /// The input of a graph, images `[N, H, W, 3]` of this size in 8 bits, or in 16 where there is
    /// a white level, as the networks see them: `[N, 3, S, S]` of 0 to 1, or their tiles one after
    /// the other.
    pub(crate) fn add_to(&self, graph: &mut Graph, size: Size) -> Result<Value, PipelineError> {
        let Size { width, height } = size;
        let content = self.fit.placement(size, self.size.into())?;
        let element = if self.white_level.is_some() { Element::Uint16 } else { Element::Uint8 };
        let dims = [Dim::Named("N"), Dim::Of(height as usize), Dim::Of(width as usize), Dim::Of(3)];
        graph.part("input");
        let mut x = graph.input("image", element, &dims);
        x = match self.white_level {
            Some(white) => eight_bits(graph, &x, white),
            None => graph.cast(&x, Element::Float),
        };
        if let Some(mask) = &self.mask {
            x = painted(graph, &x, mask, size, self.fill);
        }
        x = self.resized(graph, &x, size, content);
        if self.mask.is_some() || !matches!(self.fit, Fit::Squash) {
            x = self.on_ground(graph, &x, content);
        }
        let white = graph.floats(&[], &[255.0]);
        x = graph.div(&x, &white);
        Ok(match self.tiles {
            Some(tiles) => cut(graph, &x, tiles),
            None => x,
        })
    }

    /// `[N, H, W, 3]` to `[N, 3, S, S]`, 0 outside of the content: as `resize_rgb`, rows first.
    fn resized(&self, graph: &mut Graph, x: &Value, size: Size, content: Rect) -> Value {
        if size == self.size.into() {
            return graph.transpose(x, &[0, 3, 1, 2]);
        }
        let side = self.size as usize;
        let (width, height) = (size.width as usize, size.height as usize);
        let x = graph.reshape(x, &[0, height as i64, 3 * width as i64]);
        let rows = Step { from: height, to: content.height, start: content.y, side };
        let x = rows.add_to(graph, |graph, rows| graph.matmul(rows, &x));
        let x = graph.reshape(&x, &[0, side as i64, width as i64, 3]);
        let x = graph.transpose(&x, &[0, 3, 1, 2]);
        let columns = Step { from: width, to: content.width, start: content.x, side };
        columns.add_to(graph, |graph, columns| {
            let columns = graph.transpose(columns, &[1, 0]);
            graph.matmul(&x, &columns)
        })
    }

    /// What shows nothing of the image, or nothing that is inspected, in its colour.
    #[expect(clippy::indexing_slicing, reason = "pixels of the content, inside of the input")]
    fn on_ground(&self, graph: &mut Graph, x: &Value, content: Rect) -> Value {
        let side = self.size as usize;
        let letterbox = if let Fit::Letterbox { fill } = self.fit { fill } else { self.fill };
        let mut shown = vec![false; side * side];
        let mut ground: Vec<f32> =
            letterbox.iter().flat_map(|&value| vec![f32::from(value); side * side]).collect();
        let Rect { x: left, y: top, width, height } = content;
        let inspected = self.mask.as_ref().map(|mask| mask.at(Size { width, height }));
        for row in 0..height as usize {
            for column in 0..width as usize {
                let at = (top as usize + row) * side + left as usize + column;
                let index = row * width as usize + column;
                shown[at] = inspected.as_ref().is_none_or(|inspected| inspected[index]);
                for (channel, &fill) in self.fill.iter().enumerate() {
                    ground[channel * side * side + at] = fill.into();
                }
            }
        }
        let shown = graph.bools(&[1, 1, side, side], &shown);
        let ground = graph.floats(&[1, 3, side, side], &ground);
        graph.select(&shown, x, &ground)
    }
}

/// Values of 16 bits in 8, as `to_rgb8` has them; what is above white is white.
fn eight_bits(graph: &mut Graph, x: &Value, white: u16) -> Value {
    let white = i32::from(white).max(1);
    let [factor, half, white] = [255, white / 2, white].map(|value| graph.ints32(&[], &[value]));
    let x = graph.cast(x, Element::Int32);
    let x = graph.mul(&x, &factor);
    let x = graph.add(&x, &half);
    let x = graph.div(&x, &white);
    let x = graph.cast(&x, Element::Float);
    graph.clip(&x, 0.0, 255.0)
}

/// What isn't inspected of `[N, H, W, 3]`, painted over.
fn painted(graph: &mut Graph, x: &Value, mask: &Mask, size: Size, fill: [u8; 3]) -> Value {
    let shape = [1, size.height as usize, size.width as usize, 1];
    let inspected = graph.bools(&shape, &mask.at(size));
    let fill = graph.floats(&[3], &fill.map(f32::from));
    graph.select(&inspected, x, &fill)
}

/// A step of the resize along one side: of `side` values those from `start` on are the `to` of the
/// image, the others 0.
struct Step {
    from: usize,
    to: u32,
    start: u32,
    side: usize,
}

impl Step {
    /// The most bits of weights whose sums over 8-bit values a float holds exactly.
    const EXACT: i32 = 16;
    /// How many bits of longer weights are summed up by themselves.
    const LOW: i32 = 8;

    /// What `product` with matrices `[side, from]` gives, rounded to whole numbers of 8 bits,
    /// halves up. It is exact, as half-way values are frequent where an image shrinks by a whole
    /// number.
    fn add_to(&self, graph: &mut Graph, product: impl Fn(&mut Graph, &Value) -> Value) -> Value {
        let FixedPointWeights { values, bits } =
            FixedPointWeights::new(self.from, self.to as usize);
        let times = |graph: &mut Graph, part: &dyn Fn(u16) -> u16, unit: i32| {
            let mut weights = vec![0.0; self.start as usize * self.from];
            weights
                .extend(values.iter().map(|&value| f32::from(part(value)) * (unit as f32).exp2()));
            weights.resize(self.side * self.from, 0.0);
            let weights = graph.floats(&[self.side, self.from], &weights);
            product(graph, &weights)
        };
        let half = graph.floats(&[], &[0.5]);
        let sum = if bits <= Self::EXACT {
            let sum = times(graph, &|value| value, -bits);
            let sum = graph.add(&sum, &half);
            graph.apply("Floor", &sum)
        } else {
            let high = times(graph, &|value| value >> Self::LOW, Self::LOW - bits);
            let low = times(graph, &|value| value & ((1 << Self::LOW) - 1), -bits);
            let whole = graph.apply("Floor", &high);
            let rest = graph.sub(&high, &whole);
            let rest = graph.add(&rest, &low);
            let rest = graph.add(&rest, &half);
            let rest = graph.apply("Floor", &rest);
            graph.add(&whole, &rest)
        };
        graph.clip(&sum, 0.0, 255.0)
    }
}

/// The tiles of images `[N, C, S, S]`, row by row: `[N · tiles, C, side, side]`.
fn cut(graph: &mut Graph, x: &Value, tiles: Tiles) -> Value {
    let starts = tiles.starts();
    let (count, side) = (starts.len() as i64, i64::from(tiles.size));
    let places = |start: &u32| *start as usize..(*start + tiles.size) as usize;
    let places: Vec<usize> = starts.iter().flat_map(places).collect();
    let x = graph.pick(x, &places, 2);
    let x = graph.pick(&x, &places, 3);
    let x = graph.reshape(&x, &[0, 3, count, side, count, side]);
    let x = graph.transpose(&x, &[0, 2, 4, 1, 3, 5]);
    graph.reshape(&x, &[-1, 3, side, side])
}
