"""The program, ONNX Runtime and OpenVINO on the same images."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import openvino

ROOT = Path(__file__).parents[2]
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def nfbmr(*args, codes=(0,), program=RELEASE / "nfbmr"):
    """What the program prints."""
    ran = subprocess.run([program, *map(str, args)], capture_output=True, text=True)
    assert ran.returncode in codes, f"{args}: {ran.stderr}"
    return ran.stdout


def detections(model, paths, *more):
    """What the program says of images, a dict each."""
    lines = nfbmr("detect", "-q", model, *paths, *more, codes=(0, 1)).splitlines()
    return [json.loads(line) for line in lines]


def anomaly_maps(model, paths, folder):
    """The program's anomaly maps."""
    folder.mkdir(exist_ok=True)
    nfbmr(model, folder, *paths, program=RELEASE / "examples" / "anomaly_maps")
    return [np.load(folder / f"{Path(path).stem}.npy") for path in paths]


def onnx_runtime(path, threads=0):
    """A function from images [N, H, W, 3] to outputs by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {"image": images})))


def open_vino(path, precision="f32", threads=0, images=None):
    """As `onnx_runtime`, of an ONNX file or one of OpenVINO; for so many images at a time it takes less time."""
    settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    core = openvino.Core()
    model = core.read_model(path)
    if images is not None:
        _, *shape = model.input("image").partial_shape
        model.reshape([images, *shape])
    compiled = core.compile_model(model, "CPU", settings)
    # Besides its own an output has the names of what it is of, which have a part.
    names = {name: output for output in compiled.outputs for name in output.names if "/" not in name}

    def run(images):
        found = compiled(images)
        return {name: found[output].copy() for name, output in names.items()}

    return run
