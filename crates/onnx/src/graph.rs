//! A graph that is put together: its values, and how they are written. Knows the messages of ONNX,
//! and no operator.

use crate::error::OnnxError;
use crate::message::Message;

/// The version of the file format that came with the operator set.
const IR_VERSION: i64 = 8;
const OPERATOR_SET: i64 = 17;
/// The most bytes of a message.
const MOST_BYTES: u64 = i32::MAX as u64;

/// The type of the elements of a tensor, by its number in ONNX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Element {
    /// `f32`.
    Float = 1,
    /// `u8`.
    Uint8 = 2,
    /// `u16`.
    Uint16 = 4,
    /// `i32`.
    Int32 = 6,
    /// `i64`.
    Int64 = 7,
    /// `bool`.
    Bool = 9,
}

/// A dimension of an input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dim {
    /// So many.
    Of(usize),
    /// Any number, the same wherever the name is the same.
    Named(&'static str),
}

/// A value of a graph, by its name: an input, a constant or what a node puts out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(String);

/// An attribute of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Attribute<'a> {
    /// A number.
    Int(i64),
    /// A number with a fraction.
    Float(f32),
    /// Numbers.
    Ints(&'a [i64]),
}

/// A graph that grows by inputs, constants, nodes and outputs, in the order of the computation.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    constants: Vec<Message>,
    nodes: Vec<Message>,
    metadata: Vec<Message>,
    part: String,
    names: usize,
    bytes: u64,
    /// The first there was.
    problem: Option<OnnxError>,
}

impl Graph {
    /// A graph of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the nodes and constants from here on belong to: their names begin with it.
    pub fn part(&mut self, name: &str) {
        name.clone_into(&mut self.part);
    }

    /// An input of the graph.
    pub fn input(&mut self, name: &str, element: Element, dims: &[Dim]) -> Value {
        self.inputs.push(value_info(name, element, dims));
        Value(name.to_owned())
    }

    /// Makes a value an output of the graph, by this name.
    pub fn output(&mut self, name: &str, value: &Value, element: Element, dims: &[Dim]) {
        self.outputs.push(value_info(name, element, dims));
        let named = Message::new().text(1, &value.0).text(2, name);
        self.nodes.push(named.text(3, &format!("output/{name}")).text(4, "Identity"));
    }

    /// What programs may read of the graph besides it.
    pub fn metadata(&mut self, key: &str, value: &str) {
        self.metadata.push(Message::new().text(1, key).text(2, value));
    }

    /// A constant, row by row.
    pub fn floats(&mut self, shape: &[usize], values: &[f32]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Element::Float, shape, values.len(), bytes)
    }

    /// A constant of indices or sizes.
    pub fn ints(&mut self, shape: &[usize], values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Element::Int64, shape, values.len(), bytes)
    }

    /// A constant of numbers of 32 bits.
    pub fn ints32(&mut self, shape: &[usize], values: &[i32]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Element::Int32, shape, values.len(), bytes)
    }

    /// A constant of what is so and what isn't.
    pub fn bools(&mut self, shape: &[usize], values: &[bool]) -> Value {
        let bytes = values.iter().map(|&value| u8::from(value)).collect();
        self.constant(Element::Bool, shape, values.len(), bytes)
    }

    /// What a node of one output puts out.
    pub fn node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
    ) -> Value {
        let output = self.name(operator);
        self.push(operator, inputs, attributes, std::slice::from_ref(&output));
        output
    }

    /// What a node of two outputs puts out.
    pub fn pair(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
    ) -> [Value; 2] {
        let outputs = [self.name(operator), self.name(operator)];
        self.push(operator, inputs, attributes, &outputs);
        outputs
    }

    /// The bytes of the model, by a program of this name and version.
    ///
    /// # Errors
    /// [`OnnxError`], for the first constant that was wrong or for too much of them.
    pub fn finish(self, producer: &str, version: &str) -> Result<Vec<u8>, OnnxError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let graph = Message::new().messages(1, &self.nodes).text(2, producer);
        let graph = graph.messages(5, &self.constants);
        let graph = graph.messages(11, &self.inputs).messages(12, &self.outputs);
        let operators = Message::new().text(1, "").int(2, OPERATOR_SET);
        let model = Message::new().int(1, IR_VERSION).text(2, producer).text(3, version);
        let model = model.message(8, &operators).messages(14, &self.metadata).message(7, &graph);
        match model.len() as u64 {
            bytes if bytes > MOST_BYTES => Err(OnnxError::TooLarge { bytes }),
            _ => Ok(model.into_bytes()),
        }
    }

    fn constant(&mut self, element: Element, shape: &[usize], count: usize, raw: Vec<u8>) -> Value {
        let value = self.name("constant");
        let expected = shape.iter().try_fold(1usize, |all, &side| all.checked_mul(side));
        if expected != Some(count) {
            let (name, shape) = (value.0.clone(), shape.to_vec());
            self.problem.get_or_insert(OnnxError::Values { name, shape, found: count });
        }
        self.bytes += raw.len() as u64;
        if self.bytes > MOST_BYTES {
            self.problem.get_or_insert(OnnxError::TooLarge { bytes: self.bytes });
        }
        // Nothing more is kept of a graph that won't be written.
        if self.problem.is_none() {
            let dims: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
            let tensor = Message::new().ints(1, &dims).int(2, element as i64);
            self.constants.push(tensor.text(8, &value.0).bytes(9, &raw));
        }
        value
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
        outputs: &[Value],
    ) {
        let node = inputs.iter().fold(Message::new(), |node, input| node.text(1, &input.0));
        let node = outputs.iter().fold(node, |node, output| node.text(2, &output.0));
        let name = outputs.first().map_or("", |output| &output.0);
        let node = node.text(3, name).text(4, operator);
        self.nodes.push(attributes.iter().fold(node, |node, (name, attribute)| {
            let named = Message::new().text(1, name);
            let attribute = match *attribute {
                Attribute::Float(value) => named.float(2, value).int(20, 1),
                Attribute::Int(value) => named.int(3, value).int(20, 2),
                Attribute::Ints(values) => named.ints(8, values).int(20, 7),
            };
            node.message(5, &attribute)
        }));
    }

    /// A name that no other value has.
    fn name(&mut self, of: &str) -> Value {
        self.names += 1;
        Value(format!("{}/{of}_{}", self.part, self.names))
    }
}

fn value_info(name: &str, element: Element, dims: &[Dim]) -> Message {
    let shape = dims.iter().fold(Message::new(), |shape, dim| {
        let dim = match *dim {
            Dim::Of(size) => Message::new().int(1, size as i64),
            Dim::Named(name) => Message::new().text(2, name),
        };
        shape.message(1, &dim)
    });
    let tensor = Message::new().int(1, element as i64).message(2, &shape);
    Message::new().text(1, name).message(2, &Message::new().message(1, &tensor))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of a message: its number, and its number or bytes.
    #[derive(Debug, PartialEq)]
    enum Field {
        Int(u64, u64),
        Bytes(u64, Vec<u8>),
    }

    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if *first < 0x80 {
                break;
            }
        }
        value
    }

    fn fields(mut bytes: &[u8]) -> Vec<Field> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            fields.push(match key & 7 {
                0 => Field::Int(key >> 3, varint(&mut bytes)),
                kind => {
                    let length = if kind == 5 { 4 } else { varint(&mut bytes) as usize };
                    let (own, rest) = bytes.split_at(length);
                    bytes = rest;
                    Field::Bytes(key >> 3, own.to_vec())
                }
            });
        }
        fields
    }

    /// The messages of a field.
    fn all(bytes: &[u8], number: u64) -> Vec<Vec<u8>> {
        let own = fields(bytes).into_iter().filter_map(|field| match field {
            Field::Bytes(field, bytes) if field == number => Some(bytes),
            _ => None,
        });
        own.collect()
    }

    fn texts(bytes: &[u8], number: u64) -> Vec<String> {
        all(bytes, number).into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn a_graph_is_read_as_it_was_put_together() {
        let mut graph = Graph::new();
        let x = graph.input("x", Element::Uint8, &[Dim::Named("N"), Dim::Of(300)]);
        graph.part("half");
        let half = graph.floats(&[1, 2], &[0.5, -2.0]);
        let y = graph.node("Mul", &[&x, &half], &[("axes", Attribute::Ints(&[1, -1]))]);
        graph.output("y", &y, Element::Float, &[Dim::Named("N")]);
        graph.metadata("key", "value");
        let bytes = graph.finish("tests", "1.2").unwrap();

        assert_eq!(texts(&bytes, 2), ["tests"]);
        assert_eq!(fields(&bytes)[0], Field::Int(1, 8));
        assert_eq!(fields(&all(&bytes, 8)[0])[1], Field::Int(2, 17));
        let metadata = &all(&bytes, 14)[0];
        assert_eq!(
            (texts(metadata, 1), texts(metadata, 2)),
            (vec!["key".into()], vec!["value".into()])
        );
        let graph = &all(&bytes, 7)[0];
        let [node, identity] = &all(graph, 1)[..] else { panic!("two nodes") };
        assert_eq!(texts(node, 1), ["x", "half/constant_1"]);
        assert_eq!(
            (texts(node, 2), texts(node, 4)),
            (vec!["half/Mul_2".into()], vec!["Mul".into()])
        );
        let axes = &all(node, 5)[0];
        assert_eq!(texts(axes, 1), ["axes"]);
        let expected = [Field::Int(8, 1), Field::Int(8, u64::MAX), Field::Int(20, 7)];
        assert_eq!(fields(axes)[1..], expected);
        assert_eq!(
            (texts(identity, 1), texts(identity, 2)),
            (vec!["half/Mul_2".into()], vec!["y".into()])
        );
        let constant = &all(graph, 5)[0];
        assert_eq!(fields(constant)[..3], [Field::Int(1, 1), Field::Int(1, 2), Field::Int(2, 1)]);
        assert_eq!(all(constant, 9), [[0.5f32.to_le_bytes(), (-2f32).to_le_bytes()].concat()]);
        let input = &all(graph, 11)[0];
        assert_eq!(texts(input, 1), ["x"]);
        let tensor = &all(&all(input, 2)[0], 1)[0];
        assert_eq!(fields(tensor)[0], Field::Int(1, 2));
        let dims = all(&all(tensor, 2)[0], 1);
        assert_eq!(texts(&dims[0], 2), ["N"]);
        assert_eq!(fields(&dims[1]), [Field::Int(1, 300)]);
    }

    #[test]
    fn a_constant_of_another_shape_is_refused() {
        let mut graph = Graph::new();
        graph.part("a");
        graph.floats(&[2, 2], &[1.0; 3]);
        graph.ints(&[1], &[1, 2]);
        let error = graph.finish("tests", "1").unwrap_err();
        let expected = "constant a/constant_1: expected the values of the shape [2, 2], found 3";
        assert_eq!(error.to_string(), expected);
        let mut graph = Graph::new();
        graph.floats(&[usize::MAX, 2], &[1.0; 3]);
        assert!(matches!(graph.finish("tests", "1"), Err(OnnxError::Values { found: 3, .. })));
    }

    #[test]
    fn what_a_file_can_not_hold_is_refused() {
        let mut graph = Graph { bytes: MOST_BYTES - 3, ..Graph::new() };
        graph.floats(&[1], &[1.0]);
        let error = graph.finish("tests", "1").unwrap_err();
        assert_eq!(error, OnnxError::TooLarge { bytes: MOST_BYTES + 1 });
    }
}
