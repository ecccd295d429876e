//! What a WebP file declares.

/// The bit of an animation among the flags of the extended header.
const ANIMATION: u8 = 2;

/// Whether the file is an animation.
pub(crate) fn is_animated(webp: &[u8]) -> bool {
    let extended = webp.get(12..).and_then(|chunk| chunk.strip_prefix(b"VP8X"));
    extended.and_then(|chunk| chunk.get(4)).is_some_and(|flags| flags & ANIMATION != 0)
}
