"""Drawn parts, a model of them that the program trained, and the program itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nfbmr

SIDE = 64

# With which training takes a moment.
SETTINGS: dict[str, Any] = {
    "input_size": 48,
    "alignment": "off",
    "augmentation": "off",
    "kinds": 1,
    "earlier_blocks": [0],
    "backbone": {"block": 4},
    "flow": {"hidden": 16, "couplings": 2},
    "flow_training": {"epochs": 2, "batch_size": 4},
    "bmr": {"latent": 16, "inner": 8},
    "bmr_training": {"epochs": 2, "batch_size": 4},
}

TOML = """
input_size = 48
alignment = "off"
augmentation = "off"
kinds = 1
earlier_blocks = [0]
backbone.block = 4
flow.hidden = 16
flow.couplings = 2
flow_training.epochs = 2
flow_training.batch_size = 4
bmr.latent = 16
bmr.inner = 8
bmr_training.epochs = 2
bmr_training.batch_size = 4
"""


def draw(seed: int, defect: bool = False) -> np.ndarray:
    """A bright disc with a hole on a dark ground, and a scratch across it."""
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    radius = np.hypot(x - SIDE / 2 - dice.normal(), y - SIDE / 2 - dice.normal())
    part = np.where((radius < 24) & (radius > 8), 170.0, 40.0)
    if defect:
        at = int(dice.integers(14, 22))
        part[at : at + 4, 20:48] = 15.0
    image = part[..., None] * np.array([1.0, 0.9, 0.8]) + dice.normal(0, 4, (SIDE, SIDE, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Data:
    """Folders of images."""

    good: Path
    test: Path
    other: Path

    @property
    def files(self) -> list[Path]:
        """The images to test with."""
        return [file for kind in ("good", "scratch") for file in sorted((self.test / kind).iterdir())]


def write(folder: Path, seeds: range, defect: bool = False) -> Path:
    folder.mkdir(parents=True)
    for seed in seeds:
        Image.fromarray(draw(seed, defect)).save(folder / f"{seed:03}.png")
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    root = tmp_path_factory.mktemp("parts")
    good = write(root / "train", range(16))
    other = write(root / "other", range(200, 240))
    test = root / "test"
    write(test / "good", range(100, 105))
    write(test / "scratch", range(110, 115), defect=True)
    return Data(good, test, other)


@pytest.fixture(scope="session")
def masks(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    for file in (data.test / "scratch").iterdir():
        mask = np.asarray(Image.open(file))[..., 0] < 30
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / file.name)
    return folder


@dataclass(frozen=True)
class Ran:
    """What became of a run of the program."""

    code: int
    stdout: str
    stderr: str

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]


PROGRAM = Path(sys.executable).with_name("nfbmr")


def program(*args: object) -> Ran:
    """Runs the command of the wheel."""
    ran = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, timeout=120)
    assert "panicked" not in ran.stderr, ran.stderr
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture(scope="session")
def toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / "small.toml"
    file.write_text(TOML)
    return file


@pytest.fixture(scope="session")
def model_file(data: Data, toml: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that the program trained and calibrated."""
    file = tmp_path_factory.mktemp("model") / "part.nfbmr"
    ran = program("train", data.good, "-q", "-o", file, "--config", toml)
    assert ran.code == 0, ran.stderr
    return file


@pytest.fixture
def model(model_file: Path) -> nfbmr.Model:
    return nfbmr.load(model_file)
