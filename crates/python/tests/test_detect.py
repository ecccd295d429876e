"""What a detection says, of which images, and that it is what the program says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import SIDE, Data, draw, program
from PIL import Image

import nfbmr


def same(one: nfbmr.Detection, other: nfbmr.Detection) -> None:
    """To the bit."""
    assert one.json() == other.json()
    assert np.array_equal(one.anomaly_map, other.anomaly_map)


def test_a_detection_is_that_of_the_program(
    model: nfbmr.Model, model_file: Path, data: Data
) -> None:
    lines = program("detect", model_file, *data.files).lines()
    assert len({line["is_anomalous"] for line in lines}) == 2, "defects are told from good parts"
    for file, line in zip(data.files, lines, strict=True):
        found = model.detect(file)
        assert json.loads(found.json()).items() <= line.items()
        assert line.keys() - json.loads(found.json()).keys() == {"path", "drift"}
        assert np.float32(found.score) == np.float32(line["score"])
        assert found.score == float(np.float32(found.score)), "widened, not rounded"
        assert found.p_value == line["p_value"]
        assert found.is_anomalous is line["is_anomalous"]
        assert found.threshold == model.threshold
        regions = line["regions"]
        assert len(found.regions) == len(regions)
        for region, expected in zip(found.regions, regions, strict=True):
            for name, value in expected.items():
                assert np.float32(getattr(region, name)) == np.float32(value), name
        assert found.located is None and found.kind is None and found.inspected is None
        assert f"is_anomalous={found.is_anomalous}" in repr(found)


def test_all_kinds_of_images_are_scored_alike(model: nfbmr.Model, data: Data) -> None:
    for file in data.files:
        expected = model.detect(file)
        pixels = np.asarray(Image.open(file))
        kinds = [str(file), os.fspath(file), file.read_bytes(), pixels, Image.open(file)]
        for image in kinds:
            same(model.detect(image), expected)
        for found in model.detect_batch(kinds):
            same(found, expected)
        for found in model.detect_each(iter(kinds)):
            assert isinstance(found, nfbmr.Detection)
            same(found, expected)


def test_the_map_is_one_array(model: nfbmr.Model) -> None:
    pixels = draw(1)[:50]
    found = model.detect(pixels)
    values = found.anomaly_map
    assert values is not None and values.dtype == np.float32 and values.shape == (50, SIDE)
    assert found.anomaly_map is values, "not copied each time"
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0] = 1
    del found
    assert np.isfinite(values).all(), "the array outlives the detection"


def test_strides_may_be_any(model: nfbmr.Model) -> None:
    pixels = draw(110, defect=True)
    expected = model.detect(pixels)
    padded = np.zeros((SIDE, SIDE + 5, 3), np.uint8)
    padded[:, :SIDE] = pixels
    bytes_at_1 = np.frombuffer(b"x" + pixels.tobytes(), np.uint8)[1:].reshape(pixels.shape)
    layouts = {
        "row stride": padded[:, :SIDE],
        "Fortran": np.asfortranarray(pixels),
        "every other": np.repeat(np.repeat(pixels, 2, 0), 2, 1)[::2, ::2],
        "upside down": pixels[::-1].copy()[::-1],
        "BGR to RGB": pixels[..., ::-1].copy()[..., ::-1],
        "planes": np.ascontiguousarray(pixels.transpose(2, 0, 1)).transpose(1, 2, 0),
        "read-only": bytes_at_1,
    }
    for name, image in layouts.items():
        assert np.array_equal(image, pixels), name
        same(model.detect(image), expected)
    grey = np.ascontiguousarray(pixels[..., 0])
    expected = model.detect(grey)
    same(model.detect(grey[..., None]), expected)
    same(model.detect(np.broadcast_to(grey[..., None], (SIDE, SIDE, 3))), expected)
    same(model.detect(np.dstack([grey] * 3)), expected)


def test_alpha_is_dropped_as_that_of_files(model: nfbmr.Model, tmp_path: Path) -> None:
    pixels = draw(3)
    alpha = np.dstack([pixels, np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE)])
    Image.fromarray(alpha).save(tmp_path / "alpha.png")
    expected = model.detect(pixels)
    for image in (alpha, tmp_path / "alpha.png", Image.open(tmp_path / "alpha.png")):
        same(model.detect(image), expected)


def test_16_bits(model: nfbmr.Model, tmp_path: Path) -> None:
    deep = draw(2)[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png")
    expected = model.detect(tmp_path / "deep.png")
    unaligned = np.frombuffer(b"x" + deep.tobytes(), np.uint8)[1:].view(np.uint16)
    unaligned = unaligned.reshape(deep.shape)
    assert not unaligned.flags.aligned
    colour = np.dstack([deep] * 3)
    for image in (deep, unaligned, deep[::-1].copy()[::-1], colour, Image.open(tmp_path / "deep.png")):
        same(model.detect(image), expected)
    same(model.detect(draw(2)[..., 0]), expected)
    with pytest.raises(nfbmr.DataError, match="white"):
        model.detect(deep // 257)


def test_modes_of_pillow(model: nfbmr.Model, tmp_path: Path) -> None:
    image = Image.fromarray(draw(4))
    grey = image.convert("L")
    modes = {
        "grey": grey,
        "alpha": image.convert("RGBA"),
        "grey_alpha": grey.convert("LA"),
        "palette": image.quantize(32),
        "one_bit": grey.convert("1"),
    }
    for name, image in modes.items():
        image.save(tmp_path / f"{name}.png")
        expected = model.detect(tmp_path / f"{name}.png")
        same(model.detect(image), expected)
        same(model.detect(Image.open(tmp_path / f"{name}.png")), expected)
    for mode in ("F", "I", "CMYK", "YCbCr", "HSV"):
        base = grey if mode in "FI" else image.convert("RGB")
        with pytest.raises(nfbmr.DataError, match=f"found mode {mode}"):
            model.detect(base.convert(mode))


def test_the_orientation_of_a_file_is_applied(model: nfbmr.Model, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(draw(5)[:40]).save(tmp_path / "turned.png", exif=exif)
    expected = model.detect(tmp_path / "turned.png")
    assert expected.anomaly_map.shape == (SIDE, 40)
    same(model.detect(Image.open(tmp_path / "turned.png")), expected)


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (np.zeros((0, 5), np.uint8), "no pixels"),
        (np.zeros((5, 0, 3), np.uint8), "no pixels"),
        (np.zeros(5, np.uint8), r"found \(5\)"),
        (np.zeros((), np.uint8), r"found \(\)"),
        (np.zeros((5, 5, 2), np.uint8), r"found \(5, 5, 2\)"),
        (np.zeros((3, 5, 5), np.uint8), "channels come last"),
        (np.zeros((1, 5, 5, 3), np.uint8), r"found \(1, 5, 5, 3\)"),
        (np.zeros((5, 5), np.float32), "uint8 or uint16, found one of float32"),
        (np.zeros((5, 5), bool), "found one of bool"),
        (np.zeros((5, 5), np.int8), "found one of int8"),
        (np.zeros((5, 5), ">u2"), "found one of >u2"),
        (np.zeros((5, 5), object), "found one of object"),
        (np.ma.masked_equal(np.zeros((5, 5), np.uint8), 0), "without a mask"),
        (b"", "found nothing"),
        (b"no image at all", "no image"),
        ("nowhere.png", "nowhere.png"),
        ("/", "folder"),
    ],
)
def test_what_is_no_image_is_refused(model: nfbmr.Model, image: object, problem: str) -> None:
    with pytest.raises(nfbmr.DataError, match=problem):
        model.detect(image)
    (found,) = model.detect_each([image])
    assert isinstance(found, nfbmr.DataError)


@pytest.mark.parametrize("image", [None, 1, 1.5, [1, 2], {"a": 1}, object()])
def test_what_was_never_meant_is_a_type_error(model: nfbmr.Model, image: object) -> None:
    with pytest.raises(TypeError, match="expected an image: a path, the bytes of a file, a numpy"):
        model.detect(image)


def test_errors_stay_in_their_places(model: nfbmr.Model, data: Data, tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(data.files[0].read_bytes()[:200])
    bad = [tmp_path / "cut.png", tmp_path / "none.png", np.zeros((2, 2), np.float32), b"x"]
    images = [image for pair in zip(data.files, bad, strict=False) for image in pair]
    images += data.files[len(bad) :]
    results = list(model.detect_each(images))
    assert len(results) == len(images)
    for image, found in zip(images, results, strict=True):
        if any(image is one for one in bad):
            assert isinstance(found, nfbmr.DataError)
        else:
            same(found, model.detect(image))
    assert "cut.png" in str(results[1]) and "none.png" in str(results[3])
    with pytest.raises(nfbmr.DataError, match="none.png"):
        model.detect_batch([data.files[0], bad[1]])


def test_what_an_iterable_raises_comes_after_what_it_gave(model: nfbmr.Model) -> None:
    def images() -> object:
        yield draw(1)
        raise KeyError("gone")

    each = model.detect_each(images())
    assert isinstance(next(each), nfbmr.Detection)
    with pytest.raises(KeyError, match="gone"):
        next(each)
    assert list(model.detect_each([])) == [] and model.detect_batch([]) == []
    with pytest.raises(TypeError):
        model.detect_each(5)


def test_heatmaps_are_those_of_the_program(
    model: nfbmr.Model, model_file: Path, data: Data, tmp_path: Path
) -> None:
    file = data.files[-1]
    assert program("detect", model_file, file, "--heatmaps", tmp_path).code == 1
    expected = np.asarray(Image.open(tmp_path / f"{file.stem}_heatmap.png"))
    found = model.detect(file)
    drawn = model.heatmap(file, found)
    assert drawn.dtype == np.uint8 and np.array_equal(drawn, expected)
    assert np.array_equal(model.heatmap(draw(int(file.stem), defect=True), found), expected)
    with pytest.raises(nfbmr.DataError, match="64 x 64 pixels, found one of 64 x 63"):
        model.heatmap(draw(1)[1:], found)


def test_regions_are_values(model: nfbmr.Model, data: Data) -> None:
    found = model.detect(data.files[-1])
    region = found.regions[0]
    assert region == model.detect(data.files[-1]).regions[0]
    assert region.area > 0 and 0 <= region.x <= region.peak_x < region.x + region.width <= SIDE
    assert found.anomaly_map[region.peak_y, region.peak_x] == np.float32(region.peak)
    assert repr(region).startswith(f"Region(x={region.x}, y={region.y}, ")
