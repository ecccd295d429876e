"""The time of a detection by Python: drawn parts of 512 x 512 pixels, the default preset."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

import nfbmr

SIDE = 512


def draw(seed: int) -> np.ndarray:
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    radius = np.hypot(x - SIDE / 2 - 4 * dice.normal(), y - SIDE / 2 - 4 * dice.normal())
    part = np.where((radius < 180) & (radius > 60), 170.0, 40.0)
    colour = part[..., None] * np.array([1.0, 0.9, 0.8])
    return np.clip(colour + dice.normal(0, 4, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def timed(name: str, images: int, work: Callable[[], object]) -> None:
    """Prints the median time over some runs, by image."""
    times = []
    for _ in range(9):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) / images)
    print(f"{name:<32} {1e3 * statistics.median(times):6.1f} ms")


with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "part.nfbmr"
    start = time.perf_counter()
    nfbmr.train([draw(seed) for seed in range(20)]).save(file)
    print(f"{'train on 20 images':<32} {time.perf_counter() - start:6.1f} s")
    timed("load", 1, lambda: nfbmr.load(file))
    model = nfbmr.load(file)
    images = [draw(seed) for seed in range(100, 124)]
    files = [f"{folder}/{index}.png" for index in range(len(images))]
    for image, path in zip(images, files, strict=True):
        Image.fromarray(image).save(path)
    batch = pa.record_batch({"path": files})
    timed("detect, an array", 24, lambda: [model.detect(image) for image in images])
    timed("detect_batch, arrays", 24, lambda: model.detect_batch(images))
    timed("detect_each, PNG files", 24, lambda: list(model.detect_each(files)))
    timed("score_batch, paths of PNG files", 24, lambda: nfbmr.score_batch(batch, model))
