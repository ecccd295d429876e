"""Writes the files of this folder again, byte for byte. Needs Pillow.

Most are the same small picture in many encodings; the others break one rule each.
"""

import io
import struct
import zlib
from pathlib import Path

from PIL import Image, ImageChops

HERE = Path(__file__).parent
WIDTH, HEIGHT = 32, 24
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXIF_TURN_RIGHT = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def write(name: str, data: bytes) -> None:
    (HERE / name).write_bytes(data)


def encode(image: Image.Image, format: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def picture() -> Image.Image:
    """Smooth, so that lossy formats stay close to it, and different in every channel."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    image.putdata([(7 * x, 10 * y, 128 + 2 * (x - y)) for y in range(HEIGHT) for x in range(WIDTH)])
    return image


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *before: bytes) -> bytes:
    """A PNG file with the chunks `before` ahead of the pixels `rows`, which are taken as given."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows, 9))
    return PNG_SIGNATURE + header + b"".join(before) + data + chunk(b"IEND", b"")


def rows(pixels: bytes, row: int) -> bytes:
    """Rows of `row` bytes, each after the byte that says it is not filtered."""
    return b"".join(b"\0" + pixels[i : i + row] for i in range(0, len(pixels), row))


def write_png(image: Image.Image) -> None:
    plain = encode(image, "PNG")
    grey = image.convert("L")
    alpha = grey.point(lambda value: 255 - value)
    write("plain.png", plain)
    write("grey.png", encode(grey, "PNG"))
    write("grey1.png", encode(grey.convert("1", dither=Image.Dither.NONE), "PNG"))
    write("grey_alpha.png", encode(Image.merge("LA", (grey, alpha)), "PNG"))
    write("rgba.png", encode(Image.merge("RGBA", (*image.split(), alpha)), "PNG"))
    palette = image.quantize(16)
    write("palette.png", encode(palette, "PNG", bits=4))
    write("palette_alpha.png", encode(palette, "PNG", bits=4, transparency=bytes(range(0, 256, 16))))

    # A value v of 8 bits is the value 257 v of 16 bits.
    wide = lambda pixels: b"".join(bytes([value, value]) for value in pixels)
    write("grey16.png", png(WIDTH, HEIGHT, 16, 0, rows(wide(grey.tobytes()), 2 * WIDTH)))
    write("rgb16.png", png(WIDTH, HEIGHT, 16, 2, rows(wide(image.tobytes()), 6 * WIDTH)))

    write("exif_rotated.png", encode(image, "PNG", exif=EXIF_TURN_RIGHT))
    frames = [image, ImageChops.invert(image)]
    write("animated.png", encode(image, "PNG", save_all=True, append_images=frames[1:]))
    write("trailing.png", plain + b"left behind by another program" * 4)
    write("one_pixel.png", encode(Image.new("RGB", (1, 1), (200, 100, 50)), "PNG"))
    ramp = bytes(value % 251 for value in range(20_000))
    write("thin.png", encode(Image.frombytes("L", (1, 20_000), ramp), "PNG", optimize=True))
    write("wide.png", encode(Image.frombytes("L", (20_000, 1), ramp), "PNG", optimize=True))
    text = zlib.compress(bytes(10_000_000), 9)
    write("text_bomb.png", png(1, 1, 8, 0, b"\0\x80", chunk(b"zTXt", b"Comment\0\0" + text)))
    write("profile_bomb.png", png(1, 1, 8, 0, b"\0\x80", chunk(b"iCCP", b"Profile\0\0" + text)))

    write("empty.png", b"")
    write("text.png", b"This is not an image, whatever its name says.\n")
    write("gif.png", encode(palette, "GIF"))
    write("truncated.png", plain[: len(plain) // 2])
    write("header_only.png", PNG_SIGNATURE)
    at = plain.index(b"IDAT") + 20
    write("flipped_bit.png", plain[:at] + bytes([plain[at] ^ 1]) + plain[at + 1 :])
    at = plain.index(b"IEND") - 5
    write("bad_crc.png", plain[:at] + bytes([plain[at] ^ 1]) + plain[at + 1 :])
    write("no_pixels.png", png(0, 0, 8, 2, b""))
    write("bomb.png", png(50_000, 50_000, 8, 2, b"\0\0\0\0"))
    write("wide_bomb.png", png(200_000_000, 100, 8, 2, b"\0\0\0\0"))
    write("hollow.png", png(4_000, 4_000, 8, 2, b"\0\0\0\0"))
    write("no_palette.png", png(2, 1, 8, 3, b"\0\0\1"))
    third_too_much = (chunk(b"PLTE", b"\x10\x20\x30\x40"), chunk(b"tRNS", b"\x80"))
    write("third_of_a_colour.png", png(2, 1, 8, 3, b"\0\0\1", *third_too_much))
    write("palette_too_short.png", png(2, 1, 8, 3, b"\0\0\1", chunk(b"PLTE", b"\x10\x20\x30")))


def segment(jpeg: bytes, marker: int) -> int:
    """Where the segment with `marker` starts, found by walking over those before it."""
    at = 2
    while jpeg[at + 1] != marker:
        at += 2 + struct.unpack_from(">H", jpeg, at + 2)[0]
    return at


def patch(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def resized_jpeg(jpeg: bytes, frame: int, width: int, height: int) -> bytes:
    """The same file with another size in its frame header."""
    return patch(jpeg, segment(jpeg, frame) + 5, struct.pack(">HH", height, width))


def write_jpeg(image: Image.Image) -> None:
    options = {"quality": 92, "subsampling": 0}
    plain = encode(image, "JPEG", **options)
    progressive = encode(image, "JPEG", progressive=True, **options)
    write("plain.jpg", plain)
    write("subsampled.jpg", encode(image, "JPEG", quality=92, subsampling=2))
    write("grey.jpg", encode(image.convert("L"), "JPEG", quality=92))
    write("progressive.jpg", progressive)
    write("restarts.jpg", encode(image, "JPEG", restart_marker_blocks=2, **options))
    write("exif_rotated.jpg", encode(image, "JPEG", exif=b"Exif\0\0" + EXIF_TURN_RIGHT, **options))

    # Adobe's programs store 255 - C, and so does Pillow.
    cyan_magenta_yellow = ImageChops.invert(image).split()
    black = Image.new("L", image.size, 0)
    cmyk = Image.merge("CMYK", (*cyan_magenta_yellow, black))
    write("cmyk.jpg", encode(cmyk, "JPEG", **options))
    # YCCK is made of the complement of what CMYK stores; its mark is byte 11 of Adobe's segment.
    ycc = ImageChops.invert(image).convert("YCbCr")
    ycck = Image.merge("CMYK", (*map(ImageChops.invert, ycc.split()), black))
    ycck = encode(ycck, "JPEG", **options)
    write("ycck.jpg", patch(ycck, segment(ycck, 0xEE) + 4 + 11, b"\2"))

    write("trailing.jpg", plain + b"left behind by another program" * 4)
    inverted = encode(ImageChops.invert(image), "JPEG", **options)
    write("two_images.jpg", plain + inverted)
    write("two_starts.jpg", plain[:2] + plain)
    write("jpeg_named.png", plain)

    scan = segment(plain, 0xDA)
    for name, cut in [("early", 100), ("header", scan), ("scan", scan + 60), ("end", len(plain) - 2)]:
        write(f"truncated_{name}.jpg", plain[:cut])
    write("truncated_progressive.jpg", progressive[: segment(progressive, 0xDA) + 60])
    # The marker at the end is there, but half of the scan before it is not.
    write("hole.jpg", plain[: (scan + len(plain)) // 2] + plain[-2:])
    write("bomb.jpg", resized_jpeg(plain, 0xC0, 65_500, 65_500))
    write("hollow.jpg", resized_jpeg(plain, 0xC0, 4_000, 4_000))
    write("hollow_progressive.jpg", resized_jpeg(progressive, 0xC2, 4_000, 4_000))
    write("no_height.jpg", resized_jpeg(plain, 0xC0, WIDTH, 0))
    frame = segment(plain, 0xC0)
    write("arithmetic.jpg", patch(plain, frame + 1, b"\xc9"))
    write("twelve_bits.jpg", patch(plain, frame + 4, b"\x0c"))


def bmp(width: int, height: int, bits: int, compression: int, pixels: bytes) -> bytes:
    """A BMP file with a palette of two entries where `bits` is 8."""
    palette = bytes([10, 20, 30, 0, 200, 210, 220, 0]) if bits == 8 else b""
    offset = 54 + len(palette)
    info = (40, width, height, 1, bits, compression, len(pixels), 2835, 2835, len(palette) // 4, 0)
    header = b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset)
    return header + struct.pack("<IiiHHIIiiII", *info) + palette + pixels


def write_bmp(image: Image.Image) -> None:
    plain = encode(image, "BMP")
    write("plain.bmp", plain)
    write("grey.bmp", encode(image.convert("L"), "BMP"))
    # Runs: twice 4 pixels of each palette entry, end of the row, end of the picture.
    write("runs.bmp", bmp(8, 2, 8, 1, bytes([4, 0, 4, 1, 0, 0, 4, 1, 4, 0, 0, 1])))
    write("truncated.bmp", plain[: len(plain) // 2])
    write("bomb.bmp", bmp(60_000, 60_000, 24, 0, bytes(16)))
    write("bomb_runs.bmp", bmp(60_000, 60_000, 8, 1, bytes([0, 1])))
    write("negative.bmp", bmp(-8, 2, 8, 1, bytes([0, 1])))


def tiff(
    width: int, height: int, next_page: int, strip_bytes: int, pixels: bytes, widths: int = 1
) -> bytes:
    """A grey TIFF file of one strip; the entry of the width claims `widths` values."""
    long, short = 4, 3
    entries = [
        (256, long, width),
        (257, long, height),
        (258, short, 8),
        (259, short, 1),
        (262, short, 1),
        (273, long, 8 + 2 + 9 * 12 + 4),
        (277, short, 1),
        (278, long, height),
        (279, long, strip_bytes),
    ]
    directory = struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        count = widths if tag == 256 else 1
        directory += struct.pack("<HHII", tag, kind, count, value)
    return b"II\x2a\0" + struct.pack("<I", 8) + directory + struct.pack("<I", next_page) + pixels


def write_tiff(image: Image.Image) -> None:
    plain = encode(image, "TIFF")
    write("plain.tif", plain)
    grey = image.convert("L")
    deep = Image.frombytes("I;16", grey.size, b"".join(bytes([v, v]) for v in grey.tobytes()))
    write("grey16.tif", encode(deep, "TIFF"))
    write("cmyk.tif", encode(image.convert("CMYK"), "TIFF", compression="tiff_lzw"))
    write("palette.tif", encode(image.quantize(16), "TIFF"))
    write("float.tif", encode(grey.convert("F").point(lambda value: value / 255), "TIFF"))
    pages = [image, ImageChops.invert(image)]
    write("two_pages.tif", encode(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    write("loop.tif", tiff(2, 1, 8, 2, b"\x20\xc0"))
    write("truncated.tif", plain[: len(plain) // 2])
    write("bomb.tif", tiff(60_000, 60_000, 0, 2, b"\x20\xc0"))
    write("long_strip.tif", tiff(2, 1, 0, 0xFFFF_FFF0, b"\x20\xc0"))
    write("many_values.tif", tiff(2, 1, 0, 2, b"\x20\xc0", widths=16_000_000))
    write("hollow.tif", tiff(4_000, 4_000, 0, 16_000_000, b"\x20\xc0"))


def pages(*images: tuple[list[tuple[int, int, list[int]]], bytes]) -> bytes:
    """A TIFF file of images, each with entries (tag, type, values), for short and long values, and pixels."""
    file = b"II\x2a\0" + struct.pack("<I", 8)
    for index, (entries, pixels) in enumerate(images):
        last = index == len(images) - 1
        entries = sorted([*entries, (273, 4, [0]), (279, 4, [len(pixels)])])
        values_at = len(file) + 2 + 12 * len(entries) + 4
        packed = [struct.pack(f"<{len(v)}{'H' if kind == 3 else 'I'}", *v) for _, kind, v in entries]
        far = b"".join(values for values in packed if len(values) > 4)
        pixels_at = values_at + len(far)
        directory = struct.pack("<H", len(entries))
        for (tag, kind, values), data in zip(entries, packed):
            if tag == 273:
                data = struct.pack("<I", pixels_at)
            if len(data) > 4:
                data, values_at = struct.pack("<I", values_at), values_at + len(data)
            directory += struct.pack("<HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
        next_page = 0 if last else pixels_at + len(pixels)
        file += directory + struct.pack("<I", next_page) + far + pixels
    return file


def entries(width: int, height: int, bits: int, channels: int, *more) -> list:
    short, long = 3, 4
    return [
        (256, long, [width]),
        (257, long, [height]),
        (258, short, [bits] * channels),
        (259, short, [1]),
        (262, short, [1 if channels == 1 else 2]),
        (277, short, [channels]),
        (278, long, [height]),
        *more,
    ]


def write_depths(colour: bytes, grey: bytes) -> None:
    """Values of other depths than 8 and 16 bits, by what declares them; `colour` and `grey` are the picture."""
    size = (WIDTH, HEIGHT)
    scaled = lambda pixels, white: [round(value * white / 255) for value in pixels]
    little = lambda values: struct.pack(f"<{len(values)}H", *values)
    big = lambda values: struct.pack(f">{len(values)}H", *values)
    twelve = scaled(grey, 4095)

    significant = chunk(b"sBIT", bytes([12]))
    high = [value << 4 | value >> 8 for value in twelve]
    write("low12.png", png(*size, 16, 0, rows(big(twelve), 2 * WIDTH), significant))
    write("high12.png", png(*size, 16, 0, rows(big(high), 2 * WIDTH), significant))

    declared = entries(*size, 16, 1, (281, 3, [4095]))
    write("grey12.tif", pages((declared, little(twelve))))
    write("beyond12.tif", pages((declared, little([5000, *twelve[1:]]))))
    inverted = [(262, 3, [0]) if tag == 262 else (tag, *rest) for tag, *rest in declared]
    write("white_is_zero12.tif", pages((inverted, little([4095 - value for value in twelve]))))

    header = lambda kind, white: f"P{kind}\n# a comment\n{WIDTH} {HEIGHT}\n{white}\n".encode()
    write("grey.pgm", header(5, 255) + grey)
    write("plain.ppm", header(6, 255) + colour)
    write("grey10.pgm", header(5, 1023) + big(scaled(grey, 1023)))
    write("colour12.ppm", header(6, 4095) + big(scaled(colour, 4095)))
    write("white100.pgm", header(5, 100) + bytes(scaled(grey, 100)))
    text = lambda values: "\n".join(map(str, values)).encode()
    write("text.pgm", header(2, 255) + text(grey))
    write("text10.pgm", header(2, 1023) + text(scaled(grey, 1023)))
    write("beyond10.pgm", header(5, 1023) + big([1024, *scaled(grey, 1023)[1:]]))
    write("truncated.pgm", (header(5, 255) + grey)[: len(grey) // 2])
    write("truncated_text.pgm", (header(2, 255) + text(grey))[: len(grey)])
    write("two.pgm", (header(5, 255) + grey) * 2)

    floats = entries(*size, 32, 3, (339, 3, [3, 3, 3]))
    pack = lambda values: struct.pack(f"<{len(values)}f", *values)
    write("float01.tif", pages((floats, pack([value / 255 for value in colour]))))
    write("float255.tif", pages((floats, pack(list(colour)))))
    whole = entries(4, 3, 32, 3)
    write("whole32.tif", pages((whole, struct.pack("<36I", *range(36)))))

    plain, dot = entries(*size, 8, 3), bytes([0, 0, 0])
    belongs = lambda kind: entries(1, 1, 8, 3, (254, 4, [kind]))
    write("thumbnail.tif", pages((plain, colour), (belongs(1), dot), (belongs(4), dot)))
    write("preview.tif", pages((belongs(1), dot), (plain, colour)))
    write("only_preview.tif", pages((belongs(1), dot)))
    write("volume.tif", pages((entries(1, 1, 8, 3, (32997, 4, [5])), dot)))
    write("next_page_missing.tif", tiff(2, 1, 9_999, 2, b"\x20\xc0"))

    write("big.tif", b"II\x2b\0\x08\0\0\0" + struct.pack("<QQQ", 16, 0, 0))
    write("heic.jpg", struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic")
    write("jpeg2000.png", struct.pack(">I", 12) + b"jP  \r\n\x87\n")


def riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def write_webp(image: Image.Image) -> None:
    lossless = encode(image, "WEBP", lossless=True)
    write("lossless.webp", lossless)
    write("lossy.webp", encode(image, "WEBP", quality=95))
    alpha = image.convert("L").point(lambda value: 255 - value)
    rgba = Image.merge("RGBA", (*image.split(), alpha))
    write("alpha.webp", encode(rgba, "WEBP", lossless=True, exact=True))
    frames = [image, ImageChops.invert(image)]
    write("animated.webp", encode(image, "WEBP", lossless=True, save_all=True, append_images=frames[1:]))
    write("truncated.webp", lossless[: len(lossless) // 2])
    # The canvas of the extended header, each side less one in 24 bits; the frame is tiny.
    canvas = struct.pack("<I", 60_000 - 1)[:3] * 2
    write("bomb.webp", riff(b"VP8X" + struct.pack("<I", 10) + bytes(4) + canvas, lossless[12:]))
    # 14 bits for each side less one in the frame itself.
    size = struct.pack("<I", (4_000 - 1) | (4_000 - 1) << 14)
    write("hollow.webp", riff(b"VP8L" + struct.pack("<I", 6) + b"\x2f" + size + b"\0"))


def main() -> None:
    image = picture()
    write_png(image)
    write_jpeg(image)
    write_bmp(image)
    write_tiff(image)
    write_webp(image)
    write_depths(image.tobytes(), image.convert("L").tobytes())


if __name__ == "__main__":
    main()
