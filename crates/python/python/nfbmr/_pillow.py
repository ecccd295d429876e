"""Images of Pillow to arrays, as the reader of files has them. Pillow isn't imported here."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ._errors import DataError


def pixels(image: Any) -> np.ndarray[Any, Any] | None:
    """An array of uint8 or uint16; None for what is no image of Pillow.

    The orientation that the file says is applied, palettes are resolved, alpha is dropped.
    """
    module = sys.modules.get("PIL.Image")
    if module is None or not isinstance(image, module.Image):
        return None
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    mode = image.mode
    if mode in ("L", "RGB", "RGBA"):
        return np.asarray(image)
    if mode == "1":
        return np.asarray(image.convert("L"))
    if mode == "LA":
        return np.asarray(image.getchannel("L"))
    if mode in ("P", "PA"):
        return np.asarray(image.convert("RGBA"))
    if mode in ("I;16", "I;16L", "I;16B", "I;16N"):
        return np.asarray(image).astype(np.uint16)
    raise DataError(
        f"expected an image of mode 1, L, LA, P, PA, RGB, RGBA or I;16, found mode {mode}: "
        "convert it first, so that it is plain which colours are meant"
    )
