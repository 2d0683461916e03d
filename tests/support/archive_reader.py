"""A process that reads published cubes with zarr and Icechunk, and never imports the package.

`Reader()` starts one; `read` gives all arrays of a repository. With `codecs=True` the codecs of
the package can be loaded, as a reader of a cube with short strips must; nothing else is.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Cube", "Reader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """An array as zarr reads it."""

    values: NDArray[Any]
    dimensions: tuple[str, ...]
    attributes: dict[str, Any]


type Cube = dict[str, Array | str]
"""By path: the array, or the error that reading it ends in."""


class Reader:
    """A child process that reads repositories on the local disk."""

    def __init__(self, *, codecs: bool) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "codecs" if codecs else "alone"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def read(self, path: str, prefixes: Sequence[str]) -> Cube:
        """Return all arrays of branch main."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((path, list(prefixes)), self._process.stdin)
        self._process.stdin.flush()
        answer = pickle.load(self._process.stdout)
        return {
            name: one
            if isinstance(one, str)
            else Array(values=one[0], dimensions=one[1], attributes=one[2])
            for name, one in answer.items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _hide_package() -> None:
    """Hide the package and its entry points, as if it were not installed."""
    import importlib.metadata

    sys.modules["virtual_tiff"] = None  # type: ignore[assignment]
    every = importlib.metadata.entry_points

    def others(**params: Any) -> Any:
        points = every(**params)
        return importlib.metadata.EntryPoints(
            point for point in points if point.dist is None or point.dist.name != "virtual-tiff"
        )

    importlib.metadata.entry_points = others


def _read(path: str, prefixes: Sequence[str]) -> dict[str, Any]:
    import icechunk
    import zarr

    storage = icechunk.local_filesystem_storage(path)
    access = icechunk.containers_credentials(
        dict.fromkeys(prefixes, icechunk.credentials.LocalFileSystemAccess)
    )
    repository = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)
    group = zarr.open_group(repository.readonly_session("main").store, mode="r")
    arrays: dict[str, Any] = {}
    for name, node in group.members(max_depth=None):
        if isinstance(node, zarr.Array):
            metadata: Any = node.metadata
            try:
                values = np.asarray(node[...])
                arrays[name] = (values, tuple(metadata.dimension_names), dict(node.attrs))
            except Exception as error:
                arrays[name] = f"{type(error).__name__}: {error}"
    return arrays


def _main() -> None:
    if sys.argv[1] == "alone":
        _hide_package()
    import icechunk

    icechunk.set_logs_filter("error")
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            path, prefixes = pickle.load(source)
        except EOFError:
            return
        pickle.dump(_read(path, prefixes), sink)
        sink.flush()


if __name__ == "__main__":
    _main()
