"""Progress as a bar of tqdm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._errors import ConfigError

if TYPE_CHECKING:
    from ._nfbmr import Progress


def callable_of(progress: Any) -> Callable[[Progress], object] | None:
    """The function that an argument `progress` stands for."""
    if progress is None or progress is False:
        return None
    if progress is True or progress == "tqdm":
        return Bar()
    if not callable(progress):
        raise TypeError(f'expected a function, True or "tqdm" for progress, found {progress!r}')
    function: Callable[[Progress], object] = progress
    return function


class Bar:
    """A bar for each stage."""

    _bar: Any = None
    _stage: object = None

    def __init__(self) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ConfigError(
                "expected tqdm for a bar of progress, found none: `pip install tqdm`"
            ) from error
        self._tqdm = tqdm

    def __call__(self, progress: Progress) -> None:
        stage = (progress.fold, progress.level, progress.phase)
        if stage != self._stage:
            self._stage = stage
            if self._bar is not None:
                self._bar.close()
            parts = [("fold", progress.fold), ("level", progress.level)]
            words = [f"{name} {of[0]} of {of[1]}" for name, of in parts if of is not None]
            name = ", ".join([*words, progress.phase])
            self._bar = self._tqdm(total=progress.total_images, desc=name, unit="image")
        if progress.loss is not None:
            self._bar.set_postfix(loss=f"{progress.loss:.4f}", refresh=False)
        self._bar.update(progress.images - self._bar.n)

    def __del__(self) -> None:
        if self._bar is not None:
            self._bar.close()
