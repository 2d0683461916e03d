"""Zarrita in Node: what a reader that shares no code with zarr-python makes of a store.

The packages of npm are installed once into the user's cache, outside the repository. Where
Node or the registry is missing, the test that asks is skipped and says why.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.metadata import ArrayV3Metadata
from zarr.core.sync import sync

# Icechunk as WebAssembly: its native build wants a newer glibc than many machines have.
_PACKAGES = (
    "zarrita@0.7.5",
    "@earthmover/icechunk@2.2.2",
    "@earthmover/icechunk-wasm32-wasi@2.2.2",
)
_SCRIPT = Path(__file__).with_name("zarrita.mjs")
_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """An Icechunk repository that is served over HTTP, its virtual chunks as well."""

    url: str
    containers: Sequence[str] = ()
    """Url prefixes of the files that its chunks lie in, as `Published.containers` has them."""
    branch: str = "main"


type StoreLike = str | Path | Repository
"""The url or folder of a plain Zarr v3 store, or an Icechunk repository."""

type Selection = Sequence[slice | None]


def read_with_zarrita(
    store: StoreLike, array: str, selection: Selection | None = None
) -> NDArray[Any]:
    """Read an array, or the part of it that one slice (or None) a dimension selects."""
    wanted = None
    if selection is not None:
        wanted = [None if part is None else [part.start, part.stop] for part in selection]
    answer = _ask(store, reads=[{"array": _absolute(array), "selection": wanted}])["reads"][0]
    flat = np.frombuffer(base64.b64decode(answer["data"]), _dtype(answer["dtype"]))
    strides = [step * flat.itemsize for step in answer["stride"]]
    return np.lib.stride_tricks.as_strided(flat, answer["shape"], strides).copy()


def group_attributes(store: StoreLike, path: str = "/") -> dict[str, Any]:
    """Return the attributes of a group (or array) as zarrita has them."""
    found: dict[str, Any] = _ask(store, attributes=[_absolute(path)])["attributes"][_absolute(path)]
    return found


def export_zarr(store: Store, folder: Path) -> Path:
    """Copy a store's `zarr.json` and encoded chunks to files, as they are.

    For an Icechunk session, whose metadata have the codecs' standard names; the store that
    VirtualTIFF returns has checked ones, which no other implementation knows.
    """
    root = zarr.open_group(store, mode="r", zarr_format=3)
    nodes = dict(root.members(max_depth=None))
    for path in ["", *nodes]:
        _copy(store, f"{path}/zarr.json".lstrip("/"), folder)
    for path, node in nodes.items():
        if isinstance(node, zarr.Array):
            assert isinstance(node.metadata, ArrayV3Metadata)
            for index in product(*map(range, node.cdata_shape)):
                key = node.metadata.chunk_key_encoding.encode_chunk_key(index)
                _copy(store, f"{path}/{key}", folder)
    return folder


def _copy(store: Store, key: str, folder: Path) -> None:
    found = sync(store.get(key, default_buffer_prototype()))
    if found is not None:
        target = folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(found.to_bytes())


def _ask(
    store: StoreLike, *, attributes: Sequence[str] = (), reads: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    home = _installed()
    request = {"store": _request(store), "attributes": list(attributes), "reads": list(reads)}
    ran = subprocess.run(
        [_program("node"), "--no-warnings", str(home / _SCRIPT.name)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if ran.returncode:
        msg = f"zarrita: {ran.stderr[-4000:]}"
        raise RuntimeError(msg)
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def _request(store: StoreLike) -> dict[str, Any]:
    if isinstance(store, Repository):
        about = {"url": store.url, "branch": store.branch, "containers": list(store.containers)}
        return {"kind": "icechunk", **about}
    if isinstance(store, Path):
        return {"kind": "files", "path": str(store)}
    return {"kind": "http", "url": store}


def _absolute(path: str) -> str:
    return "/" + path.strip("/")


def _dtype(name: str) -> np.dtype[Any]:
    return np.dtype(name).newbyteorder("<" if name != "bool" else "=")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@cache
def _outcome() -> tuple[Path, str]:
    """Return the folder of the installed packages, and what went wrong if it is not there."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = sha256("\n".join((*_PACKAGES, _SCRIPT.read_text())).encode()).hexdigest()[:16]
    home = cache_home / "virtual-tiff-tests" / f"zarrita-{name}"
    if home.exists():
        return home, ""
    home.parent.mkdir(parents=True, exist_ok=True)
    # another process may install at the same time: the first that is ready wins
    with tempfile.TemporaryDirectory(dir=home.parent) as building:
        ready = Path(building) / "ready"
        ready.mkdir()
        shutil.copy(_SCRIPT, ready)
        options = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--cpu=wasm32"]
        try:
            ran = subprocess.run(
                [_program("npm"), "install", *options, "--prefix", str(ready), *_PACKAGES],
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return home, f"npm took more than {_SECONDS} seconds"
        if ran.returncode:
            return home, f"npm could not install zarrita: {ran.stderr[-500:]}"
        with suppress(OSError):  # it is there by now
            ready.rename(home)
    return home, ""


def _installed() -> Path:
    _program("node")
    _program("npm")
    home, failure = _outcome()
    if failure:
        pytest.skip(failure)
    return home
