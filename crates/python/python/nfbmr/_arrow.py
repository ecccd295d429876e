"""Batches of Arrow: images in, scores out. pyarrow is imported once a batch is scored."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any, TypeVar

from ._errors import DataError, NfbmrError
from ._nfbmr import Detection, Model, load

if TYPE_CHECKING:
    import pyarrow as pa

    Batch = TypeVar("Batch", pa.RecordBatch, pa.Table)

Path = str | os.PathLike[str]

# Where no column is named.
NAMES = ("path", "image", "bytes")

REGION = ("x", "y", "width", "height", "area", "peak", "peak_x", "peak_y")


def score_batch(batch: Batch, model: Model | Path, *, column: str | None = None) -> Batch:
    """Score a batch of images: one row out for each row in, in order.

    `batch` is a `pyarrow.RecordBatch` or a `pyarrow.Table` with a column of paths (string) or of the bytes of image
    files (binary): that named `column`, or else the one named `path`, `image` or `bytes`, or the only one of such a
    type. `model` is a model, or the path of its file, which a process reads once.

    The result has the columns of the batch, but for one of bytes that was scored, and:

    - `score`: float32; higher is more anomalous
    - `p_value`: float64, `is_anomalous`: bool and `threshold`: float32, null of a model without
    - `regions`: list of struct of `x`, `y`, `width`, `height` (uint32), `area` (uint64), `peak` (float32), `peak_x` and
      `peak_y` (uint32), null of a model that isn't calibrated
    - `model_sha256`: string, of the model's file; null of a model that is in none
    - `error`: string, why the row has no score; null where it has one

    An image that is null, or can't be read or scored, is a row with an `error`.

    Raises `DataError` for a batch without such a column, or with one that the result adds.
    """
    import pyarrow as pa

    if not isinstance(model, Model):
        model = _loaded(model)
    if isinstance(batch, pa.RecordBatch):
        return _scored(batch, model, column)
    if isinstance(batch, pa.Table):
        batches = batch.to_batches()
        if not batches:
            batches = [pa.RecordBatch.from_pylist([], schema=batch.schema)]
        return pa.Table.from_batches([_scored(part, model, column) for part in batches])
    raise TypeError(
        f"expected a pyarrow.RecordBatch or pyarrow.Table, found {type(batch).__qualname__}"
    )


class Scorer:
    """`score_batch` with the path of a model, for frameworks that move functions to other processes.

    It is pickled by the path; a process reads the model once. With Ray Data:
    `dataset.map_batches(nfbmr.Scorer("part.nfbmr"), batch_format="pyarrow")`.
    """

    def __init__(self, path: Path, *, column: str | None = None) -> None:
        self.path = os.path.abspath(path)
        self.column = column

    def __call__(self, batch: Batch) -> Batch:
        """Score a batch."""
        return score_batch(batch, self.path, column=self.column)

    def __repr__(self) -> str:
        return f"Scorer({self.path!r}, column={self.column!r})"


def _loaded(path: Path) -> Model:
    """The model of a file, read again once the file is another."""
    path = os.path.abspath(path)
    try:
        found = os.stat(path)
    except OSError:
        return load(path)  # which says what is wrong
    return _load(path, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=4)
def _load(path: str, _changed: int, _bytes: int) -> Model:
    return load(path)


def _scored(batch: pa.RecordBatch, model: Model, column: str | None) -> pa.RecordBatch:
    import pyarrow as pa

    column = _column(batch.schema, column)
    kept = [
        field
        for field in batch.schema
        if field.name != column or not _is_bytes(field.type)
    ]
    added = _schema()
    twice = [field.name for field in kept if field.name in added.names]
    if twice:
        raise DataError(f"expected no column named {twice[0]!r}, which the scores have, found one")
    rows = [_row(found, model) for found in _found(batch.column(column), model)]
    scores = pa.RecordBatch.from_pylist(rows, schema=added)
    return pa.RecordBatch.from_arrays(
        [batch.column(field.name) for field in kept] + scores.columns,
        schema=pa.schema([*kept, *added], metadata=batch.schema.metadata),
    )


def _found(images: pa.Array, model: Model) -> list[Detection | NfbmrError]:
    """What becomes of each image, in order."""
    given = (image.as_py() for image in images if image.is_valid)
    each = model.detect_each(given)
    return [
        next(each) if image.is_valid else DataError("expected an image, found null")
        for image in images
    ]


def _row(found: Detection | NfbmrError, model: Model) -> dict[str, Any]:
    sha256 = model.sha256
    if isinstance(found, NfbmrError):
        return {"model_sha256": sha256, "error": str(found)}
    regions = found.regions
    return {
        "score": found.score,
        "p_value": found.p_value,
        "is_anomalous": found.is_anomalous,
        "threshold": found.threshold,
        "regions": regions
        and [{name: getattr(region, name) for name in REGION} for region in regions],
        "model_sha256": sha256,
    }


def _schema() -> pa.Schema:
    import pyarrow as pa

    types = {"area": pa.uint64(), "peak": pa.float32()}
    region = pa.struct([(name, types.get(name, pa.uint32())) for name in REGION])
    return pa.schema(
        [
            ("score", pa.float32()),
            ("p_value", pa.float64()),
            ("is_anomalous", pa.bool_()),
            ("threshold", pa.float32()),
            ("regions", pa.list_(region)),
            ("model_sha256", pa.string()),
            ("error", pa.string()),
        ]
    )


def _column(schema: pa.Schema, name: str | None) -> str:
    """The column of images."""
    import pyarrow as pa

    def is_image(field: pa.Field) -> bool:
        kind = field.type
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        return bool(is_text) or _is_bytes(kind)

    have = ", ".join(f"{field.name} ({field.type})" for field in schema) or "none"
    fitting = [field.name for field in schema if is_image(field)]
    wanted = [name] if name is not None else [known for known in NAMES if known in fitting]
    if name is None and not wanted:
        wanted = fitting
    if len(wanted) != 1 or fitting.count(wanted[0]) != 1 or schema.names.count(wanted[0]) != 1:
        sought = f"named {name!r}" if name is not None else f"named {', '.join(NAMES)}, or alone"
        raise DataError(
            f"expected one column of paths (string) or of image files (binary) {sought}, "
            f"found the columns {have}"
        )
    return wanted[0]


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
