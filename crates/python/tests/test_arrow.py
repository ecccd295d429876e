"""Batches of Arrow."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import Data, draw, program

import nfbmr


def rows(batch: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    return batch.to_pylist()


def test_paths_and_bytes_are_scored_as_by_the_program(
    model: nfbmr.Model, model_file: Path, data: Data
) -> None:
    lines = program("detect", model_file, *data.files).lines()
    paths = pa.array(map(str, data.files))
    images = pa.array([file.read_bytes() for file in data.files])
    number = pa.array(range(len(data.files)))
    for column in (paths, paths.cast(pa.large_string())):
        batch = pa.RecordBatch.from_arrays([number, column], ["number", "path"])
        scored = nfbmr.score_batch(batch, model)
        assert isinstance(scored, pa.RecordBatch) and scored.schema.names[:2] == ["number", "path"]
        check(rows(scored), lines, model)
    for column in (images, images.cast(pa.large_binary())):
        batch = pa.RecordBatch.from_arrays([column, number], ["image", "number"])
        scored = nfbmr.score_batch(batch, str(model_file))
        assert scored.schema.names[0] == "number" and "image" not in scored.schema.names
        check(rows(scored), lines, model)


def check(rows: list[dict[str, Any]], lines: list[dict[str, Any]], model: nfbmr.Model) -> None:
    assert [row["number"] for row in rows] == list(range(len(lines)))
    for row, line in zip(rows, lines, strict=True):
        for name in ("score", "threshold"):
            assert np.float32(row[name]) == np.float32(line[name])
        assert row["p_value"] == line["p_value"] and row["is_anomalous"] is line["is_anomalous"]
        assert len(row["regions"]) == len(line["regions"])
        for found, expected in zip(row["regions"], line["regions"], strict=True):
            assert {name: np.float32(value) for name, value in found.items()} == {
                name: np.float32(value) for name, value in expected.items()
            }
        assert row["model_sha256"] == model.sha256 and row["error"] is None


def test_the_types_of_the_scores(model: nfbmr.Model) -> None:
    empty = pa.RecordBatch.from_pylist([], schema=pa.schema([("path", pa.string())]))
    scored = nfbmr.score_batch(empty, model)
    assert scored.num_rows == 0
    whole = [("x", pa.uint32()), ("y", pa.uint32()), ("width", pa.uint32()), ("height", pa.uint32())]
    region = [*whole, ("area", pa.uint64()), ("peak", pa.float32())]
    region += [("peak_x", pa.uint32()), ("peak_y", pa.uint32())]
    expected = [
        ("path", pa.string()),
        ("score", pa.float32()),
        ("p_value", pa.float64()),
        ("is_anomalous", pa.bool_()),
        ("threshold", pa.float32()),
        ("regions", pa.list_(pa.struct(region))),
        ("model_sha256", pa.string()),
        ("error", pa.string()),
    ]
    assert scored.schema == pa.schema(expected)


def test_bad_images_are_rows(model: nfbmr.Model, data: Data, tmp_path: Path) -> None:
    good = data.files[0]
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:200])
    paths = [str(good), None, str(tmp_path / "cut.png"), "nowhere.png", str(tmp_path), str(good)]
    found = rows(nfbmr.score_batch(pa.table({"path": paths}), model))
    assert [row["path"] for row in found] == paths
    assert [row["error"] is None for row in found] == [True, False, False, False, False, True]
    assert [row["score"] is None for row in found] == [False, True, True, True, True, False]
    for row, problem in zip(found[1:5], ("null", "cut.png", "nowhere.png", "a folder"), strict=True):
        assert problem in row["error"]
        assert row["regions"] is row["p_value"] is row["is_anomalous"] is row["threshold"] is None
    images = pa.table({"bytes": [good.read_bytes(), b"", None, b"text", good.read_bytes()[:200]]})
    found = rows(nfbmr.score_batch(images, model))
    assert [row["error"] is None for row in found] == [True, False, False, False, False]


def test_tables_keep_their_chunks(model: nfbmr.Model, data: Data) -> None:
    paths = list(map(str, data.files))
    table = pa.table({"path": pa.chunked_array([paths[:3], paths[3:]]), "n": range(len(paths))})
    table = table.replace_schema_metadata({"from": "camera 1"})
    scored = nfbmr.score_batch(table, model)
    assert isinstance(scored, pa.Table) and scored.num_rows == len(paths)
    assert scored.schema.metadata == {b"from": b"camera 1"}
    assert scored["score"].to_pylist() == [
        found.score for found in model.detect_batch(data.files)
    ]
    empty = nfbmr.score_batch(table.slice(0, 0), model)
    assert empty.schema == scored.schema and empty.num_rows == 0


def test_which_column_is_scored(model: nfbmr.Model, data: Data) -> None:
    path = str(data.files[0])
    batch = pa.table({"file": [path], "name": ["a"], "n": [1]})
    assert rows(nfbmr.score_batch(batch, model, column="file"))[0]["error"] is None
    assert rows(nfbmr.score_batch(pa.table({"x": [path]}), model))[0]["error"] is None
    for batch, column in [
        (batch, None),
        (batch, "n"),
        (batch, "nowhere"),
        (pa.table({"n": [1]}), None),
        (pa.table({"path": [path], "image": [b""]}), None),
        (pa.table([[path], [path]], names=["path", "path"]), None),
    ]:
        with pytest.raises(nfbmr.DataError, match="expected one column of paths"):
            nfbmr.score_batch(batch, model, column=column)
    with pytest.raises(nfbmr.DataError, match="no column named 'score'"):
        nfbmr.score_batch(pa.table({"path": [path], "score": [1.0]}), model)
    with pytest.raises(TypeError, match="found dict"):
        nfbmr.score_batch({"path": [path]}, model)
    with pytest.raises(nfbmr.ModelError, match="none.nfbmr"):
        nfbmr.score_batch(pa.table({"path": [path]}), "none.nfbmr")


def in_a_process(scorer: bytes, batch: pa.Table) -> pa.Table:
    return pickle.loads(scorer)(batch)


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_scorer_moves_to_other_processes(
    model: nfbmr.Model, model_file: Path, data: Data, method: str
) -> None:
    batch = pa.table({"path": list(map(str, data.files))})
    scorer = nfbmr.Scorer(os.path.relpath(model_file))
    expected = nfbmr.score_batch(batch, model)
    assert scorer(batch) == expected and scorer.path == str(model_file)
    with multiprocessing.get_context(method).Pool(2) as pool:
        jobs = [(pickle.dumps(scorer), batch)] * 4
        found = pool.starmap_async(in_a_process, jobs).get(timeout=120)
    assert all(scored == expected for scored in found)


def test_a_model_in_no_file_has_no_checksum(data: Data) -> None:
    from conftest import SETTINGS

    model = nfbmr.train(data.good, settings=SETTINGS, hold_out=0)
    (row,) = rows(nfbmr.score_batch(pa.table({"path": [str(data.files[0])]}), model))
    assert row["model_sha256"] is None and row["regions"] is None and row["score"] is not None


def test_a_replaced_model_is_read_again(
    model: nfbmr.Model, data: Data, tmp_path: Path
) -> None:
    file = tmp_path / "part.nfbmr"
    scorer = nfbmr.Scorer(file)
    batch = pa.table({"path": [str(data.files[0])]})
    thresholds = []
    for threshold in (1.5, 2.5):
        model.set_threshold(threshold)
        model.save(file)
        (row,) = rows(scorer(batch))
        thresholds.append(row["threshold"])
        assert row["model_sha256"] == model.sha256
    assert thresholds == [1.5, 2.5]


def test_no_regions_is_an_empty_list(model: nfbmr.Model, tmp_path: Path) -> None:
    model.set_pixel_threshold(1e9)
    model.save(tmp_path / "m.nfbmr")
    from PIL import Image

    Image.fromarray(draw(1)).save(tmp_path / "a.png")
    (row,) = rows(nfbmr.score_batch(pa.table({"path": [str(tmp_path / "a.png")]}), model))
    assert row["regions"] == []
