//! The files of `tests/bad`: each does what the table there says, in little memory, and so does
//! whatever comes of them by damage.
//!
//! With `-- --nocapture`, prints the outcome and the memory of each file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use image::DynamicImage;
use nfbmr_data::{DataError, DecodeError, Limits, Size, decode_image, load_image, to_rgb8};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MB: usize = 1 << 20;

/// The decoder panics over this file, which is caught.
const PANICS: &str = "third_of_a_colour.png";

/// Held by every test that decodes, so that what it allocates does not count in another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `f` returns, and the most bytes allocated at once meanwhile.
fn measure<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let value = f();
    (value, MEMORY.peak_usage().saturating_sub(before))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bad")
}

/// The names and outcomes in the table of the read-me.
fn table() -> Vec<(String, String)> {
    let text = fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0].trim_matches('`').to_owned(), cells[2].to_owned())
    })
    .collect()
}

/// The committed images, smallest first.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = table()
        .into_iter()
        .map(|(name, _)| (name.clone(), fs::read(folder().join(name)).unwrap()))
        .collect();
    files.sort_by_key(|(_, bytes)| bytes.len());
    files
}

/// The most memory a file may take.
fn allowed(name: &str, bytes: usize) -> usize {
    const DECLARED: usize = 4_000 * 4_000;
    match name {
        // Within the limits, a header is believed.
        _ if name.starts_with("hollow") => 10 * DECLARED,
        "profile_bomb.png" => 30 * MB,
        // What the panic hook prints, such as a backtrace, takes memory of its own.
        PANICS => usize::MAX,
        _ => MB + bytes,
    }
}

#[test]
fn every_file_does_what_the_table_says_in_little_memory() {
    let _alone = alone();
    println!("| file | bytes | outcome | peak memory |\n|---|---|---|---|");
    for (name, expected) in table() {
        let path = folder().join(&name);
        let bytes = fs::metadata(&path).unwrap().len() as usize;
        let (result, peak) = measure(|| load_image(&path, &Limits::default()));
        let short = expected.split(':').next().unwrap();
        println!("| `{name}` | {bytes} | {short} | {:.1} kB |", peak as f64 / 1e3);
        assert!(peak <= allowed(&name, bytes), "{name} took {peak} bytes");
        match result {
            Ok(image) => {
                let size = Size::from((image.width(), image.height()));
                assert_eq!(format!("scored, {size}"), expected, "{name}");
            }
            Err(DataError::Decode { path: named, source }) => {
                assert_eq!(named, path);
                let quoted = expected.strip_prefix("refused: ");
                let said = source.to_string();
                assert!(quoted.is_some_and(|quoted| said.contains(quoted)), "{name}: {said}");
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn no_file_is_left_out_of_the_table() {
    let _alone = alone();
    let mut listed: Vec<_> = table().into_iter().map(|(name, _)| name).collect();
    listed.extend(["README.md", "generate.py"].map(str::to_owned));
    listed.sort();
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut found: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, listed);
}

fn decode(bytes: &[u8]) -> Option<DynamicImage> {
    decode_image(bytes, &Limits::default()).ok()
}

/// The worst difference of two images of one size.
fn difference(a: &DynamicImage, b: &DynamicImage) -> u8 {
    let (a, b) = (to_rgb8(a, None).unwrap(), to_rgb8(b, None).unwrap());
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(&a, &b)| a.abs_diff(b)).max().unwrap()
}

#[test]
fn every_encoding_shows_the_same_picture() {
    let _alone = alone();
    let image = |name: &str| load_image(folder().join(name), &Limits::default()).unwrap();
    let colour = image("plain.png");
    let grey = image("grey.png");
    let turned = colour.rotate90();
    let cases: [(&DynamicImage, u8, &[&str]); 8] = [
        (&colour, 0, &["rgb16.png", "rgba.png", "trailing.png", "plain.bmp", "plain.ppm"]),
        (&colour, 0, &["plain.tif", "thumbnail.tif", "lossless.webp", "alpha.webp"]),
        (&colour, 0, &["float01.tif", "colour12.ppm"]),
        (&colour, 5, &["plain.jpg", "progressive.jpg", "restarts.jpg", "cmyk.jpg", "ycck.jpg"]),
        (&colour, 16, &["subsampled.jpg", "lossy.webp", "cmyk.tif"]),
        (&grey, 3, &["grey16.png", "grey_alpha.png", "grey.bmp", "grey16.tif", "grey.jpg"]),
        (&grey, 0, &["low12.png", "high12.png", "grey12.tif", "white_is_zero12.tif", "grey.pgm"]),
        (&turned, 5, &["exif_rotated.png", "exif_rotated.jpg"]),
    ];
    for (expected, tolerance, names) in cases {
        for name in names {
            let worst = difference(&image(name), expected);
            assert!(worst <= tolerance, "{name} is off by {worst}");
        }
    }
    assert_eq!(difference(&image("palette_alpha.png"), &image("palette.png")), 0);
    for name in ["trailing.jpg", "two_images.jpg", "jpeg_named.png"] {
        assert_eq!(difference(&image(name), &image("plain.jpg")), 0, "{name}");
    }
    for name in ["grey10.pgm", "text.pgm", "text10.pgm"] {
        assert_eq!(difference(&image(name), &grey), 0, "{name}");
    }
    // Of 100 values, each stands for two or three of 256.
    assert!(difference(&image("white100.pgm"), &grey) <= 1);
    assert_eq!(to_rgb8(&image("one_pixel.png"), None).unwrap().as_raw(), &[200, 100, 50]);
}

#[test]
fn a_file_cut_short_is_refused_or_has_lost_no_pixel() {
    let _alone = alone();
    for (name, bytes) in files() {
        // The last number of a text may lose digits unnoticed.
        let is_text = name.starts_with("text") && name.ends_with(".pgm");
        if name.starts_with("hollow") || name == PANICS || is_text {
            continue;
        }
        let Some(whole) = decode(&bytes) else { continue };
        for length in (0..bytes.len()).step_by(16) {
            if let Some(cut) = decode(&bytes[..length]) {
                assert_eq!(difference(&cut, &whole), 0, "{name} cut to {length} bytes");
            }
        }
    }
}

#[test]
fn damage_to_any_byte_neither_panics_nor_fills_the_memory() {
    let _alone = alone();
    // Damage to a header may declare any size: these limits bound the time it takes.
    let limits = Limits { max_pixels: 1 << 16, max_alloc: 1 << 20 };
    for (name, bytes) in files() {
        if bytes.len() >= 1_000 || name == PANICS {
            continue;
        }
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0xFF;
            let (result, peak) = measure(|| decode_image(&damaged, &limits));
            let panicked = matches!(&result, Err(DecodeError::Panic { .. }));
            assert!(!panicked, "{name} with byte {index} inverted: {result:?}");
            assert!(peak <= 4 * MB, "{name} with byte {index} inverted takes {peak} bytes");
        }
    }
}
