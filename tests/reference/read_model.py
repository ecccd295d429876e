#!/usr/bin/env python3
"""Reads a model file by docs/file-format.md alone, with Python's standard library, and checks it.

    python3 tests/reference/read_model.py tests/fixtures/model-v4.nfbmr

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


def expected_shapes(config, permutations, channels, grid):
    """Names and shapes of the networks of `nf-bmr`; `channels` are those of each block."""
    c, positions = sum(channels), grid[0] * grid[1]
    if config.get("whitening"):
        for i, own in enumerate(channels):
            yield f"whitening.blocks.{i}.mean", [positions, 1, own]
            yield f"whitening.blocks.{i}.matrix", [positions, own, own]
    flow = config["flow"]
    assert len(permutations) == flow["couplings"]
    for i, permutation in enumerate(permutations):
        assert sorted(permutation) == list(range(c)), f"permutation {i}"
        half = c // 2
        for name, inputs, outputs in [("first", half, c - half), ("second", c - half, half)]:
            at = f"flow.couplings.{i}.{name}"
            yield from conv(f"{at}.conv1", flow["hidden"], inputs, flow["kernel"])
            yield from conv(f"{at}.conv2", 2 * outputs, flow["hidden"], flow["kernel"])
            yield f"{at}.gamma", [1]
    bmr = config["bmr"]
    blocks = ["bmr.shared"]
    for branch in ["bmr.source", "bmr.target"]:
        yield from conv(f"{branch}.input", bmr["latent"], c, 1)
        yield from conv(f"{branch}.output", c, bmr["latent"], 1)
        blocks += [f"{branch}.{side}.{i}" for side in ["before", "after"] for i in range(bmr["blocks"])]
    for block in blocks:
        yield from conv(f"{block}.conv1", bmr["inner"], bmr["latent"], 1)
        yield from conv(f"{block}.conv2", bmr["inner"], bmr["inner"], 3)
        yield from conv(f"{block}.conv3", bmr["latent"], bmr["inner"], 1)


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
    assert metadata["format_version"] == 1 and count >= 2
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
    assert metadata["format_version"] in (1, 2, 3, 4)
    config = metadata["config"]
    assert config.get("system", "nf-bmr") == "nf-bmr"

    # Channels by block and the grid, from the tensors where the CNN isn't at hand.
    c = tensors["bmr.source.input.weight"][1][1]
    channels, grid = [c], [1, 1]
    if config.get("whitening"):
        count = 1 + len(config.get("earlier_blocks", []))
        channels = [tensors[f"whitening.blocks.{i}.mean"][1][2] for i in range(count)]
        positions = tensors["whitening.blocks.0.mean"][1][0]
        grid = [math.isqrt(positions)] * 2
        assert grid[0] * grid[1] == positions
    expected = dict(expected_shapes(config, metadata["permutations"], channels, grid))
    found = {name: shape for name, (dtype, shape, _) in tensors.items() if dtype == "F32"}
    assert found == expected, {n: (found.get(n), expected.get(n)) for n in found.keys() ^ expected.keys()}
    for name in found:
        values = struct.unpack(f"<{len(tensors[name][2]) // 4}f", tensors[name][2])
        assert all(map(math.isfinite, values)), f"{name}: not finite"
    others = {name for name, (dtype, *_) in tensors.items() if dtype == "U8"} - {"sha256"}
    assert others <= {"trained_on", "backbone", "target_backbone"}, others

    images = None
    if "trained_on" in tensors:
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
