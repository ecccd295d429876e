"""The program of the wheel."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PROGRAM, Data, program

import nfbmr


def test_it_is_the_program() -> None:
    ran = program("--version")
    assert (ran.code, ran.stdout) == (0, f"nfbmr {nfbmr.__version__}\n")
    assert "Usage: nfbmr [OPTIONS] <COMMAND>" in program("--help").stdout
    ran = program("detect")
    assert ran.code == 2 and "Usage: nfbmr detect" in ran.stderr and ran.stdout == ""
    assert "_nfbmr()" in program("completions", "bash").stdout
    module = subprocess.run([sys.executable, "-m", "nfbmr", "--version"], capture_output=True, text=True)
    assert module.returncode == 0 and module.stdout == f"nfbmr {nfbmr.__version__}\n"


def test_exit_codes(model_file: Path, data: Data) -> None:
    good, bad = data.test / "good", data.test / "scratch"
    assert program("detect", model_file, bad).code == 1
    assert program("detect", model_file, good, "nowhere.png").code == 2
    assert program("inspect", "nowhere.nfbmr").code == 2


def test_ctrl_c_ends_it(data: Data, toml: Path, tmp_path: Path) -> None:
    out = tmp_path / "part.nfbmr"
    command = [PROGRAM, "train", data.good, "-o", out, "--config", toml, "--set", "flow_training.epochs=100000"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    checkpoint = tmp_path / "part.nfbmr.unfinished" / "checkpoint"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=30)
    assert running.returncode == 130 and "`--resume` goes on" in stderr, stderr
    assert "Traceback" not in stderr and not out.exists()


def test_a_second_ctrl_c_ends_it_at_once(model_file: Path) -> None:
    running = subprocess.Popen(
        [PROGRAM, "detect", model_file, "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    running.stderr.readline()  # that drift isn't watched: the program is up
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=30) == 130


@pytest.mark.parametrize("module", ["pyarrow", "PIL", "tqdm"])
def test_what_is_optional_is_not_imported(module: str) -> None:
    text = f"import sys, nfbmr; assert {module!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", text], check=True)
