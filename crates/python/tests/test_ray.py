"""Archives and fleets, on a cluster of two nodes on this machine, whose workers are killed."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import SETTINGS, Data, write

import nfbmr
import nfbmr.ray
import ray
from ray.cluster_utils import Cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    memory = {"object_store_memory": 100_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **memory})
    cluster.add_node(num_cpus=1, **memory)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images, and one that is none."""
    folder = tmp_path_factory.mktemp("archive")
    write(folder / "monday", range(300, 330))
    write(folder / "tuesday", range(330, 360), defect=True)
    (folder / "tuesday" / "339.png").write_bytes(b"no image")
    return folder


def kill(name: str) -> bool:
    """Kills a worker of Ray by the name of what it does, as a machine without memory would."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdigit() and name in (process / "cmdline").read_text():
                    os.kill(int(process.name), signal.SIGKILL)
                    return True
    return False


def rows(folder: Path) -> list[dict[str, Any]]:
    return pq.read_table(folder).to_pylist()


def test_scores_are_those_of_the_library(
    cluster: Cluster, archive: Path, model_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    told = []
    scored = nfbmr.ray.score(
        str(archive / "**" / "*.png"),
        model_file,
        out,
        images_per_part=7,
        progress=lambda done, all: told.append((done, all)),
    )
    found = rows(out)
    expected = nfbmr.score_batch(pa.table({"path": [row["path"] for row in found]}), model_file)
    assert found == expected.to_pylist()
    assert [row["path"] for row in found] == [str(path) for path in sorted(archive.rglob("*.png"))]
    assert "339.png" in [row["error"] for row in found if row["error"]][0]
    assert (scored.images, scored.errors, scored.parts, scored.skipped_parts) == (60, 1, 9, 0)
    assert scored.defects == sum(row["is_anomalous"] is True for row in found) >= 29
    assert told == [(done, 9) for done in range(1, 10)]


def test_a_killed_worker_and_a_second_run_change_no_row(
    cluster: Cluster, archive: Path, model_file: Path, tmp_path: Path
) -> None:
    images = [str(path) for path in sorted(archive.rglob("*.png"))]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    nfbmr.ray.score(images, model_file, whole, images_per_part=5)
    hits = []

    def strike(done: int, all: int) -> None:
        if done in (2, 5):
            hits.append(kill("ray::_Scorer"))

    scored = nfbmr.ray.score(images, model_file, killed, images_per_part=5, progress=strike)
    assert hits == [True, True]
    assert scored.images == 60
    assert rows(killed) == rows(whole)
    assert sorted(os.listdir(killed)) == sorted(os.listdir(whole))

    # A run whose driver was lost has some parts; they stay as they are.
    for number in (0, 3, 11):
        (killed / f"part-{number:06}.parquet").unlink()
    (killed / ".part-000003.parquet.123-456").write_bytes(b"half")
    before = (killed / "part-000001.parquet").stat().st_mtime_ns
    scored = nfbmr.ray.score(images, model_file, killed, images_per_part=5)
    assert (scored.images, scored.parts, scored.skipped_parts) == (60, 12, 9)
    assert (killed / "part-000001.parquet").stat().st_mtime_ns == before
    assert rows(killed) == rows(whole)
    assert sorted(os.listdir(killed)) == sorted(os.listdir(whole))


def test_paths_come_from_parquet_datasets_and_other_storage(
    cluster: Cluster, archive: Path, model_file: Path, tmp_path: Path
) -> None:
    images = [str(path) for path in sorted((archive / "monday").iterdir())]
    pq.write_table(pa.table({"image": images, "camera": ["left"] * 30}), tmp_path / "paths.parquet")
    given = {
        "parquet": str(tmp_path / "paths.parquet"),
        "dataset": ray.data.from_arrow(pa.table({"image": images})),
        "list": images,
        # Storage that the library itself doesn't know: contents are fetched.
        "fetched": [f"file://{path}" for path in [*images, "/gone.png"]],
    }
    found = {}
    for name, each in given.items():
        nfbmr.ray.score(each, model_file, tmp_path / name, column="image", images_per_part=16)
        found[name] = rows(tmp_path / name)
    assert found["parquet"] == found["dataset"] == found["list"]
    assert "gone.png" in found["fetched"].pop()["error"]
    plain = [{**row, "path": row["path"].removeprefix("file://")} for row in found["fetched"]]
    assert plain == found["list"]


def test_another_archive_or_model_is_refused(
    cluster: Cluster, archive: Path, model_file: Path, tmp_path: Path
) -> None:
    images = [str(path) for path in sorted((archive / "monday").iterdir())[:4]]
    out = tmp_path / "scores"
    nfbmr.ray.score(images, model_file, out)
    with pytest.raises(nfbmr.ConfigError, match="images 4 in place of 3"):
        nfbmr.ray.score(images[:3], model_file, out)
    other = tmp_path / "other.nfbmr"
    model = nfbmr.load(model_file)
    model.set_threshold(1.0)
    model.save(other)
    with pytest.raises(nfbmr.ConfigError, match="model_sha256"):
        nfbmr.ray.score(images, other, out)
    with pytest.raises(nfbmr.ConfigError, match="found other files"):
        nfbmr.ray.score(images, model_file, archive / "monday")
    with pytest.raises(nfbmr.ConfigError, match="images_per_part: expected 1 or more, found 0"):
        nfbmr.ray.score(images, model_file, out, images_per_part=0)
    with pytest.raises(nfbmr.ConfigError, match="found none"):
        nfbmr.ray.score(str(archive / "*.tiff"), model_file, tmp_path / "none")
    with pytest.raises(nfbmr.ConfigError, match="expected a glob such as"):
        nfbmr.ray.score(archive, model_file, tmp_path / "none")
    with pytest.raises(nfbmr.ConfigError, match="column 'image' of paths, found name"):
        pq.write_table(pa.table({"name": images}), tmp_path / "names.parquet")
        nfbmr.ray.score(tmp_path / "names.parquet", model_file, tmp_path / "none", column="image")


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("products")
    for product in range(20):
        write(folder / f"{product:02}", range(1000 + 10 * product, 1008 + 10 * product))
    return folder


def test_twenty_models_are_trained_though_workers_are_killed(
    cluster: Cluster, products: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "products.csv"
    with manifest.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["name", "images", "seed", "max_false_alarms"])
        for folder in sorted(products.iterdir()):
            lines.writerow([folder.name, folder, "7" if folder.name == "03" else "", ""])
    settings: dict[str, Any] = {"settings": SETTINGS, "hold_out": 0.3}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    expected = nfbmr.ray.train_many(manifest, whole, **settings)
    assert [row["name"] for row in expected] == [f"{product:02}" for product in range(20)]
    assert {row["status"] for row in expected} == {"trained"}
    assert nfbmr.load(whole / "03.nfbmr").config["seed"] == 7

    hits = []

    def strike(row: dict[str, Any], done: int, all: int) -> None:
        if done in (3, 9):
            hits.append(kill("ray::_train"))

    found = nfbmr.ray.train_many(manifest, killed, progress=strike, **settings)
    assert hits == [True, True]
    models = [(row["name"], row["model_sha256"]) for row in found]
    assert models == [(row["name"], row["model_sha256"]) for row in expected]
    # A worker that is killed once its model is written leaves nothing to do.
    assert sum(row["status"] == "trained" for row in found) >= 18
    assert not list(killed.glob("*.unfinished"))

    # Again: nothing to do but for the product that has one image more.
    shutil.copy(products / "05" / "1050.png", tmp_path / "kept.png")
    write(products / "05" / "more", range(5000, 5001))
    again = nfbmr.ray.train_many(manifest, killed, **settings)
    shutil.rmtree(products / "05" / "more")
    assert [row["name"] for row in again if row["status"] != "kept"] == ["05"]
    with (killed / "report.csv").open(newline="") as file:
        report = list(csv.DictReader(file))
    assert [(row["name"], row["status"]) for row in report] == [
        (row["name"], row["status"]) for row in again
    ]
    assert float(report[0]["threshold"]) == nfbmr.load(killed / "00.nfbmr").threshold


def test_a_row_that_cannot_be_trained_fails_alone(
    cluster: Cluster, products: Path, tmp_path: Path
) -> None:
    given: list[dict[str, Any]] = [
        {"name": "good", "images": str(products / "00")},
        {"name": "gone", "images": str(products / "missing")},
        {"name": "few", "images": sorted(map(str, (products / "01").iterdir()))[:1]},
        {"name": "wrong", "images": str(products / "02"), "colour": "red"},
    ]
    found = nfbmr.ray.train_many(given, tmp_path, settings=SETTINGS, hold_out=0.3)
    assert [row["status"] for row in found] == ["trained", "failed", "failed", "failed"]
    assert "missing" in found[1]["error"] and "colour" in found[3]["error"]
    assert not (tmp_path / "few.nfbmr").exists()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([], "found none"),
        ([{"images": "x"}], "row 1: expected a `name`"),
        ([{"name": "../x", "images": "x"}], "that a file can have"),
        ([{"name": "x"}], "row 1, x: expected `images`"),
        (
            [{"name": "x", "images": "x"}, {"name": "x", "images": "y"}],
            "row 2: expected names that",
        ),
    ],
)
def test_a_manifest_is_looked_at_first(given: list[Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(nfbmr.ConfigError, match=text):
        nfbmr.ray.train_many(given, tmp_path)
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in given))
    with pytest.raises(nfbmr.ConfigError, match=text):
        nfbmr.ray.train_many(lines, tmp_path)


def test_ray_data_maps_the_scorer(cluster: Cluster, data: Data, model_file: Path) -> None:
    table = pa.table({"path": [str(file) for file in data.files]})
    dataset = ray.data.from_arrow(table).map_batches(
        nfbmr.Scorer(model_file), batch_format="pyarrow"
    )
    assert dataset.take_all() == nfbmr.score_batch(table, model_file).to_pylist()
