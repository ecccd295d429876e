//! Damage to valid files, drawn from a seed.

use nfbmr_test_support::rewrite::{Content, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::Dtype;
use serde_json::{Value, json};

pub struct Damage {
    rng: ChaCha8Rng,
}

impl Damage {
    pub fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// A number below `count`; 0 where that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        self.rng.random_range(0..count.max(1))
    }

    pub fn one_of<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }

    /// Numbers at which lengths and counts go wrong.
    pub fn number(&mut self) -> u64 {
        match self.below(6) {
            0 => self.below(20) as u64,
            1 => 1 << self.below(64),
            2 => (1 << self.below(64)) - 1,
            3 => u64::MAX - self.below(9) as u64,
            4 => self.rng.random::<u32>().into(),
            _ => self.rng.random(),
        }
    }

    /// One to four changes anywhere; parts of `other` may get in.
    pub fn bytes(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            self.change(bytes, other);
        }
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        // Headers are at the start, directories at the end, and both are short.
        let length = bytes.len();
        let at = match self.below(4) {
            0 => self.below(length.min(64)),
            1 => length.saturating_sub(1 + self.below(length.min(128))),
            _ => self.below(length),
        };
        let digits = self.below(10);
        let span = 1 + self.below(1 << digits);
        let range = at..(at + span).min(length);
        match self.below(8) {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (span % 8)),
            1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = span as u8),
            2 => {
                let number = self.number();
                let (little, big) = (number.to_le_bytes(), number.to_be_bytes());
                let width = 1 << self.below(4);
                let number = if self.below(2) == 0 { &little[..width] } else { &big[8 - width..] };
                bytes.iter_mut().skip(at).zip(number).for_each(|(byte, new)| *byte = *new);
            }
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(range)),
            5 => {
                let part = bytes[range].to_vec();
                let to = self.below(length);
                bytes.splice(to..to, part);
            }
            6 => {
                let from = self.below(other.len());
                let part = other[from..(from + span).min(other.len())].to_vec();
                bytes.splice(range, part);
            }
            _ => bytes.iter_mut().skip(at).take(span).for_each(|byte| *byte = self.rng.random()),
        }
    }

    /// One change anywhere in a JSON value.
    pub fn json(&mut self, value: &mut Value) {
        let mut places = Vec::new();
        collect(value, &mut String::new(), &mut places);
        let place = self.one_of(&places).clone();
        let Some(found) = value.pointer_mut(&place) else { return };
        match (self.below(4), found) {
            (0, Value::Array(values)) => match self.below(4) {
                0 => values.truncate(self.below(values.len())),
                1 => values.extend(values.clone()),
                2 => values.reverse(),
                _ => drop(values.pop()),
            },
            (0, Value::Object(fields)) => {
                let name = fields.keys().nth(self.below(fields.len())).cloned();
                let taken = name.and_then(|name| fields.remove(&name));
                if self.below(2) == 0 {
                    fields.insert("unknown".to_owned(), taken.unwrap_or_default());
                }
            }
            (1, found @ Value::Number(_)) => {
                let near = found.as_f64().unwrap_or(0.0) * [-1.0, 0.5, 2.0][self.below(3)];
                *found = if near.fract() == 0.0 { json!(near as i64) } else { json!(near) };
            }
            (_, found) => *found = self.value(),
        }
    }

    fn value(&mut self) -> Value {
        match self.below(12) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!([]),
            3 => json!({}),
            4 => json!(""),
            5 => json!("x".repeat(1 << self.below(12))),
            6 => json!(-1),
            7 => json!([1e308, -1e308, 1e-320, 0.5, -0.0, 1e39][self.below(6)]),
            8 => json!(vec![self.number(); self.below(40)]),
            9 => json!(self.below(4096)),
            10 => {
                json!(["joint", "pyramid", "plain", "normalized", "mean", "squash"][self.below(6)])
            }
            _ => json!(self.number()),
        }
    }

    /// One change to a model file or a checkpoint, which its checksum doesn't find.
    pub fn content(&mut self, content: &mut Content) {
        if self.below(2) == 0 {
            let mut metadata = serde_json::from_str(&content.metadata).unwrap_or_default();
            self.json(&mut metadata);
            content.metadata = metadata.to_string();
            return;
        }
        let names: Vec<String> = content.tensors.keys().cloned().collect();
        let Some(name) = names.get(self.below(names.len())) else { return };
        let other = names[self.below(names.len())].clone();
        let Some(mut tensor) = content.tensors.remove(name) else { return };
        match self.below(6) {
            0 => {}
            1 => drop(content.tensors.insert(format!("{other}.{name}"), tensor)),
            2 => {
                content.tensors.insert(other, tensor.clone());
                content.tensors.insert(name.clone(), tensor);
            }
            _ => {
                self.tensor(&mut tensor);
                content.tensors.insert(name.clone(), tensor);
            }
        }
    }

    fn tensor(&mut self, tensor: &mut Tensor) {
        match self.below(4) {
            0 => tensor.shape.reverse(),
            1 => tensor.shape.insert(self.below(tensor.shape.len()), 1),
            2 => {
                // Another length, which another shape needs.
                let rows = self.below(tensor.shape.first().copied().unwrap_or(1) + 2);
                let values: usize = tensor.shape.iter().skip(1).product();
                let row = values * tensor.dtype.bitsize() / 8;
                tensor.data.resize(rows * row, 0);
                match tensor.shape.first_mut() {
                    Some(axis) => *axis = rows,
                    None => tensor.shape.push(rows),
                }
            }
            _ => self.values(tensor),
        }
    }

    fn values(&mut self, tensor: &mut Tensor) {
        let hostile = [f32::NAN, f32::INFINITY, f32::MAX, -f32::MAX, f32::MIN_POSITIVE, 0.0, -1.0];
        let value = self.one_of(&hostile).to_le_bytes();
        match tensor.dtype {
            Dtype::F32 if self.below(2) == 0 => {
                tensor.data.as_chunks_mut().0.fill(value);
            }
            Dtype::F32 => {
                let words = tensor.data.as_chunks_mut().0;
                let at = self.below(words.len());
                words.iter_mut().skip(at).take(1).for_each(|word| *word = value);
            }
            _ => {
                let at = self.below(tensor.data.len());
                tensor.data.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1);
            }
        }
    }
}

/// JSON pointers to a value and all within it.
fn collect(value: &Value, at: &mut String, places: &mut Vec<String>) {
    places.push(at.clone());
    let length = at.len();
    let mut descend = |key: &str, value: &Value| {
        at.push('/');
        at.push_str(key);
        collect(value, at, places);
        at.truncate(length);
    };
    match value {
        Value::Array(values) => {
            // A few of many alike.
            let few = values.iter().enumerate().take(4);
            few.for_each(|(index, value)| descend(&index.to_string(), value));
        }
        Value::Object(fields) => fields.iter().for_each(|(name, value)| descend(name, value)),
        _ => {}
    }
}
