//! The operators that graphs are made of, by what they do. Knows graphs, and not what is computed.

use crate::graph::{Attribute, Element, Graph, Value};

/// How a convolution goes over its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Step between outputs, down and across.
    pub stride: usize,
    /// Zeros above, left, below and right.
    pub padding: [usize; 4],
    /// Groups of channels that are convolved by themselves.
    pub groups: usize,
}

impl Graph {
    /// a + b.
    pub fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Add", &[a, b], &[])
    }

    /// a − b.
    pub fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Sub", &[a, b], &[])
    }

    /// a · b, element by element.
    pub fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Mul", &[a, b], &[])
    }

    /// a / b, element by element.
    pub fn div(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Div", &[a, b], &[])
    }

    /// x times a number.
    pub fn scale(&mut self, x: &Value, factor: f32) -> Value {
        let factor = self.floats(&[], &[factor]);
        self.mul(x, &factor)
    }

    /// x².
    pub fn square(&mut self, x: &Value) -> Value {
        self.mul(x, x)
    }

    /// The product of matrices, the last two dimensions of each.
    pub fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        self.node("MatMul", &[a, b], &[])
    }

    /// The convolution of x `[N, C, H, W]`.
    pub fn conv(&mut self, x: &Value, weight: &Value, bias: &Value, conv: Convolution) -> Value {
        let Convolution { stride, padding, groups } = conv;
        let (strides, pads) = ([stride as i64; 2], padding.map(|side| side as i64));
        let attributes = [
            ("strides", Attribute::Ints(&strides)),
            ("pads", Attribute::Ints(&pads)),
            ("group", Attribute::Int(groups as i64)),
        ];
        self.node("Conv", &[x, weight, bias], &attributes)
    }

    /// The means over squares of this side, so many apart, of x `[N, C, H, W]`; outside of it
    /// values are 0.
    pub fn average(&mut self, x: &Value, side: usize, stride: usize, padding: usize) -> Value {
        let [kernel, strides] = [side, stride].map(|side| [side as i64; 2]);
        let pads = [padding as i64; 4];
        let attributes = [
            ("kernel_shape", Attribute::Ints(&kernel)),
            ("strides", Attribute::Ints(&strides)),
            ("pads", Attribute::Ints(&pads)),
            ("count_include_pad", Attribute::Int(1)),
        ];
        self.node("AveragePool", &[x], &attributes)
    }

    /// An operator of one input and no attribute, such as `Exp`.
    pub fn apply(&mut self, operator: &str, x: &Value) -> Value {
        self.node(operator, &[x], &[])
    }

    /// Each element kept from `low` to `high`.
    pub fn clip(&mut self, x: &Value, low: f32, high: f32) -> Value {
        let ends = [low, high].map(|end| self.floats(&[], &[end]));
        let [low, high] = &ends;
        self.node("Clip", &[x, low, high], &[])
    }

    /// Elements as those of another type.
    pub fn cast(&mut self, x: &Value, element: Element) -> Value {
        self.node("Cast", &[x], &[("to", Attribute::Int(element as i64))])
    }

    /// `a` where `condition` holds, `b` elsewhere.
    pub fn select(&mut self, condition: &Value, a: &Value, b: &Value) -> Value {
        self.node("Where", &[condition, a, b], &[])
    }

    /// The same elements in another shape: 0 stands for the dimension that is there, -1 for what is
    /// left.
    pub fn reshape(&mut self, x: &Value, shape: &[i64]) -> Value {
        let shape = self.ints(&[shape.len()], shape);
        self.node("Reshape", &[x, &shape], &[])
    }

    /// The dimensions in another order.
    pub fn transpose(&mut self, x: &Value, order: &[i64]) -> Value {
        self.node("Transpose", &[x], &[("perm", Attribute::Ints(order))])
    }

    /// One after the other along a dimension.
    pub fn concat(&mut self, values: &[Value], axis: i64) -> Value {
        let values: Vec<&Value> = values.iter().collect();
        self.node("Concat", &values, &[("axis", Attribute::Int(axis))])
    }

    /// Two parts along a dimension, of so many each.
    pub fn split(&mut self, x: &Value, axis: i64, sizes: [usize; 2]) -> [Value; 2] {
        let sizes = self.ints(&[2], &sizes.map(|size| size as i64));
        self.pair("Split", &[x, &sizes], &[("axis", Attribute::Int(axis))])
    }

    /// So many along a dimension, from `start` on.
    pub fn slice(&mut self, x: &Value, axis: i64, start: usize, count: usize) -> Value {
        let ends = [start as i64, (start + count) as i64, axis].map(|end| self.ints(&[1], &[end]));
        let [start, end, axis] = &ends;
        self.node("Slice", &[x, start, end, axis], &[])
    }

    /// The elements at these indices along a dimension, which become dimensions in its place.
    pub fn gather(&mut self, x: &Value, indices: &Value, axis: i64) -> Value {
        self.node("Gather", &[x, indices], &[("axis", Attribute::Int(axis))])
    }

    /// As [`Self::gather`], at indices that are constant.
    pub fn pick(&mut self, x: &Value, indices: &[usize], axis: i64) -> Value {
        let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
        let indices = self.ints(&[indices.len()], &indices);
        self.gather(x, &indices, axis)
    }

    /// Another dimension of 1.
    pub fn unsqueeze(&mut self, x: &Value, axis: i64) -> Value {
        let axis = self.ints(&[1], &[axis]);
        self.node("Unsqueeze", &[x, &axis], &[])
    }

    /// The sum over a dimension, which goes.
    pub fn sum(&mut self, x: &Value, axis: i64) -> Value {
        let axis = self.ints(&[1], &[axis]);
        self.node("ReduceSum", &[x, &axis], &[("keepdims", Attribute::Int(0))])
    }

    /// The mean over a dimension, which goes.
    pub fn mean(&mut self, x: &Value, axis: i64) -> Value {
        self.reduce("ReduceMean", x, axis)
    }

    /// The largest over a dimension, which goes.
    pub fn max(&mut self, x: &Value, axis: i64) -> Value {
        self.reduce("ReduceMax", x, axis)
    }

    fn reduce(&mut self, operator: &str, x: &Value, axis: i64) -> Value {
        let attributes = [("axes", Attribute::Ints(&[axis])), ("keepdims", Attribute::Int(0))];
        self.node(operator, &[x], &attributes)
    }

    /// The index of the largest, or of the smallest, over a dimension, which goes; the first of
    /// several.
    pub fn index_of(&mut self, largest: bool, x: &Value, axis: i64) -> Value {
        let operator = if largest { "ArgMax" } else { "ArgMin" };
        let attributes = [("axis", Attribute::Int(axis)), ("keepdims", Attribute::Int(0))];
        self.node(operator, &[x], &attributes)
    }

    /// The largest so many along a dimension, the largest first, and their indices.
    pub fn largest(&mut self, x: &Value, count: usize, axis: i64) -> [Value; 2] {
        let count = self.ints(&[1], &[count as i64]);
        self.pair("TopK", &[x, &count], &[("axis", Attribute::Int(axis))])
    }

    /// Of x `[…, H, W]` the product rows · x · columns: a step along rows and one along columns,
    /// each as a matrix `[to, from]`.
    pub fn along_sides(&mut self, x: &Value, rows: &Matrix, columns: &Matrix) -> Value {
        let rows = self.floats(&[rows.to, rows.from], &rows.values);
        let columns = columns.transposed();
        let columns = self.floats(&[columns.to, columns.from], &columns.values);
        let x = self.matmul(&rows, x);
        self.matmul(&x, &columns)
    }
}

/// A linear step along one side, `[to, from]` row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Rows.
    pub to: usize,
    /// Columns.
    pub from: usize,
    /// As many as both say.
    pub values: Vec<f32>,
}

impl Matrix {
    /// With `from` as rows.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let Self { to, from, ref values } = *self;
        let column = |column| values.iter().skip(column).step_by(from.max(1)).copied();
        Self { to: from, from: to, values: (0..from).flat_map(column).collect() }
    }
}
