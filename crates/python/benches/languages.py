"""The same images scored by the program, in Rust, C, C++, Python and on Ray: equal to the bit, and the time of an image.

    python crates/python/benches/languages.py part.nfbmr IMAGE... --rust target/release/examples/embed \
        --c target/capi/detect-c --cpp target/capi/detect-cpp

It runs where the wheel is installed, with pillow, pyarrow and ray; `crates/capi/check` makes the programs in C. Images become PPM files
first, so that all read the same pixels. The time is that of all images less that of one, divided by the others: loading
the model is left out, reading the files is not. Each round runs all of them in turn; medians are printed.
"""

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nfbmr
import nfbmr.ray
import pyarrow.parquet as pq
import ray
from PIL import Image

FIELDS = ("score", "p_value", "is_anomalous", "regions")


def lines(command, images):
    """What a program prints of images, in order."""
    run = subprocess.run(
        [*command, *images], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    found = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode not in (0, 1) or len(found) != len(images):
        sys.exit(
            f"{command[0]}: expected {len(images)} lines, found {len(found)}; {run.stderr[-500:]}"
        )
    return found


def python(model, images):
    loaded = nfbmr.load(model)
    return [json.loads(loaded.detect(image).json()) for image in images]


def on_ray(model, images):
    with tempfile.TemporaryDirectory() as folder:
        nfbmr.ray.score(images, model, folder, workers=2, images_per_part=8)
        rows = pq.read_table(folder).to_pylist()
    return [{name: row[name] for name in FIELDS} for row in rows]


def bits(found):
    """Score and peaks as the 32 bits that they are, so that no rounding hides a difference."""
    single = lambda value: struct.pack("f", value)
    regions = [{**region, "peak": single(region["peak"])} for region in found["regions"] or []]
    return single(found["score"]), found["p_value"], found["is_anomalous"], regions


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--program", default="nfbmr")
    parser.add_argument("--rust", required=True)
    parser.add_argument("--c", required=True)
    parser.add_argument("--cpp", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    model = os.path.abspath(args.model)
    ray.init(num_cpus=2, logging_level="ERROR", log_to_driver=False)
    doors = {
        "program": lambda images: lines([args.program, "detect", "-q", model], images),
        "Rust": lambda images: lines([args.rust, model], images),
        "C": lambda images: lines([args.c, model], images),
        "C++": lambda images: lines([args.cpp, model], images),
        "Python": lambda images: python(model, images),
        "Ray": lambda images: on_ray(model, images),
    }
    with tempfile.TemporaryDirectory() as folder:
        images = []
        for number, path in enumerate(args.images):
            images.append(str(Path(folder, f"{number:04}.ppm")))
            Image.open(path).convert("RGB").save(images[-1])
        found, times = {}, {name: [] for name in doors}
        for _ in range(args.rounds):
            for name, door in doors.items():
                start = time.perf_counter()
                door(images[:1])
                one = time.perf_counter() - start
                start = time.perf_counter()
                found[name] = [bits(each) for each in door(images)]
                rest = time.perf_counter() - start - one
                times[name].append(1000 * rest / (len(images) - 1))
    print(
        f"{len(images)} images, {sum(each[2] is True for each in found['program'])} of them anomalous\n"
    )
    print(
        "| | scores equal to the bit | verdicts, p-values and regions equal | ms an image |\n|---|---|---|---|"
    )
    different = False
    for name in doors:
        pairs = list(zip(found["program"], found[name], strict=True))
        scores = sum(one[0] == other[0] for one, other in pairs)
        rest = sum(one[1:] == other[1:] for one, other in pairs)
        different |= min(scores, rest) < len(images)
        print(f"| {name} | {scores} | {rest} | {statistics.median(times[name]):.1f} |")
    sys.exit(different)


main()
