"""Archives and fleets on Ray: millions of images scored, hundreds of models trained.

Ray schedules, retries and moves what is to be done. Here is what one task is, and why it may be
done again: it writes one file, whole or not at all, and leaves out what is there already.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

import ray
from ray.util import ActorPool

from . import __version__, _nfbmr, load, score_batch, set_threads, train
from ._errors import ConfigError, NfbmrError

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["Scored", "score", "train_many"]

_Path = str | os.PathLike[str]

# How often Ray does a task again whose process or node is lost.
RETRIES = 3
# Of a part, so many images are in memory at once.
BATCH = 16


@dataclass(frozen=True)
class Scored:
    """What `score` did."""

    images: int
    """All images, those of an earlier run too."""
    defects: int
    """Images that are anomalous."""
    errors: int
    """Images that have an error in place of a score."""
    parts: int
    """Files in the folder, with those of an earlier run."""
    skipped_parts: int
    """Files that were there already."""
    seconds: float
    """How long this run took, with the start of the workers."""


def score(
    images: _Path | Sequence[str] | Dataset,
    model: _Path,
    out: _Path,
    *,
    column: str = "path",
    workers: int | None = None,
    threads: int = 1,
    images_per_part: int = 1000,
    progress: Callable[[int, int], object] | None = None,
) -> Scored:
    """Score an archive of images into a folder of Parquet files.

    `images` is a glob (`"archive/**/*.png"`), a Parquet file with a column of paths, a list of
    paths, or a Ray dataset with such a column. Paths are local ones, which every node must have,
    or of any storage that fsspec knows (`"s3://bucket/line-3/*.png"`). `model` is the file of a
    model, which is sent to the workers. `out` is a folder that every node can write to.

    Every `images_per_part` images, in order, become one file `part-000000.parquet` with a row for
    each image: what `nfbmr.score_batch` gives. An image that can't be read is a row with an
    `error`. The same call goes on where an earlier one ended: files that are there stay. A part is
    done by one worker of `threads` CPUs, which holds the model and a few images; there are
    `workers` of them, by default as many as the cluster's CPUs allow. `progress` is called with
    the number of parts done and of all.

    Raises `ConfigError` for a folder with scores of another model or of other images, and
    `NfbmrError` where parts are left because their workers died again and again; the same call
    goes on with them.
    """
    start = time.monotonic()
    _positive(threads=threads, images_per_part=images_per_part, workers=workers or 1)
    out = _absolute(out)
    paths = [_absolute(path) for path in _paths(images, column)]
    parts = [paths[at : at + images_per_part] for at in range(0, len(paths), images_per_part)]
    storage, folder = _storage(out)
    content = _read(_absolute(model))
    _claim(storage, folder, _manifest(content, paths, images_per_part))

    counts: list[tuple[int, int, int]] = []
    left = []
    for number, own in enumerate(parts):
        file = f"{folder}/part-{number:06}.parquet"
        if storage.exists(file):
            counts.append(_count(storage, file))
        else:
            left.append((file, own))
    skipped = len(counts)
    lost: list[str] = []
    if left:
        limit = max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
        options = {"num_cpus": threads, "max_restarts": -1, "max_task_retries": RETRIES}
        worker = ray.remote(_Scorer).options(**options)
        sent = ray.put(content)
        count = min(workers or limit, len(left))
        pool = ActorPool([worker.remote(sent, threads) for _ in range(count)])
        for task in left:
            pool.submit(lambda actor, task: actor.score.remote(*task, out), task)
        while pool.has_next():
            try:
                counts.append(pool.get_next_unordered())
            except ray.exceptions.RayActorError as error:
                lost.append(str(error).partition("\n")[0])
            if progress is not None:
                progress(len(counts), len(parts))
    if lost:
        raise NfbmrError(
            f"expected {len(parts)} parts to be scored, found {len(lost)} whose workers died "
            f"{RETRIES + 1} times; the same call goes on with them. The first: {lost[0]}"
        )
    # Of workers that were killed while they wrote.
    for unfinished in storage.glob(f"{folder}/.part-*"):
        storage.rm(unfinished)
    total, defects, errors = (
        (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    )
    seconds = time.monotonic() - start
    return Scored(total, defects, errors, len(parts), skipped, seconds)


class _Scorer:
    """A process that holds the model and scores a part after the other."""

    def __init__(self, content: bytes, threads: int) -> None:
        set_threads(threads)
        with tempfile.NamedTemporaryFile(suffix=".nfbmr") as file:
            file.write(content)
            file.flush()
            self.model = load(file.name)
        self.sha256 = hashlib.sha256(content).hexdigest()

    def score(self, file: str, paths: list[str], out: str) -> tuple[int, int, int]:
        batches = [
            _scored(paths[at : at + BATCH], self.model) for at in range(0, len(paths), BATCH)
        ]
        table = pa.concat_tables(batches)
        storage, _ = _storage(out)
        _write(storage, file, lambda target: pq.write_table(table, target))
        return _count_rows(table)


def _scored(paths: list[str], model: _nfbmr.Model) -> pa.Table:
    """Local files are read by the library, which knows how large they may be; others here."""
    if not any("://" in path for path in paths):
        return score_batch(pa.table({"path": pa.array(paths, pa.string())}), model, column="path")
    contents: list[bytes | None] = []
    problems: dict[int, str] = {}
    for at, path in enumerate(paths):
        try:
            contents.append(_read(path))
        except OSError as error:
            contents.append(None)
            problems[at] = f"{path}: {error}"
    batch = {"path": pa.array(paths, pa.string()), "bytes": pa.array(contents, pa.binary())}
    table = score_batch(pa.table(batch), model, column="bytes")
    errors = [problems.get(at, error) for at, error in enumerate(table["error"].to_pylist())]
    at = table.schema.get_field_index("error")
    return table.set_column(at, table.schema.field(at), pa.array(errors, pa.string()))


def _paths(images: _Path | Sequence[str] | Dataset, column: str) -> list[str]:
    if isinstance(images, (str, os.PathLike)):
        return _paths_of(os.fspath(images), column)
    if isinstance(images, Sequence):
        paths = [os.fspath(path) for path in images]
    else:
        batches: Any = images.select_columns([column]).iter_batches(batch_format="pyarrow")
        paths = [path for batch in batches for path in batch[column].to_pylist()]
    return _some(paths, "the list")


def _paths_of(images: str, column: str) -> list[str]:
    storage, path = fsspec.core.url_to_fs(images)
    if path.endswith(".parquet") and not any(sign in path for sign in "*?["):
        with storage.open(path, "rb") as file:
            names = pq.read_schema(file).names
            if column not in names:
                have = ", ".join(names)
                raise ConfigError(f"{images}: expected a column {column!r} of paths, found {have}")
            return _some(pq.read_table(file, columns=[column])[column].to_pylist(), images)
    if storage.isdir(path):
        raise ConfigError(f"{images}: expected a glob such as {images}/**/*.png, found a folder")
    found = sorted(storage.glob(path))
    return _some(
        [storage.unstrip_protocol(each) if "://" in images else each for each in found], images
    )


def _some(paths: list[str], where: str) -> list[str]:
    if not paths:
        raise ConfigError(f"expected images in {where}, found none")
    return paths


def _manifest(model: bytes, paths: list[str], images_per_part: int) -> dict[str, Any]:
    return {
        "nfbmr": __version__,
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "images": len(paths),
        "images_sha256": hashlib.sha256("\n".join(paths).encode()).hexdigest(),
        "images_per_part": images_per_part,
    }


def _claim(storage: fsspec.AbstractFileSystem, folder: str, manifest: dict[str, Any]) -> None:
    """Says whose scores a folder holds, or refuses one with others."""
    file = f"{folder}/_manifest.json"
    if storage.exists(file):
        found = json.loads(storage.cat_file(file))
        other = [name for name in manifest if found.get(name) != manifest[name]]
        if other:
            name = other[0]
            raise ConfigError(
                f"{folder}: expected scores of the same model and images, found {name} "
                f"{found.get(name)} in place of {manifest[name]}: name another folder"
            )
        return
    storage.makedirs(folder, exist_ok=True)
    if storage.glob(f"{folder}/*"):
        raise ConfigError(f"{folder}: expected an empty folder or one of scores, found other files")
    _write_text(storage, file, json.dumps(manifest, indent=1))


def _count(storage: fsspec.AbstractFileSystem, file: str) -> tuple[int, int, int]:
    with storage.open(file, "rb") as source:
        return _count_rows(pq.read_table(source, columns=["is_anomalous", "error"]))


def _count_rows(table: pa.Table) -> tuple[int, int, int]:
    """Images, defects and errors."""
    defects = sum(found is True for found in table["is_anomalous"].to_pylist())
    return table.num_rows, defects, table.num_rows - table["error"].null_count


def _positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ConfigError(f"{name}: expected 1 or more, found {number}")


def _absolute(path: _Path) -> str:
    """Of the driver: workers have other folders."""
    path = os.fspath(path)
    return path if "://" in path else os.path.abspath(path)


def _storage(path: _Path) -> tuple[fsspec.AbstractFileSystem, str]:
    storage, folder = fsspec.core.url_to_fs(os.fspath(path))
    return storage, folder.rstrip("/")


def _read(path: _Path) -> bytes:
    storage, file = fsspec.core.url_to_fs(os.fspath(path))
    return bytes(storage.cat_file(file))


def _write(storage: fsspec.AbstractFileSystem, file: str, write: Callable[[Any], object]) -> None:
    """Writes a file whole or not at all; two who write the same one write the same."""
    folder, _, name = file.rpartition("/")
    unfinished = f"{folder}/.{name}.{os.getpid()}-{time.time_ns()}"
    try:
        with storage.open(unfinished, "wb") as target:
            write(target)
        storage.mv(unfinished, file)
    except BaseException:
        if storage.exists(unfinished):
            storage.rm(unfinished)
        raise


def _write_text(storage: fsspec.AbstractFileSystem, file: str, text: str) -> None:
    _write(storage, file, lambda target: target.write(text.encode()))


def train_many(
    manifest: _Path | Iterable[Mapping[str, Any]],
    out: _Path,
    *,
    threads: int = 1,
    progress: Callable[[dict[str, Any], int, int], object] | None = None,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Train a model for each row of a manifest: a part number, a camera, a product.

    `manifest` is a CSV, JSON lines or Parquet file, or rows. A row has a `name`, unique, which its
    model `NAME.nfbmr` in the folder `out` is called by; `images`, a folder or a list of paths; and
    arguments of `nfbmr.train` that differ from `settings`, which are those of all rows. A value of
    a CSV file is read as JSON where it is JSON, and an empty one is left out. `out` is a folder on
    a file system that every node has, as `images` are.

    Each training is one task of `threads` CPUs. A model that is there is kept where its settings,
    the content of its images and the version of nfbmr are the same. A training whose process or
    node is lost goes on from its last epoch, in `NAME.unfinished`. A row that can't be trained
    fails by itself. `progress` is called with the row's result, the number of rows done and of
    all.

    Returns a result for each row, in order, and writes them to `report.csv` in `out`: `name`,
    `status` ("trained", "kept" or "failed"), `error`, `images`, `threshold`, `max_false_alarms`,
    `notes` (what the training left out, guessed and warned of), `seconds` and `model_sha256`.

    Raises `ConfigError` for a manifest without rows, with a row that has no name or images, or
    with names that repeat.
    """
    _positive(threads=threads)
    rows = _rows(manifest)
    folder = Path(out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    task = ray.remote(_train).options(num_cpus=threads, max_retries=RETRIES)
    running = {
        task.remote({**settings, **row}, str(folder), threads): at for at, row in enumerate(rows)
    }
    results: list[dict[str, Any]] = [{} for _ in rows]
    waiting = list(running)
    while waiting:
        done, waiting = ray.wait(waiting)
        for each in done:
            at = running[each]
            try:
                results[at] = ray.get(each)
            except ray.exceptions.RayError as error:
                text = str(error).partition("\n")[0]
                results[at] = _failed(rows[at]["name"], f"its task is lost: {text}")
            if progress is not None:
                progress(results[at], len(rows) - len(waiting), len(rows))
    _report(folder / "report.csv", results)
    return results


# The columns of a report.
REPORT = (
    "name",
    "status",
    "error",
    "images",
    "threshold",
    "max_false_alarms",
    "notes",
    "seconds",
    "model_sha256",
)


def _train(row: dict[str, Any], out: str, threads: int) -> dict[str, Any]:
    """Trains one model, unless it is there."""
    name, images = row.pop("name"), row.pop("images")
    model_file, record_file, unfinished = (
        Path(out, name + ending) for ending in (".nfbmr", ".json", ".unfinished")
    )
    start = time.monotonic()
    try:
        fingerprint = _fingerprint(images, row)
        record = json.loads(record_file.read_text()) if record_file.exists() else {}
        if record.get("fingerprint") == fingerprint and model_file.exists():
            if hashlib.sha256(model_file.read_bytes()).hexdigest() == record["model_sha256"]:
                shutil.rmtree(unfinished, ignore_errors=True)
                return {**record, "status": "kept"}
        set_threads(threads)
        notes: list[str] = []
        unfinished.mkdir(exist_ok=True)
        # Named by what is trained: a checkpoint of other images or settings is none of this one.
        own = unfinished / fingerprint[:16]
        model = train(images, resume=own, notes=notes.append, **row)
        model.save(model_file)
        info = model.info or {}
        record = {
            "name": name,
            "status": "trained",
            "fingerprint": fingerprint,
            "images": info.get("training_images"),
            "threshold": model.threshold,
            "max_false_alarms": _rate(model.calibration),
            "notes": "\n".join(notes),
            "seconds": round(time.monotonic() - start, 1),
            "model_sha256": model.sha256,
        }
        _write_text(*_storage(record_file), json.dumps(record, indent=1))
        shutil.rmtree(unfinished)
        return record
    except (NfbmrError, TypeError, ValueError, OSError) as error:
        return _failed(name, str(error))


def _failed(name: str, error: str) -> dict[str, Any]:
    return {"name": name, "status": "failed", "error": error}


def _rate(calibration: dict[str, Any] | None) -> float | None:
    own = next(iter(calibration.values())) if calibration else {}
    return own.get("rate")


def _fingerprint(images: _Path | Sequence[_Path], settings: dict[str, Any]) -> str:
    """Of all that a model depends on."""
    digest = hashlib.sha256(__version__.encode())
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in _files(images):
        digest.update(f"\0{path}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files(images: _Path | Sequence[_Path]) -> Iterator[Path]:
    if not isinstance(images, (str, os.PathLike)):
        yield from map(Path, images)
        return
    folder = Path(images)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: expected a folder of images, found none")
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def _rows(manifest: _Path | Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(manifest, (str, os.PathLike)):
        where, rows = os.fspath(manifest), _read_rows(Path(manifest))
    else:
        where, rows = "the manifest", [dict(row) for row in manifest]
    if not rows:
        raise ConfigError(f"{where}: expected a row for each model, found none")
    seen = set()
    for number, row in enumerate(rows, 1):
        name = row.get("name")
        if not isinstance(name, str) or not name or Path(name).name != name or name.startswith("."):
            raise ConfigError(
                f"{where}, row {number}: expected a `name` that a file can have, found {name!r}"
            )
        if not row.get("images"):
            raise ConfigError(f"{where}, row {number}, {name}: expected `images`, found none")
        images = row["images"]
        one = isinstance(images, (str, os.PathLike))
        row["images"] = _absolute(images) if one else [_absolute(image) for image in images]
        if name in seen:
            raise ConfigError(
                f"{where}, row {number}: expected names that differ, found {name!r} again"
            )
        seen.add(name)
    return rows


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
    elif path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [
                {key: _value(key, text) for key, text in row.items()}
                for row in csv.DictReader(file)
            ]
    else:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    return [{key: value for key, value in row.items() if value not in (None, "")} for row in rows]


def _value(key: str, text: str | None) -> Any:
    # A part number such as 0815 is a name, not a number.
    if key == "name" or not text:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _report(file: Path, results: list[dict[str, Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, REPORT, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(results)
    _write_text(*_storage(file), text.getvalue())
