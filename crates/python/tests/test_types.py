"""Types: the stubs are of the module, and a program that uses them is checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

USE = """
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import nfbmr


def train(folder: Path) -> nfbmr.Model:
    def show(progress: nfbmr.Progress) -> bool:
        print(progress.phase, progress.loss)
        return True

    return nfbmr.train(folder, settings={"input_size": 256}, progress=show, notes=print)


def use(model: nfbmr.Model, image: NDArray[np.uint8]) -> float:
    found = model.detect(image)
    for region in found.regions or []:
        print(region.x + region.width)
    for each in model.detect_each(["a.png", b"", image]):
        if isinstance(each, nfbmr.NfbmrError):
            print(each)
        else:
            print(each.score)
    values: NDArray[np.float32] | None = found.anomaly_map
    print(values, model.heatmap(image, found).shape, model.evaluate("folder").auroc)
    return found.score


def batch(table: pa.Table, scorer: nfbmr.Scorer) -> pa.Table:
    return nfbmr.score_batch(scorer(table), "part.nfbmr", column="path")
"""

WRONG = """
import nfbmr

nfbmr.train("good", presett="fast")
model: str = nfbmr.load("part.nfbmr")
nfbmr.load("part.nfbmr").detect("a.png").score = 1.0
"""


def mypy(file: Path, text: str) -> subprocess.CompletedProcess[str]:
    file.write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", file]
    return subprocess.run(command, capture_output=True, text=True, cwd=file.parent)


def test_stubs_are_of_the_module(tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nignore_missing_imports = True\n")
    command = [sys.executable, "-m", "mypy.stubtest", "nfbmr._nfbmr", "--mypy-config-file", config]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_program_is_checked(tmp_path: Path) -> None:
    ran = mypy(tmp_path / "use.py", USE)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ran = mypy(tmp_path / "wrong.py", WRONG)
    assert ran.returncode == 1
    for problem in ('"presett"', "expression has type \"Model\"", '"score"'):
        assert problem in ran.stdout, ran.stdout


def test_the_package_is_checked() -> None:
    import nfbmr

    package = Path(nfbmr.__file__).parent
    # Ray has types for some of its functions.
    own = ["--strict", "--ignore-missing-imports", "--untyped-calls-exclude=ray"]
    command = [sys.executable, "-m", "mypy", *own, "-p", "nfbmr"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=package.parent.parent)
    assert ran.returncode == 0, ran.stdout + ran.stderr
