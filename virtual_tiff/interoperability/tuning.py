"""Zarr's settings for reading TIFFs fast, on request.

zarr's defaults are made for any store on any machine. `tune_zarr` changes them for the whole
process, so nothing in this package calls it.
"""

from __future__ import annotations

from typing import Any, Self

import zarr
from zarr.core import codec_pipeline
from zarr.registry import register_codec

from virtual_tiff.codecs.guard.fast import FAST

__all__ = ["Tuning", "tune_zarr"]

_CONCURRENCY = 64
"""Requests at once, for latency: of 50 ms each, 10 give at most 200 blocks a second."""

_FUSED = "zarr.core.codec_pipeline.FusedCodecPipeline"
"""Of zarr 3.4: decodes a chunk in one go in a thread, instead of a step a visit of the event
loop; from local files it reads in that thread too."""


class Tuning:
    """What `tune_zarr` set; as a context manager, or by `undo`, it is set back.

    Tunings may be undone in any order: a setting goes back to what it was before the first
    once the last is undone, unless someone else has changed it since.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        """Names of zarr's configuration to their values."""
        for name, value in settings.items():
            _before.setdefault(name, _get(name))
            _set(name, value)
        _active.append(self)

    def undo(self) -> None:
        """Set back what this tuning set; a second time does nothing."""
        if self not in _active:
            return
        _active.remove(self)
        for name, value in self.settings.items():
            others = [other.settings[name] for other in _active if name in other.settings]
            if _get(name) == value:
                _set(name, others[-1] if others else _before[name])
            if not others:
                del _before[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def __repr__(self) -> str:
        lines = "".join(f"\n  {name}: {value}" for name, value in self.settings.items())
        return f"zarr was tuned:{lines}"


def tune_zarr(
    *,
    concurrency: int = _CONCURRENCY,
    threads: int | None = None,
    fused: bool = True,
    codecs: bool = True,
) -> Tuning:
    """Set up zarr, in this process, to read TIFFs and what was published of them fast.

    Pixels, metadata and errors of damaged blocks stay the same. Arrays that were opened
    before keep what they were opened with.

    Parameters
    ----------
    concurrency
        Requests to a store at once (zarr's ``async.concurrency``).
    threads
        That decode at once (zarr's ``codec_pipeline.max_workers`` and
        ``threading.max_workers``); None for as many as there are processors.
    fused
        Whether to use zarr's ``FusedCodecPipeline``, where zarr has it (3.4).
    codecs
        Whether to decode by the implementations of `virtual_tiff.codecs.guard.fast` what other
        stores than those of `VirtualTIFF` hold, such as Icechunk's.

    Returns
    -------
    Tuning
        What was set. ``tune_zarr().undo()`` and ``with tune_zarr():`` set it back.

    Raises
    ------
    ValueError
        If a number is not positive.
    """
    for name, number in {"concurrency": concurrency, "threads": threads}.items():
        if number is not None and number < 1:
            msg = f"{name}={number!r} must be a positive whole number"
            raise ValueError(msg)
    settings: dict[str, Any] = {"async.concurrency": concurrency}
    if threads is not None:
        settings |= {"codec_pipeline.max_workers": threads, "threading.max_workers": threads}
    if fused and hasattr(codec_pipeline, "FusedCodecPipeline"):
        settings["codec_pipeline.path"] = _FUSED
    if codecs:
        for name, fast in FAST.items():  # registered beside the others
            register_codec(name, fast)
            settings[f"{_CODECS}{name}"] = f"{fast.__module__}.{fast.__qualname__}"
    return Tuning(settings)


_CODECS = "codecs."
_MISSING = object()

_active: list[Tuning] = []
_before: dict[str, Any] = {}
"""The values of all settings that any active tuning changed."""


def _get(name: str) -> Any:  # noqa: ANN401
    """Return a setting; names of codecs have dots, which zarr would take for levels."""
    if name.startswith(_CODECS):
        return zarr.config.get("codecs").get(name.removeprefix(_CODECS), _MISSING)
    return zarr.config.get(name, _MISSING)


def _set(name: str, value: Any) -> None:  # noqa: ANN401
    if not name.startswith(_CODECS):
        zarr.config.set({name: value})
        return
    codecs = dict(zarr.config.get("codecs"))
    codecs[name.removeprefix(_CODECS)] = value
    zarr.config.set({"codecs": {key: kept for key, kept in codecs.items() if kept is not _MISSING}})
