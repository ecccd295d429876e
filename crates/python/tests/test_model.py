"""Files of models, what they say, calibration and evaluation."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import SETTINGS, Data, draw, program

import nfbmr


def test_info_is_that_of_the_program(model: nfbmr.Model, model_file: Path) -> None:
    ran = program("inspect", model_file, "--json")
    assert model.info == json.loads(ran.stdout)
    assert model.config == model.info["config"] and model.calibration == model.info["calibration"]
    split = model.calibration["split"]
    assert model.threshold == np.float32(split["threshold"]["value"])
    assert model.pixel_threshold == np.float32(split["pixel_threshold"]["value"])
    assert model.path == model_file and model.device == "cpu" and model.suspects is None
    assert model.sha256 == hashlib.sha256(model_file.read_bytes()).hexdigest()
    assert repr(model).startswith(f"<Model nf-bmr of {model_file}, threshold ")


def test_a_saved_model_is_the_same_file(
    model: nfbmr.Model, model_file: Path, tmp_path: Path
) -> None:
    model.save(tmp_path / "again.nfbmr")
    assert (tmp_path / "again.nfbmr").read_bytes() == model_file.read_bytes()
    model.save(tmp_path / "whole.nfbmr", include_weights=True)
    assert model.info["backbone_included"] is True
    whole = nfbmr.load(tmp_path / "whole.nfbmr")
    assert whole.detect(draw(1)).json() == model.detect(draw(1)).json()
    with pytest.raises(nfbmr.ModelError, match="nowhere"):
        model.save(tmp_path / "nowhere" / "part.nfbmr")


def test_damaged_files_are_refused(model_file: Path, tmp_path: Path) -> None:
    bytes_ = bytearray(model_file.read_bytes())
    bytes_[-100] ^= 1
    for name, content in {
        "changed": bytes(bytes_),
        "cut": bytes(bytes_[:1000]),
        "empty": b"",
        "other": b"hello",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(nfbmr.ModelError, match=name):
            nfbmr.load(tmp_path / name)
    with pytest.raises(nfbmr.ModelError, match="none.nfbmr"):
        nfbmr.load(tmp_path / "none.nfbmr")
    with pytest.raises(TypeError):
        nfbmr.load(5)
    with pytest.raises(nfbmr.DeviceError, match="gpu"):
        nfbmr.load(model_file, device="gpu")


def test_a_model_is_not_pickled(model: nfbmr.Model) -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"call `nfbmr.load` in the other process"):
            attempt(model)


def test_calibration_is_that_of_the_program(
    model: nfbmr.Model, model_file: Path, data: Data, tmp_path: Path
) -> None:
    out = tmp_path / "calibrated.nfbmr"
    ran = program("calibrate", model_file, data.other, "--max-false-alarms", 0.1, "-o", out)
    assert ran.code == 0, ran.stderr
    notes: list[str] = []
    before = model.threshold
    model.calibrate(data.other, 0.1, notes=notes.append)
    assert model.threshold != before and notes[0].startswith("40 images")
    model.save(tmp_path / "own.nfbmr")
    assert (tmp_path / "own.nfbmr").read_bytes() == out.read_bytes()

    program("calibrate", out, "--max-false-alarms", 0.2)
    model.set_max_false_alarms(0.2)
    program("calibrate", out, "--threshold", 2.5, "--pixel-threshold", 6)
    model.set_threshold(2.5)
    model.set_pixel_threshold(6)
    model.save(tmp_path / "own.nfbmr")
    assert (tmp_path / "own.nfbmr").read_bytes() == out.read_bytes()
    assert model.threshold == 2.5 and model.detect(draw(1)).threshold == 2.5


def test_calibration_in_memory(model: nfbmr.Model, data: Data) -> None:
    other = nfbmr.load(model.path)
    model.calibrate([draw(seed) for seed in range(200, 240)])
    other.calibrate(sorted(data.other.iterdir()))
    assert model.calibration == other.calibration


def test_calibrations_that_fail_change_nothing(model: nfbmr.Model, data: Data) -> None:
    before = model.calibration
    with pytest.raises(nfbmr.CalibrationError, match="trained"):
        model.calibrate(data.good)
    with pytest.raises(nfbmr.CalibrationError, match="0.0001"):
        model.calibrate(data.other, 0.0001)
    with pytest.raises(nfbmr.CalibrationError, match="found 2"):
        model.set_max_false_alarms(2.0)
    with pytest.raises(nfbmr.CalibrationError, match="finite"):
        model.set_threshold(float("inf"))
    with pytest.raises(nfbmr.Interrupted, match="calibration"):
        model.calibrate(data.other, progress=lambda _: False)
    with pytest.raises(RuntimeError, match="mine"):
        model.calibrate(data.other, progress=lambda _: (_ for _ in ()).throw(RuntimeError("mine")))
    assert model.calibration == before


def test_other_calls_during_a_calibration_are_refused(model: nfbmr.Model, data: Data) -> None:
    seen: list[BaseException] = []

    def attempt(call: object) -> None:
        try:
            call()
        except nfbmr.CalibrationError as error:
            seen.append(error)

    def progress(_: nfbmr.Progress) -> bool:
        if not seen:
            calls = [
                lambda: model.detect(draw(1)),
                lambda: model.calibrate(data.other),
                lambda: model.threshold,
                lambda: model.set_threshold(1.0),
            ]
            for call in calls:
                attempt(call)
                thread = threading.Thread(target=attempt, args=(call,))
                thread.start()
                thread.join()
        return True

    model.calibrate(data.other, progress=progress)
    assert len(seen) == 8 and all("being calibrated" in str(error) for error in seen)
    assert model.detect(draw(1)).threshold == model.threshold


def test_a_model_without_calibration(data: Data) -> None:
    model = nfbmr.train(data.good, settings=SETTINGS, hold_out=0)
    assert model.calibration is None and model.threshold is None
    found = model.detect(draw(1))
    assert found.p_value is found.is_anomalous is found.threshold is found.regions is None
    assert "p_value=None, is_anomalous=None, regions=None" in repr(found)
    assert model.heatmap(draw(1), found).shape == (64, 64, 3)
    with pytest.raises(nfbmr.CalibrationError, match="calibrated model"):
        model.set_threshold(1.0)
    model.calibrate(data.other)
    assert model.detect(draw(110, defect=True)).is_anomalous is True


def test_a_system_without_maps(data: Data) -> None:
    settings = {name: SETTINGS[name] for name in ("input_size", "alignment", "augmentation", "kinds")}
    settings |= {"input_size": 128, "couplings": 2, "hidden": 16, "training": {"epochs": 1}}
    model = nfbmr.train(data.good, system="differnet", settings=settings)
    found = model.detect(draw(1))
    assert found.anomaly_map is None and found.regions is None and found.is_anomalous is not None
    assert json.loads(found.json())["width"] == 0
    with pytest.raises(nfbmr.DataError):
        model.heatmap(draw(1), found)
    assert model.evaluate(data.test.parent).pixel_auroc is None


def test_evaluation_is_that_of_the_program(
    model: nfbmr.Model, model_file: Path, data: Data, masks: Path, tmp_path: Path
) -> None:
    good, bad = data.test / "good", data.test / "scratch"
    args = ["--good", good, "--bad", bad, "--masks", masks]
    ran = program("evaluate", model_file, *args, "--json")
    assert ran.code == 0, ran.stderr
    expected = json.loads(ran.stdout)
    found = model.evaluate(good=good, bad=[bad], masks=str(masks))
    assert found.as_dict() | {"detect_ms": 0} == expected | {"detect_ms": 0}
    assert found.auroc == expected["image_auroc"] and found.auroc > 0.9
    assert found.average_precision == expected["image_average_precision"]
    assert found.pixel_auroc == expected["pixel_auroc"] and found.pixel_auroc is not None
    assert found.pixel_aupro == expected["pixel_aupro"]

    text = program("evaluate", model_file, *args).stdout
    without_time = lambda text: [line for line in text.splitlines() if "time per" not in line]  # noqa: E731
    assert without_time(str(found)) == without_time(text)
    page = found.report(tmp_path / "report")
    assert page == tmp_path / "report" / "report.html" and str(model_file) in page.read_text()


def test_an_evaluation_needs_images_that_are_not_known(model: nfbmr.Model, data: Data) -> None:
    with pytest.raises(nfbmr.DataError, match="wasn't trained"):
        model.evaluate(good=data.good, bad=data.good)
    with pytest.raises(nfbmr.DataError):
        model.evaluate("nowhere")
    for wrong in ({}, {"good": data.good}, {"folder": data.test, "good": data.good, "bad": data.good}):
        with pytest.raises(nfbmr.ConfigError, match="expected a folder, or `good` and `bad`"):
            model.evaluate(**wrong)


def test_suspects_are_told() -> None:
    images = [draw(seed) for seed in range(24)] + [draw(120, defect=True) // 3]
    notes: list[str] = []
    model = nfbmr.train(images, settings=SETTINGS, hold_out=0, notes=notes.append)
    assert model.suspects is not None
    (first, ranges), *others = model.suspects
    assert first == 24 and ranges >= 10 and all(ranges >= 3 for _, ranges in others)
    found = len(model.suspects)
    assert notes[-1] == f"{found} of the images are unlike the others: `Model.suspects`"
