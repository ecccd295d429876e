//! Protobuf messages, field by field. Knows the encoding alone, and no message of ONNX.

const VARINT: u64 = 0;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;

/// An encoded message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn int(mut self, field: u64, value: i64) -> Self {
        self.key(field, VARINT);
        // A negative number has the ten bytes of its two's complement.
        self.varint(value as u64);
        self
    }

    pub(crate) fn ints(self, field: u64, values: &[i64]) -> Self {
        values.iter().fold(self, |message, &value| message.int(field, value))
    }

    pub(crate) fn float(mut self, field: u64, value: f32) -> Self {
        self.key(field, FIXED_32);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.key(field, BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(crate) fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    pub(crate) fn messages(self, field: u64, messages: &[Self]) -> Self {
        messages.iter().fold(self, |all, message| all.message(field, message))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the examples of the protobuf documentation, and a negative number.
    #[test]
    fn fields_are_encoded_as_documented() {
        let encoded = |message: Message| message.into_bytes();
        assert_eq!(encoded(Message::new().int(1, 150)), [0x08, 0x96, 0x01]);
        let text = b"\x12\x07testing";
        assert_eq!(encoded(Message::new().text(2, "testing")), text);
        let inner = Message::new().int(1, 150);
        assert_eq!(encoded(Message::new().message(3, &inner)), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let negative = encoded(Message::new().int(1, -2));
        assert_eq!(negative, [&[0x08, 0xfe][..], &[0xff; 8], &[0x01]].concat());
        assert_eq!(encoded(Message::new().float(16, 1.0)), [0x85, 0x01, 0, 0, 0x80, 0x3f]);
    }
}
