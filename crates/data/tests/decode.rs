//! `load_image` on every format, depth and layout, and on files that are not images.

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use image::{
    DynamicImage, GrayImage, ImageBuffer, ImageEncoder, ImageFormat, Luma, Rgb, RgbImage, Rgba,
};
use nfbmr_data::{
    DataError, DecodeError, Limits, decode_image, largest_value, load_image, to_rgb8,
};
use tempfile::TempDir;

fn picture() -> RgbImage {
    RgbImage::from_fn(12, 7, |x, y| Rgb([(20 * x) as u8, (30 * y) as u8, (10 * (x + y)) as u8]))
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, DecodeError> {
    decode_image(bytes, &Limits::default())
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn lossless_formats_keep_every_pixel_whatever_the_extension() {
    let folder = TempDir::new().unwrap();
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP] {
        let path = write(&folder, "image.jpg", &encoded(&picture().into(), format));
        let image = load_image(&path, &Limits::default()).unwrap();
        assert_eq!(to_rgb8(&image, None).unwrap(), picture(), "{format:?}");
    }
}

#[test]
fn jpeg_is_near_the_original() {
    let flat = RgbImage::from_pixel(16, 16, Rgb([90, 120, 60]));
    let got =
        to_rgb8(&decode(&encoded(&flat.clone().into(), ImageFormat::Jpeg)).unwrap(), None).unwrap();
    let worst = got.iter().zip(flat.iter()).map(|(&a, &b)| a.abs_diff(b)).max().unwrap();
    assert!(worst <= 3, "off by {worst}");

    let grey = GrayImage::from_pixel(9, 5, Luma([77]));
    let got = decode(&encoded(&grey.into(), ImageFormat::Jpeg)).unwrap();
    assert_eq!(got.color(), image::ColorType::L8);
    assert_eq!(to_rgb8(&got, None).unwrap().as_raw(), &[77; 9 * 5 * 3]);
}

#[test]
fn sixteen_bits_and_alpha_are_kept_until_converted() {
    let grey = ImageBuffer::<Luma<u16>, _>::from_fn(5, 3, |x, y| Luma([(x * 13000 + y) as u16]));
    let colour = ImageBuffer::<Rgba<u16>, _>::from_pixel(4, 4, Rgba([257, 1000, 65535, 0]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let got = decode(&encoded(&grey.clone().into(), format)).unwrap();
        assert_eq!(got.as_luma16(), Some(&grey), "{format:?}");
        let got = decode(&encoded(&colour.clone().into(), format)).unwrap();
        assert_eq!(got.as_rgba16(), Some(&colour), "{format:?}");
        assert_eq!(to_rgb8(&got, None).unwrap().get_pixel(0, 0), &Rgb([1, 4, 255]));
    }
}

/// A stored PNG chunk.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind, data].concat();
    let crc = !body.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| (c >> 1) ^ (0xEDB8_8320 * (c & 1)))
    });
    [&(data.len() as u32).to_be_bytes(), body.as_slice(), &crc.to_be_bytes()].concat()
}

/// The header chunk of a PNG without interlacing.
fn header(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let data = [size.as_slice(), &[depth, colour, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".as_slice(), &chunk(b"IHDR", &data)].concat()
}

#[test]
fn palette_is_resolved() {
    // 4 x 1 pixels of 2 bits with the palette entries 0, 1, 2, 1; one stored deflate block.
    let row = [0u8, 0b00_01_10_01];
    let zlib = [0x78, 0x01, 1, 2, 0, 0xFD, 0xFF, row[0], row[1], 0x00, 0x1B, 0x00, 0x1A];
    let png = [
        header(4, 1, 2, 3),
        chunk(b"PLTE", &[1, 2, 3, 40, 50, 60, 200, 210, 220]),
        chunk(b"IDAT", &zlib),
        chunk(b"IEND", &[]),
    ]
    .concat();
    let got = to_rgb8(&decode(&png).unwrap(), None).unwrap();
    assert_eq!(got.as_raw(), &[1, 2, 3, 40, 50, 60, 200, 210, 220, 40, 50, 60]);
}

/// An EXIF block with the orientation as its only entry.
fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0]);
    block
}

/// Two columns, left black and right white, each as wide as a JPEG block.
fn left_right() -> RgbImage {
    RgbImage::from_fn(32, 16, |x, _| Rgb([if x < 16 { 0 } else { 255 }; 3]))
}

/// The corners' brightness: top left, top right, bottom left, bottom right.
fn corners(image: &RgbImage) -> [bool; 4] {
    let (right, bottom) = (image.width() - 1, image.height() - 1);
    [(0, 0), (right, 0), (0, bottom), (right, bottom)].map(|(x, y)| image[(x, y)][0] > 127)
}

#[test]
fn exif_orientation_of_a_jpeg_is_applied() {
    let plain = encoded(&left_right().into(), ImageFormat::Jpeg);
    let expected = [
        (1, (32, 16), [false, true, false, true]),
        (2, (32, 16), [true, false, true, false]),
        (3, (32, 16), [true, false, true, false]),
        // 6: the camera was turned left, so the image is turned right: left becomes top.
        (6, (16, 32), [false, false, true, true]),
        (8, (16, 32), [true, true, false, false]),
    ];
    for (orientation, size, bright) in expected {
        let block = [b"Exif\0\0".as_slice(), &exif(orientation)].concat();
        let length = (block.len() as u16 + 2).to_be_bytes();
        let jpeg = [&plain[..2], &[0xFF, 0xE1], &length, &block, &plain[2..]].concat();
        let image = to_rgb8(&decode(&jpeg).unwrap(), None).unwrap();
        assert_eq!(image.dimensions(), size, "orientation {orientation}");
        assert_eq!(corners(&image), bright, "orientation {orientation}");
    }
}

#[test]
fn exif_orientation_of_a_png_is_applied() {
    let mut png = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
    encoder.set_exif_metadata(exif(6)).unwrap();
    let (width, height) = left_right().dimensions();
    encoder.write_image(&left_right(), width, height, image::ExtendedColorType::Rgb8).unwrap();
    let image = to_rgb8(&decode(&png).unwrap(), None).unwrap();
    assert_eq!(image.dimensions(), (16, 32));
    assert_eq!(corners(&image), [false, false, true, true]);
}

#[test]
fn orientation_of_a_tiff_is_applied() {
    // 2 x 1 grey pixels, big endian: the entries of the directory, then the pixels.
    let short = |tag: u16, value: u16| {
        [tag.to_be_bytes(), [0, 3], [0, 0], [0, 1], value.to_be_bytes(), [0, 0]].concat()
    };
    let entries = [
        short(256, 2),   // width
        short(257, 1),   // height
        short(258, 8),   // bits per sample
        short(259, 1),   // no compression
        short(262, 1),   // black is zero
        short(273, 134), // where the pixels are
        short(274, 6),   // orientation
        short(277, 1),   // samples per pixel
        short(278, 1),   // rows per strip
        short(279, 2),   // bytes of the strip
    ];
    let mut tiff = b"MM\0\x2a\0\0\0\x08".to_vec();
    tiff.extend((entries.len() as u16).to_be_bytes());
    tiff.extend(entries.concat());
    tiff.extend([0; 4]);
    assert_eq!(tiff.len(), 134);
    tiff.extend([10, 200]);
    let image = decode(&tiff).unwrap().into_luma8();
    assert_eq!((image.dimensions(), image.as_raw()), ((1, 2), &vec![10, 200]));
}

#[test]
fn other_content_is_refused_with_its_path() {
    let folder = TempDir::new().unwrap();
    let gif = b"GIF89a\x01\0\x01\0\0\0\0;";
    for bytes in [b"".as_slice(), b"no image at all", gif] {
        let path = write(&folder, "text.png", bytes);
        let error = load_image(&path, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("text.png"), "{error}");
        let unknown = matches!(
            &error,
            DataError::Decode { path: found, source: DecodeError::UnknownFormat { .. } } if *found == path
        );
        assert!(unknown, "{error:?}");
    }
}

#[test]
fn missing_files_and_folders_are_refused_with_their_path() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("none.png");
    let error = load_image(&path, &Limits::default()).unwrap_err();
    assert!(matches!(&error, DataError::Read { path: p, .. } if *p == path), "{error:?}");
    let error = load_image(&folder, &Limits::default()).unwrap_err();
    let not_a_file = matches!(
        &error,
        DataError::NotAFile { path, found: "a folder" } if *path == folder.path()
    );
    assert!(not_a_file, "{error:?}");
}

#[test]
fn truncated_files_are_refused() {
    let noisy =
        RgbImage::from_fn(40, 40, |x, y| Rgb([((x * 71) ^ (y * 37)) as u8, x as u8, y as u8]));
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::WebP,
    ] {
        let bytes = encoded(&noisy.clone().into(), format);
        for kept in [bytes.len() / 4, bytes.len() / 2, bytes.len() * 3 / 4] {
            assert!(decode(&bytes[..kept]).is_err(), "{format:?} cut to {kept} bytes");
        }
    }
}

#[test]
fn damaged_files_do_not_panic() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::WebP,
    ] {
        let bytes = encoded(&picture().into(), format);
        for index in 0..bytes.len() {
            for value in [0, 0x7F, 0xFF] {
                let mut damaged = bytes.clone();
                damaged[index] = value;
                // Damage may go unnoticed; what is decoded has pixels all the same.
                if let Ok(image) = decode(&damaged) {
                    assert!(image.width() > 0 && image.height() > 0);
                }
            }
        }
    }
}

#[test]
fn decompression_bombs_are_refused_by_their_header() {
    let bomb = [header(60_000, 60_000, 8, 2), chunk(b"IDAT", &[]), chunk(b"IEND", &[])].concat();
    assert!(matches!(decode(&bomb), Err(DecodeError::TooManyPixels { .. })));

    let png = encoded(&picture().into(), ImageFormat::Png);
    let few_pixels = Limits { max_pixels: 83, ..Limits::default() };
    let error = decode_image(&png, &few_pixels).unwrap_err();
    assert_eq!(error.to_string(), "expected at most 83 pixels, found 12 x 7");
    let exact = Limits { max_pixels: 84, ..Limits::default() };
    assert!(decode_image(&png, &exact).is_ok());

    let folder = TempDir::new().unwrap();
    let path = write(&folder, "large.png", &png);
    let few_bytes = Limits { max_alloc: 100, ..Limits::default() };
    let error = load_image(&path, &few_bytes).unwrap_err();
    assert!(
        matches!(error, DataError::Decode { source: DecodeError::TooLarge { limit: 100, .. }, .. }),
        "{error:?}"
    );
}

/// A PNG file of 16 bits, with a chunk before the pixels.
fn deep_png(image: &DynamicImage, significant: &[u8]) -> Vec<u8> {
    let png = encoded(image, ImageFormat::Png);
    let (header, rest) = png.split_at(33);
    [header, &chunk(b"sBIT", significant), rest].concat()
}

/// The picture in so many bits.
fn deep_picture(bits: u32) -> ImageBuffer<Rgb<u16>, Vec<u16>> {
    let white = (1u32 << bits) - 1;
    let deep = |value: u8| ((u32::from(value) * white + 127) / 255) as u16;
    let picture = picture();
    ImageBuffer::from_fn(12, 7, |x, y| Rgb(picture[(x, y)].0.map(deep)))
}

#[test]
fn a_declared_depth_gives_the_picture_in_8_bits() {
    for bits in 9..16 {
        let low: DynamicImage = deep_picture(bits).into();
        let got = decode(&deep_png(&low, &[bits as u8; 3])).unwrap();
        assert_eq!(got.as_rgb8(), Some(&picture()), "{bits} low bits");
        let mut high = deep_picture(bits);
        high.iter_mut().for_each(|value| *value <<= 16 - bits);
        let got = decode(&deep_png(&high.into(), &[bits as u8; 3])).unwrap().into_rgb8();
        let worst = got.iter().zip(picture().iter()).map(|(&a, &b)| a.abs_diff(b)).max();
        assert!(worst <= Some(1), "{bits} high bits are off by {worst:?}");
        let white = (1u32 << bits) - 1;
        let values = deep_picture(bits).iter().flat_map(|value| value.to_be_bytes()).collect();
        let pnm = [format!("P6 12 7 {white}\n").into_bytes(), values].concat();
        assert_eq!(decode(&pnm).unwrap().as_rgb8(), Some(&picture()), "maxval {white}");
    }
}

#[test]
fn all_bits_are_no_declaration() {
    let deep: DynamicImage = deep_picture(12).into();
    assert_eq!(decode(&deep_png(&deep, &[16; 3])).unwrap(), deep);
    let values = deep_picture(12).iter().flat_map(|value| value.to_be_bytes()).collect();
    let pnm = [b"P6 12 7 65535\n".to_vec(), values].concat();
    assert_eq!(decode(&pnm).unwrap(), deep);
}

#[test]
fn the_largest_value_of_16_bits_without_a_depth_is_told() {
    let folder = TempDir::new().unwrap();
    let largest = |bytes: &[u8]| largest_value(write(&folder, "image", bytes), &Limits::default());
    let deep: DynamicImage = deep_picture(12).into();
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        // 220 of 255, in 12 bits.
        assert_eq!(largest(&encoded(&deep, format)).unwrap(), Some(3533), "{format:?}");
        assert_eq!(largest(&encoded(&picture().into(), format)).unwrap(), None, "{format:?}");
    }
    assert_eq!(largest(&deep_png(&deep, &[12; 3])).unwrap(), None);
    assert_eq!(largest(b"P5 1 1 4095\n\x0f\xff").unwrap(), None);
    assert_eq!(largest(b"P5 1 1 65535\n\x0f\xff").unwrap(), Some(4095));
    // Not decoded: the damage to pixels of 8 bits is left to whoever decodes them.
    assert_eq!(largest(b"P5 9 9 255\n").unwrap(), None);
    assert!(matches!(largest(b"P5 9 9 65535\n"), Err(DataError::Decode { .. })));
    assert!(matches!(largest(b"no image"), Err(DataError::Decode { .. })));
}
