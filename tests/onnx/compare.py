"""An exported model beside the program, on the test images of a category of MVTec AD: differences, AUROC, times.

    python tests/onnx/compare.py part.nfbmr part.onnx bottle --int8 part-int8.xml

Engines take turns, ten images each. A time is from a PPM file to the verdict, its decoding included; medians of all
images but the first of each turn.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from runtimes import RELEASE, onnx_runtime, open_vino

# Images in a row.
TURN = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the model file")
    parser.add_argument("graph", help="its ONNX file, for images of the category's size")
    parser.add_argument("category", type=Path, help="the category's folder")
    parser.add_argument("--int8", nargs="*", default=[], help="OpenVINO files of quantise.py")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    paths = sorted((args.category / "test").glob("*/*.png"))
    labels = np.array([path.parent.name != "good" for path in paths])
    graphs = {
        "ONNX Runtime": onnx_runtime(args.graph, args.threads),
        "OpenVINO f32": open_vino(args.graph, "f32", args.threads, 1),
        "OpenVINO bf16": open_vino(args.graph, "bf16", args.threads, 1),
    }
    graphs |= {path: open_vino(path, "f32", args.threads, 1) for path in args.int8}
    command = [RELEASE / "nfbmr", "detect", "-q", args.model, "-"]
    program = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"RAYON_NUM_THREADS": str(args.threads)}
    )

    def by_program(path):
        print(path, file=program.stdin, flush=True)
        line = json.loads(program.stdout.readline())
        return line["score"], line["is_anomalous"]

    def by_graph(run):
        def score(path):
            found = run(read(path)[None])
            return float(found["score"][0]), bool(found["is_anomalous"][0])

        return score

    engines = {"nfbmr": by_program, **{name: by_graph(run) for name, run in graphs.items()}}
    times = {name: [] for name in engines}
    found = {name: [] for name in engines}
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    for start in range(0, len(paths), TURN):
        frames = []
        for path in paths[start : start + TURN]:
            frames.append(folder / f"{len(frames)}.ppm")
            Image.open(path).convert("RGB").save(frames[-1])
        for name, engine in engines.items():
            for index, frame in enumerate(frames):
                begun = time.perf_counter()
                found[name].append(engine(frame))
                # While the first is scored, threads of the engine before may still wait for work.
                if index:
                    times[name].append(time.perf_counter() - begun)
    program.stdin.close()
    shutil.rmtree(folder)

    own_scores, own_verdicts = map(np.array, zip(*found["nfbmr"]))
    print("| engine | largest difference of a score | verdicts that differ | image AUROC | time an image |")
    print("|---|---|---|---|---|")
    for name in engines:
        scores, verdicts = map(np.array, zip(*found[name]))
        difference = abs(scores - own_scores).max() / abs(own_scores).max()
        differ = (verdicts != own_verdicts).sum()
        milliseconds = 1e3 * np.median(times[name])
        print(f"| {name} | {difference:.1e} | {differ} | {auroc(scores, labels):.4f} | {milliseconds:.1f} ms |")
    print(f"{len(paths)} images; differences as a share of the largest score")


def read(path):
    """A PPM file of 8 bits."""
    with open(path, "rb") as file:
        assert file.readline().strip() == b"P6"
        width, height = map(int, file.readline().split())
        file.readline()
        return np.frombuffer(file.read(), np.uint8).reshape(height, width, 3)


def auroc(scores, labels):
    higher = np.subtract.outer(scores[labels], scores[~labels])
    return ((higher > 0) + 0.5 * (higher == 0)).mean()


if __name__ == "__main__":
    main()
