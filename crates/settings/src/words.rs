//! What is wrong with a setting, in words that need no knowledge of Rust.

use serde_path_to_error::Segment;

/// What is wrong with a setting, without the names of types, and what to do where an example tells it best.
pub(crate) fn in_words(
    problem: &str,
    path: &serde_path_to_error::Path,
) -> (String, Option<&'static str>) {
    if problem.contains("unit variant, expected") {
        let example = match path.iter().next_back() {
            Some(Segment::Enum { variant }) if variant == "letterbox" => {
                "`--set fit.letterbox.fill=[0,0,0]` is the colour beside the image"
            }
            Some(Segment::Enum { variant }) if variant == "top_fraction" => {
                "`--set pooling.top_fraction=0.02` is the share of the pixels"
            }
            Some(Segment::Enum { variant }) if variant == "same_static" => {
                "`--set backbone.padding.same_static.native=224` is the side of the network's images"
            }
            _ => "name what it takes as well: `--set KEY.NAME=VALUE`",
        };
        return (
            "expected what it takes besides its name, found nothing".to_owned(),
            Some(example),
        );
    }
    const TYPES: [(&str, &str); 7] = [
        ("u8", "a whole number from 0 to 255"),
        ("u16", "a whole number from 0 to 65535"),
        ("u32", "a whole number from 0 to 4294967295"),
        ("u64", "a whole number of 0 or more"),
        ("usize", "a whole number of 0 or more"),
        ("f32", "a number"),
        ("f64", "a number"),
    ];
    let plain = TYPES.iter().find_map(|(name, words)| {
        let start = problem.strip_suffix(name)?.strip_suffix("expected ")?;
        Some(format!("{start}expected {words}"))
    });
    (plain.unwrap_or_else(|| problem.to_owned()), None)
}
