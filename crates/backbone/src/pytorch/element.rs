//! The number types of tensors, by the names that PyTorch gives their storages. Knows nothing else.

/// Class in `torch` and bytes of a value.
const ELEMENTS: [(&str, usize); 10] = [
    ("FloatStorage", 4),
    ("HalfStorage", 2),
    ("BFloat16Storage", 2),
    ("DoubleStorage", 8),
    ("LongStorage", 8),
    ("IntStorage", 4),
    ("ShortStorage", 2),
    ("CharStorage", 1),
    ("ByteStorage", 1),
    ("BoolStorage", 1),
];

/// Bytes of a value in storages of this class; `None` if `torch` has no such class.
pub(super) fn element_width(class: &str) -> Option<usize> {
    ELEMENTS.iter().find(|(name, _)| *name == class).map(|(_, width)| *width)
}
