#!/usr/bin/env python3
"""Reads a model file by docs/file-format.md alone, with Python's standard library, and checks it.

    python3 tests/reference/read_model.py part.nfbmr

Prints `ok` and what it found, or the first thing that isn't as the document says.
"""

import hashlib
import json
import math
import struct
import sys

SIZES = {"F32": 4, "U8": 1}


def container(file):
    """Metadata and tensors by name: (dtype, shape, bytes)."""
    (length,) = struct.unpack_from("<Q", file)
    header = json.loads(file[8 : 8 + length])
    values = file[8 + length :]
    metadata = header.pop("__metadata__")
    tensors, covered = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        assert begin == covered, f"{name}: starts at {begin}, not at {covered}"
        covered = end
        expected = SIZES[entry["dtype"]] * math.prod(entry["shape"])
        assert end - begin == expected, f"{name}: {end - begin} bytes, not {expected}"
        tensors[name] = (entry["dtype"], entry["shape"], values[begin:end])
    assert covered == len(values), f"{len(values) - covered} bytes behind the tensors"
    return metadata, tensors


def checksum(metadata, tensors):
    """SHA-256 of the metadata entry and of name and bytes of each other tensor, by name."""
    digest = hashlib.sha256(metadata.encode())
    for name in sorted(tensors, key=str.encode):
        if name != "sha256":
            digest.update(name.encode())
            digest.update(tensors[name][2])
    return digest.digest()


def conv(name, outputs, inputs, kernel):
    yield f"{name}.weight", [outputs, inputs, kernel, kernel]
    yield f"{name}.bias", [outputs]


def expected_shapes(settings, permutations, channels, positions, level, width, kinds):
    """Names and shapes of the networks of `nf-bmr` with these settings; `channels` are those of each block, `level`
    is the number of the level, `width` gives the width of a network of the level, `kinds` how many there are."""
    c = sum(channels)
    if settings["whitening"]:
        for i, own in enumerate(channels):
            yield f"whitening.{level}.blocks.{i}.mean", [positions, 1, own]
            yield f"whitening.{level}.blocks.{i}.matrix", [positions, own * (own + 1) // 2]
        if kinds > 1:
            yield f"whitening.{level}.centers", [kinds, c, positions]
    flow = settings["flow"]
    assert len(permutations) == flow["couplings"]
    for i, permutation in enumerate(permutations):
        assert sorted(permutation) == list(range(c)), f"permutation {i}"
        half = c // 2
        for name, inputs, outputs in [("first", half, c - half), ("second", c - half, half)]:
            at = f"flow.{level}.couplings.{i}.{name}"
            hidden = width(flow["hidden"])
            yield from conv(f"{at}.conv1", hidden, inputs, flow["kernel"])
            yield from conv(f"{at}.conv2", 2 * outputs, hidden, flow["kernel"])
            yield f"{at}.gamma", [1]
    bmr = settings["bmr"]
    latent, inner = width(bmr["latent"]), width(bmr["inner"])
    blocks = [f"bmr.{level}.shared"]
    for branch in [f"bmr.{level}.source", f"bmr.{level}.target"]:
        yield from conv(f"{branch}.input", latent, c, 1)
        yield from conv(f"{branch}.output", c, latent, 1)
        blocks += [f"{branch}.{side}.{i}" for side in ["before", "after"] for i in range(bmr["blocks"])]
    for block in blocks:
        yield from conv(f"{block}.conv1", inner, latent, 1)
        yield from conv(f"{block}.conv2", inner, inner, 3)
        yield from conv(f"{block}.conv3", latent, inner, 1)


def threshold(scores, rate):
    """The k-th largest score, k the largest with k / (n + 1) <= rate."""
    n = len(scores)
    k = max(k for k in range(1, n + 1) if k / (n + 1) <= rate)
    return sorted(scores)[n - k]


def opened(file, entry):
    """Metadata and tensors of a file whose checksum fits."""
    entries, tensors = container(file)
    assert list(entries) == [entry], entries
    assert tensors["sha256"][:2] == ("U8", [32])
    assert tensors["sha256"][2] == checksum(entries[entry], tensors), "the checksum doesn't fit"
    return json.loads(entries[entry]), tensors


def folds(file):
    """A model of folds."""
    metadata, tensors = opened(file, "nfbmr-cross-fitted")
    count, calibration = metadata["folds"], metadata["calibration"]
    assert metadata["format_version"] == 0 and count >= 2
    names = {f"fold.{fold}" for fold in range(count)} | {"sha256"}
    assert names <= set(tensors) <= names | {"backbone", "target_backbone"}, set(tensors)
    images = 0
    for scores, peaks in zip(calibration["image_scores"]["folds"], calibration["pixel_scores"]["folds"]):
        assert len(scores["scores"]) == len(peaks["scores"]) > 0
        images += len(scores["scores"])
    assert len(calibration["image_scores"]["folds"]) == count
    assert 1 / (images + 1) <= calibration["rate"] < 1
    assert calibration["bound"]["twice"] == min(2 * calibration["rate"], 1)
    parts = [model(tensors[f"fold.{fold}"][2]) for fold in range(count)]
    return f"{count} folds of {images} images, each {parts[0]}"


def model(file):
    """A model file."""
    metadata, tensors = opened(file, "nfbmr")
    assert metadata["format_version"] == 0
    assert set(metadata) <= {
        "format_version", "config", "choices", "template", "constants", "calibration", "backbone_sha256",
        "target_backbone_sha256",
    }
    [(system, settings)] = metadata["config"]["system"].items()
    assert system == "nf-bmr"

    # Levels, channels by block and grids, from the tensors where the CNN isn't at hand.
    levels = sorted({int(name.split(".")[1]) for name in tensors if name.startswith("flow.")})
    assert levels == list(range(len(levels)))
    assert len(levels) == 1 or settings["scales"] == "pyramid"
    constants = metadata["constants"]
    kinds = metadata["config"]["kinds"]
    units = constants.get("kind_units", [])
    assert set(constants) - {"kind_units"} == {"permutations", "mean_residuals"}
    assert len(units) == (kinds if kinds > 1 else 0) and all(0 < unit < math.inf for unit in units)
    permutations, residuals = constants["permutations"], constants["mean_residuals"]
    assert len(permutations) == len(residuals) == len(levels)
    assert all(set(own) == {"source", "target"} for own in residuals)
    assert all(0 < mean < math.inf for own in residuals for mean in own.values())
    expected = {}
    for level, own in zip(levels, permutations):
        channels, positions = [tensors[f"bmr.{level}.source.input.weight"][1][1]], 1
        if settings["whitening"]:
            means = [shape for name, (_, shape, _) in sorted(tensors.items())
                     if name.startswith(f"whitening.{level}.blocks.") and name.endswith(".mean")]
            channels, positions = [shape[2] for shape in means], means[0][0]
            assert math.isqrt(positions) ** 2 == positions
        # In proportion to the channels, rounded up to a multiple of 8; the last level has all channels.
        share = lambda width: math.ceil(width * sum(channels) / len(permutations[-1][0]) / 8) * 8
        width = lambda width: min(width, share(width))
        expected |= expected_shapes(settings, own, channels, positions, level, width, kinds)
    assert ("template" in metadata) == ("template" in tensors) == (metadata["config"]["alignment"]["motion"] != "off")
    if "template" in metadata:
        columns, rows = metadata["template"]["frame"]["pixels"]
        expected["template"] = [3 * columns * rows]
    found = {name: shape for name, (dtype, shape, _) in tensors.items() if dtype == "F32"}
    assert found == expected, {n: (found.get(n), expected.get(n)) for n in found.keys() ^ expected.keys()}
    for name in found:
        values = struct.unpack(f"<{len(tensors[name][2]) // 4}f", tensors[name][2])
        assert all(map(math.isfinite, values)), f"{name}: not finite"
    others = {name for name, (dtype, *_) in tensors.items() if dtype == "U8"} - {"sha256"}
    assert others <= {"trained_on", "calibrated_on", "backbone", "target_backbone"}, others

    _, [images, width], rows = tensors["trained_on"]
    rows = [rows[i : i + 16] for i in range(0, len(rows), 16)]
    assert width == 16 and rows == sorted(rows)
    if metadata.get("calibration"):
        calibration = metadata["calibration"]
        for kind, scores in [("threshold", "image_scores"), ("pixel_threshold", "pixel_scores")]:
            value = calibration[kind]
            if not value["set_by_hand"]:
                assert value["value"] == threshold(calibration[scores]["scores"], calibration["rate"])
    return f"version {metadata['format_version']}, {len(found)} parameters, {images} images"


def main(path):
    with open(path, "rb") as file:
        content = file.read()
    entries, _ = container(content)
    print("ok:", folds(content) if "nfbmr-cross-fitted" in entries else model(content))


if __name__ == "__main__":
    main(*sys.argv[1:])
