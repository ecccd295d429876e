"""Exported graphs score as the program does, in ONNX Runtime and in OpenVINO."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from images import part, save
from PIL import Image
from runtimes import ROOT, anomaly_maps, detections, nfbmr, onnx_runtime, open_vino
from weights import b0

RUNTIMES = {"ONNX Runtime": onnx_runtime, "OpenVINO": open_vino}
# Of the network's input, smaller, larger, and larger by so much that weights are summed up in two parts.
OWN, OTHERS = (96, 96), [(80, 70), (320, 200), (640, 480)]

SMALL = {
    "input_size": 96,
    "alignment": "off",
    "augmentation": "off",
    "kinds": 1,
    "earlier_blocks": "[2]",
    "backbone.block": 4,
}
TRAINED = {"flow_training.epochs": 2, "flow.hidden": 16}
BMR = {**TRAINED, "bmr_training.epochs": 2, "bmr.latent": 16, "bmr.inner": 8}

# By name: the system, its settings and further options.
CASES = {
    "nf-bmr": ("nf-bmr", BMR, []),
    "nf": ("nf", TRAINED, []),
    "padim": ("padim", {"features": 30}, []),
    "patchcore": ("patchcore", {}, []),
    "one-neighbour": ("patchcore", {"neighbors": 1, "patch_size": 1}, []),
    "paper": ("nf-bmr", {**BMR, "scales": "joint", "whitening": "none", "flow.kernel": 3, "fusion": "plain", "pooling": "max"}, []),
    "std": ("nf", {**TRAINED, "pooling": "std", "whitening.neighborhood": 1}, []),
    "mask": ("nf-bmr", BMR, ["--mask", "mask.png"]),
    "letterbox": ("nf-bmr", {**BMR, "fit": "{letterbox = {fill = [9, 99, 199]}}"}, ["--mask", "mask.png"]),
    "tiles": ("nf-bmr", {**BMR, "tiling": "{size = 64, overlap = 16}"}, []),
    "tiles-padim": ("padim", {"features": 30, "tiling": "{size = 64, overlap = 16}"}, []),
    "kinds": ("nf-bmr", {**BMR, "kinds": 2}, []),
    "16-bit": ("nf-bmr", {**BMR, "white_level": 4095}, []),
    "folds": ("nf-bmr", BMR, ["--folds", "3"]),
    "b0": ("nf-bmr", BMR, ["--weights", "b0.safetensors"]),
    "uncalibrated": ("nf", TRAINED, ["--hold-out", "0"]),
}


def draw(case, size, seed, defect):
    colour = (60, 90, 140) if case != "kinds" or seed % 2 else (150, 40, 60)
    image = part(size, seed, defect, colour)
    return image.astype(np.uint16) * 16 if case == "16-bit" else image


class Shop:
    """A model, and its images by size."""

    def __init__(self, case, folder):
        system, settings, more = CASES[case]
        self.case, self.folder, self.model = case, folder, folder / "part.nfbmr"
        suffix = "ppm" if case == "16-bit" else "png"
        (folder / "good").mkdir()
        mask = np.zeros((48, 64), np.uint8)
        mask[4:40, 6:60] = 255
        Image.fromarray(mask).save(folder / "mask.png")
        for seed in range(40):
            save(draw(case, (120, 100), seed, False), folder / "good" / f"{seed:02}.{suffix}")
        options = [f"--set={key}={value}" for key, value in {**SMALL, **settings}.items()]
        if case == "b0":
            b0(folder / "drawn.safetensors")
            source = ["--source", "efficientnet-pytorch"]
            nfbmr("weights", "import", *source, folder / "drawn.safetensors", "-o", folder / "b0.safetensors")
        more = [folder / option if "." in option else option for option in more]
        nfbmr("train", "-q", folder / "good", "-o", self.model, "--system", system, *options, *more)
        self.images = {}
        for size in [OWN, *OTHERS]:
            drawn = [draw(case, size, 100 + seed, seed % 2 == 1) for seed in range(10)]
            paths = [folder / f"{size[0]}-{seed}.{suffix}" for seed in range(10)]
            for image, path in zip(drawn, paths):
                save(image, path)
            self.images[size] = (np.stack(drawn), paths)

    def export(self, size):
        path = self.folder / f"{size[0]}.onnx"
        nfbmr("export", self.model, "-o", path, *([] if size == OWN else ["--size", "%dx%d" % size]))
        return path


@pytest.fixture(scope="module", params=CASES)
def shop(request, tmp_path_factory):
    return Shop(request.param, tmp_path_factory.mktemp(request.param))


def calibration(shop):
    """By fold, the scores of the calibration's images, ascending."""
    found = json.loads(nfbmr("inspect", "--json", shop.model))["calibration"]
    if found is None:
        return None, None
    (own,) = found.values()
    scores = own["image_scores"]
    folds = [scores] if "scores" in scores else scores["folds"]
    return own, [np.float32(fold["scores"]) for fold in folds]


def compare(shop, size, name, expected, maps, found):
    """The largest difference of score and map, as a share of the largest value; verdicts are equal."""
    scores = np.float32([line["score"] for line in expected])
    score = abs(found["score"] - scores).max()
    largest = max(abs(map).max() for map in maps)
    map = max(abs(a - b).max() for a, b in zip(found["anomaly_map"], maps, strict=True))
    shares = score / abs(scores).max(), map / largest
    print(f"\n{shop.case} {size} {name}: score {shares[0]:.1e}, map {shares[1]:.1e}", end="")
    assert found["anomaly_map"].shape == (10, size[1], size[0])
    if "kind" in found:
        assert found["kind"].tolist() == [line["kind"] for line in expected]
    own, folds = calibration(shop)
    if own is None:
        assert set(found) == {"score", "anomaly_map"}
        return shares
    # A score may pass one of the calibration, or the threshold, by what it differs.
    near = lambda values: (abs(np.subtract.outer(scores, values)) <= 2 * score).any(axis=1)
    for index, line in enumerate(expected):
        if len(folds) > 1 or not near(folds[0])[index]:
            assert found["p_value"][index] == np.float32(line["p_value"])
        if len(folds) > 1 or not near([own["threshold"]["value"]])[index]:
            assert found["is_anomalous"][index] == line["is_anomalous"]
    if len(folds) == 1:
        rank = 1 + (folds[0][None] >= found["score"][:, None]).sum(axis=1)
        assert (found["p_value"] == np.float32(rank / (len(folds[0]) + 1))).all()
        assert (found["is_anomalous"] == (found["score"] > np.float32(own["threshold"]["value"]))).all()
    return shares


def test_scores_are_the_programs(shop):
    for size, (images, paths) in shop.images.items():
        path = shop.export(size)
        onnx.checker.check_model(path, full_check=True)
        expected = detections(shop.model, paths, *(["--uncalibrated"] if shop.case == "uncalibrated" else []))
        maps = anomaly_maps(shop.model, paths, shop.folder / "maps")
        for name, runtime in RUNTIMES.items():
            run = runtime(path)
            found = run(images)
            shares = compare(shop, size, name, expected, maps, found)
            # Of one image at a time.
            alone = run(images[:1])
            assert abs(alone["score"][0] - found["score"][0]) <= 1e-5 * abs(found["score"]).max()
            assert max(shares) < 1e-4
        # Some are good and some aren't, or verdicts would be no test.
        if size == OWN and shop.case == CASES[shop.case][0]:
            verdicts = [line["is_anomalous"] for line in expected]
            assert any(verdicts) and not all(verdicts)


def test_metadata_tells_where_a_graph_comes_from(shop):
    path = shop.export(OTHERS[0])
    found = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    info = json.loads(nfbmr("inspect", "--json", shop.model))
    sha256 = hashlib.sha256(shop.model.read_bytes()).hexdigest()
    assert found.pop("nfbmr.model_sha256") == sha256
    assert json.loads(found.pop("nfbmr.config")) == info["config"]
    assert found.pop("nfbmr.input_size") == "80x70"
    assert found.pop("nfbmr.format_version") == str(info["format_version"])
    version = nfbmr("--version").split()[1]
    assert found.pop("nfbmr.program_version") == version
    own, folds = calibration(shop)
    if own is not None:
        assert float(found.pop("nfbmr.false_alarm_rate")) == own["rate"]
        if len(folds) == 1:
            for key in ["threshold", "pixel_threshold"]:
                assert np.float32(found.pop(f"nfbmr.{key}")) == np.float32(own[key]["value"])
    assert found == {}


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    return Shop("nf-bmr", tmp_path_factory.mktemp("line"))


def printed(*command):
    """The verdict, the score and the p-value of each image that a reader prints."""
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split(": ")[1].split(", ")[:3] for line in lines]
    return [(verdict, *(float(text.split()[-1]) for text in numbers)) for verdict, *numbers in rows]


def agree(rows, expected):
    assert len(rows) == len(expected)
    for (verdict, score, p_value), own in zip(rows, expected):
        assert verdict == ("anomalous" if own["is_anomalous"] else "good")
        assert score == pytest.approx(own["score"], rel=1e-3)
        assert p_value == pytest.approx(own["p_value"], abs=1e-4)


def test_the_example_in_python_says_what_the_program_says(line):
    _, paths = line.images[OTHERS[1]]
    example = ROOT / "examples/onnx/detect.py"
    rows = printed(sys.executable, example, line.export(OTHERS[1]), *paths)
    agree(rows, detections(line.model, paths))


def test_the_example_in_cpp_says_what_the_program_says(line):
    images, paths = line.images[OTHERS[1]]
    package = Path(openvino.__file__).parent
    (library,) = (package / "libs").glob("libopenvino.so.*")
    program = line.folder / "detect"
    source = ROOT / "examples/onnx/detect.cpp"
    flags = ["-O2", "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-isystem{package / 'include'}"]
    link = [library, f"-Wl,-rpath,{library.parent}"]
    subprocess.run(["c++", *flags, source, *link, "-o", program], check=True)
    drawn = [path.with_suffix(".ppm") for path in paths]
    for image, path in zip(images, drawn):
        Image.fromarray(image).save(path)
    rows = printed(program, line.export(OTHERS[1]), *drawn)
    agree(rows, detections(line.model, paths))
