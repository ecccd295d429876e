"""Throughput of `nfbmr.ray.score` with one and two workers of one thread, beside the program with one.

    python crates/python/benches/scale_out.py part.nfbmr IMAGE...

All images are scored several times over, by each in turn, round after round. The time of an image is that of all images less that
of a tenth of them, divided by the others, so that starts and loading are left out. Medians are printed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ray

import nfbmr.ray

PROGRAM = Path(sys.executable).with_name("nfbmr")


def program(model: str, images: list[str]) -> None:
    command = [PROGRAM, "detect", "-q", model, *images]
    env = {**os.environ, "RAYON_NUM_THREADS": "1"}
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def workers(count: int, model: str, images: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        nfbmr.ray.score(images, model, folder, workers=count, images_per_part=25)


def seconds(score, images: list[str]) -> float:
    start = time.perf_counter()
    score(images)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    images = [os.path.abspath(path) for path in args.images] * args.times
    few = images[: len(images) // 10]
    ray.init(num_cpus=2, logging_level="ERROR", log_to_driver=False)
    ways = {
        "program, 1 thread": lambda images: program(args.model, images),
        "Ray, 1 worker": lambda images: workers(1, args.model, images),
        "Ray, 2 workers": lambda images: workers(2, args.model, images),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, way in ways.items():
            rest = seconds(way, images) - seconds(way, few)
            times[name].append(1000 * rest / (len(images) - len(few)))
    first, *_ = times.values()
    print(f"{len(images)} images, {args.rounds} rounds\n")
    print(
        "| | ms an image | images/s | ratio to the program, median of rounds |\n|---|---|---|---|"
    )
    for name, own in times.items():
        ms = statistics.median(own)
        ratio = statistics.median(one / other for one, other in zip(own, first, strict=True))
        print(f"| {name} | {ms:.1f} | {1000 / ms:.1f} | {ratio:.3f} |")


main()
