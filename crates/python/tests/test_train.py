"""Training: what it takes, who is told, and how it is stopped."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SETTINGS, Data, draw, program
from PIL import Image

import nfbmr


def test_a_model_is_that_of_the_program(
    data: Data, toml: Path, model_file: Path, tmp_path: Path
) -> None:
    for settings in (SETTINGS, toml, str(toml)):
        model = nfbmr.train(data.good, settings=settings)
        assert model.path is None and model.info is None and model.sha256 is None
        model.save(tmp_path / "own.nfbmr")
        assert (tmp_path / "own.nfbmr").read_bytes() == model_file.read_bytes()
        assert model.path == tmp_path / "own.nfbmr" and model.sha256 is not None
    model = nfbmr.train(sorted(data.good.iterdir()), settings=SETTINGS)
    model.save(tmp_path / "listed.nfbmr")
    assert (tmp_path / "listed.nfbmr").read_bytes() == model_file.read_bytes()


def test_options_are_those_of_the_program(data: Data, toml: Path, tmp_path: Path) -> None:
    Image.fromarray(np.pad(np.full((40, 40), 255, np.uint8), 12)).save(tmp_path / "mask.png")
    mask = tmp_path / "mask.png"
    args = ["--preset", "fast", "--seed", 7, "--system", "nf", "--hold-out", 0.25, "--mask", mask]
    ran = program("train", data.good, "-q", "-o", tmp_path / "a", "--config", toml, *args)
    # The settings of B-PFM and the mapping network are of no use to NF.
    assert ran.code == 2 and "bmr" in ran.stderr
    of_nf = {name: value for name, value in SETTINGS.items() if not name.startswith("bmr")}
    toml = tmp_path / "nf.toml"
    toml.write_text("input_size = 48\nalignment = 'off'\naugmentation = 'off'\nkinds = 1\n"
        "earlier_blocks = [0]\nbackbone.block = 4\nflow.hidden = 16\nflow.couplings = 2\n"
        "flow_training.epochs = 2\nflow_training.batch_size = 4\n")  # fmt: skip
    ran = program("train", data.good, "-q", "-o", tmp_path / "a", "--config", toml, *args)
    assert ran.code == 0, ran.stderr
    model = nfbmr.train(
        data.good, preset="fast", seed=7, system="nf", hold_out=0.25, mask=mask, settings=of_nf
    )
    model.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert model.config["seed"] == 7 and "nf" in model.config["system"]
    inspected = model.detect(draw(1)).inspected
    assert inspected is not None and inspected.dtype == bool and 0 < inspected.mean() < 1
    assert not inspected.flags.writeable


def test_folds(data: Data, tmp_path: Path) -> None:
    model = nfbmr.train(data.good, settings=SETTINGS, folds=2, max_false_alarms=0.2)
    assert model.threshold is None and "cross" in model.calibration
    found = model.detect(draw(110, defect=True))
    assert found.threshold is None and found.is_anomalous is True and found.regions
    with pytest.raises(nfbmr.CalibrationError, match="folds"):
        model.set_threshold(1.0)
    model.save(tmp_path / "folds.nfbmr")
    assert nfbmr.load(tmp_path / "folds.nfbmr").detect(draw(1)).json() == model.detect(draw(1)).json()


def test_images_in_memory(data: Data) -> None:
    arrays = [draw(seed) for seed in range(16)]
    files = [file.read_bytes() for file in sorted(data.good.iterdir())]
    pillow = [Image.open(file) for file in sorted(data.good.iterdir())]
    scores = []
    for images in (arrays, tuple(arrays), files, pillow, arrays[:8] + pillow[8:]):
        model = nfbmr.train(images, settings=SETTINGS)
        assert model.known(arrays[0]) in ("training", "calibration")
        assert model.known(draw(999)) is None
        scores.append(model.detect(draw(110, defect=True)).json())
    assert len(set(scores)) == 1, scores


def test_progress_and_notes(data: Data, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[nfbmr.Progress] = []
    notes: list[str] = []
    nfbmr.train(data.good, settings=SETTINGS, progress=seen.append, notes=notes.append)
    assert {"flow", "calibration"} <= {progress.phase for progress in seen}
    flow = [progress for progress in seen if progress.phase == "flow"]
    assert flow[-1].images == flow[-1].total_images and flow[-1].epochs == 2
    assert str(flow[-1]).startswith("level ") and "loss" in str(flow[-1])
    assert flow[-1].loss is not None and flow[-1].images_per_s > 0 <= flow[-1].remaining_s
    assert notes[0].startswith("16 images") and "train" in notes[0]
    with caplog.at_level(logging.INFO, "nfbmr"):
        nfbmr.train(data.good, settings=SETTINGS)
    assert [record.getMessage() for record in caplog.records] == notes


def test_what_is_skipped_is_a_warning(
    data: Data, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for file in data.good.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "cut.png").write_bytes((tmp_path / "000.png").read_bytes()[:300])
    with pytest.raises(nfbmr.DataError, match="cut.png"):
        nfbmr.train(tmp_path, settings=SETTINGS)
    with caplog.at_level(logging.WARNING, "nfbmr"):
        nfbmr.train(tmp_path, settings=SETTINGS, skip_bad=True)
    (skipped,) = [record for record in caplog.records if "skipped" in record.getMessage()]
    assert "cut.png" in skipped.getMessage() and skipped.levelno == logging.WARNING


def test_a_bar(data: Data, capfd: pytest.CaptureFixture[str]) -> None:
    for progress in (True, "tqdm"):
        nfbmr.train(data.good, settings=SETTINGS, progress=progress)
        shown = capfd.readouterr().err
        assert "flow" in shown and "calibration" in shown and "loss=" in shown


def test_false_stops_it_and_it_goes_on(data: Data, model_file: Path, tmp_path: Path) -> None:
    def stop(progress: nfbmr.Progress) -> bool:
        return progress.phase != "bmr"

    work = tmp_path / "work"
    with pytest.raises(nfbmr.Interrupted, match="phase bmr"):
        nfbmr.train(data.good, settings=SETTINGS, resume=work, progress=stop)
    assert any(file.name.startswith("checkpoint") for file in work.iterdir())
    model = nfbmr.train(data.good, settings=SETTINGS, resume=work)
    model.save(tmp_path / "resumed.nfbmr")
    assert (tmp_path / "resumed.nfbmr").read_bytes() == model_file.read_bytes()


def test_warnings_from_within_are_logged(
    data: Data, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(progress: nfbmr.Progress) -> bool:
        return progress.phase != "flow"

    with pytest.raises(nfbmr.Interrupted):
        nfbmr.train(data.good, settings=SETTINGS, resume=tmp_path, progress=stop)
    features = bytearray((tmp_path / "features").read_bytes())
    features[len(features) // 2] ^= 1
    (tmp_path / "features").write_bytes(features)
    nfbmr.train(data.good, settings=SETTINGS, resume=tmp_path)
    assert "damaged and counts as absent" in caplog.text


def test_what_callbacks_raise_comes_out(data: Data) -> None:
    def fail(_: object) -> None:
        raise LookupError("mine")

    for callback in ("progress", "notes"):
        with pytest.raises(LookupError, match="mine"):
            nfbmr.train(data.good, settings=SETTINGS, **{callback: fail})


LONG = """
import sys, nfbmr
good, work, out, settings = sys.argv[1:]
nfbmr.train(good, settings=settings, resume=work).save(out)
"""


def test_ctrl_c_stops_it_and_it_goes_on(data: Data, toml: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.toml"
    long.write_text(toml.read_text().replace("flow_training.epochs = 2", "flow_training.epochs = 300"))
    work, out = tmp_path / "work", tmp_path / "part.nfbmr"
    command = [sys.executable, "-c", LONG, data.good, work, out, long]
    for _ in range(2):
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        before = (work / "checkpoint").stat().st_mtime_ns if work.exists() else 0
        while time.monotonic() < deadline and running.poll() is None:
            written = (work / "checkpoint").stat().st_mtime_ns if (work / "checkpoint").exists() else 0
            if written > before:
                break
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=30)
        assert running.returncode == -signal.SIGINT and "KeyboardInterrupt" in stderr, stderr
        assert not out.exists()
    model = nfbmr.train(data.good, settings=long, resume=work)
    model.save(out)
    nfbmr.train(data.good, settings=long).save(tmp_path / "whole.nfbmr")
    assert out.read_bytes() == (tmp_path / "whole.nfbmr").read_bytes()


@pytest.mark.parametrize(
    ("options", "kind", "problem"),
    [
        ({"preset": "quick"}, nfbmr.ConfigError, "expected the preset default, .* found \"quick\""),
        ({"system": "magic"}, nfbmr.ConfigError, "magic"),
        ({"settings": {"input_sise": 1}}, nfbmr.ConfigError, "settings: input_sise: unknown field"),
        ({"settings": {"input_size": "big"}}, nfbmr.ConfigError, "settings: input_size: .*whole"),
        ({"settings": {"input_size": -1}}, nfbmr.ConfigError, "settings: input_size"),
        ({"settings": {"flow": {"clamp": float("nan")}}}, nfbmr.ConfigError, "settings: .*nan|NaN|float"),
        ({"settings": {"flow": object()}}, nfbmr.ConfigError, "settings: .*object"),
        ({"settings": "nowhere.toml"}, nfbmr.ConfigError, "nowhere.toml"),
        ({"settings": 5}, TypeError, "settings"),
        ({"weights": "nowhere.safetensors"}, nfbmr.ModelError, "nowhere.safetensors"),
        ({"device": "tpu"}, nfbmr.DeviceError, "tpu"),
        ({"device": "cuda:0"}, nfbmr.DeviceError, "cuda"),
        ({"hold_out": 1.5}, nfbmr.ConfigError, "1.5"),
        ({"hold_out_by": "("}, nfbmr.ConfigError, "regular expression"),
        ({"folds": 1}, nfbmr.CalibrationError, "fold"),
        ({"max_false_alarms": 1.5}, nfbmr.CalibrationError, "1.5"),
        ({"max_false_alarms": 0.001}, nfbmr.CalibrationError, "0.001|999"),
        ({"mask": "nowhere.png"}, nfbmr.DataError, "nowhere.png"),
        ({"progress": 5}, TypeError, "progress, found 5"),
        ({"seed": -1}, OverflowError, "negative|convert"),
    ],
)  # fmt: skip
def test_bad_options(data: Data, options: dict[str, Any], kind: type, problem: str) -> None:
    with pytest.raises(kind, match=problem):
        nfbmr.train(data.good, **{"settings": SETTINGS} | options)


@pytest.mark.parametrize(
    ("images", "kind", "problem"),
    [
        ([], nfbmr.DataError, "an empty list"),
        ("nowhere", nfbmr.DataError, "nowhere"),
        (["nowhere.png"], nfbmr.DataError, "nowhere.png"),
        ([draw(1), "a.png"], TypeError, "found 1 and 1"),
        (draw(1), TypeError, "found numpy.ndarray"),
        (5, TypeError, "found int"),
        ([None], TypeError, "found NoneType"),
        ([draw(1)], nfbmr.DataError, "2 images"),
        ([draw(1)] * 9, nfbmr.NfbmrError, "differ|same"),
        ([b"x"] * 9, nfbmr.DataError, "found"),
    ],
)
def test_bad_images(images: object, kind: type, problem: str) -> None:
    with pytest.raises(kind, match=problem):
        nfbmr.train(images, settings=SETTINGS)


def test_kinds_of_errors_are_those_of_python() -> None:
    assert issubclass(nfbmr.ConfigError, ValueError) and issubclass(nfbmr.DataError, ValueError)
    kinds = [nfbmr.ConfigError, nfbmr.DataError, nfbmr.ModelError, nfbmr.CalibrationError]
    kinds += [nfbmr.DeviceError, nfbmr.TrainingError, nfbmr.Interrupted]
    assert all(issubclass(kind, nfbmr.NfbmrError) for kind in kinds)
