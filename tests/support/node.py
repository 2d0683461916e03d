"""Zarrita in Node: what a reader that shares no code with zarr-python makes of a store.

The packages of npm are installed once into the user's cache, outside the repository. Where
Node or the registry is missing, the test that asks is skipped and says why.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import product
from math import prod
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


@dataclass(frozen=True, slots=True)
class Packages:
    """Packages of npm, and options of its installation."""

    names: tuple[str, ...]
    options: tuple[str, ...] = ()


# Icechunk as WebAssembly: its native build wants a newer glibc than many machines have.
_ZARRITA = Packages(
    (
        "zarrita@0.7.5",
        "@earthmover/icechunk@2.2.2",
        "@earthmover/icechunk-wasm32-wasi@2.2.2",
    ),
    ("--cpu=wasm32",),
)
# Skia, which is what a browser decodes images and draws on a canvas with; and JPEG in JavaScript.
_IMAGES = Packages(("@napi-rs/canvas@1.1.1", "jpeg-js@0.4.4"))

AZURITE = Packages(("azurite@3.37.0",))
"""Azure's storage, as a server."""

_SCRIPT = Path(__file__).with_name("zarrita.mjs")
CODECS = Path(__file__).parent.parent.parent / "javascript" / "virtual-tiff-codecs.mjs"
"""The module with the codecs that zarrita lacks."""
_SECONDS = 600
_INSTALLED = Path(__file__).parents[2] / "node_modules"
"""Packages that tests install stay in the tree, in a folder that git ignores."""


class ZarritaError(RuntimeError):
    """What zarrita could not read."""


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
    store: StoreLike,
    array: str,
    selection: Selection | None = None,
    *,
    codecs: bool = False,
    canvas: bool = False,
) -> NDArray[Any]:
    """Read an array, or the part of it that one slice (or None) a dimension selects.

    With `codecs` our module is registered; with `canvas` there is a browser's canvas.
    """
    (found,) = read_many(store, [(array, selection)], codecs=codecs, canvas=canvas)
    if isinstance(found, ZarritaError):
        raise found
    return found


def read_many(
    store: StoreLike,
    wanted: Sequence[tuple[str, Selection | None]],
    *,
    codecs: bool = False,
    canvas: bool = False,
) -> list[NDArray[Any] | ZarritaError]:
    """Read arrays in one process, as `read_with_zarrita` does; an error takes an array's place."""
    reads = [{"array": _absolute(array), "selection": _bounds(part)} for array, part in wanted]
    with tempfile.TemporaryDirectory() as into:
        request = {
            "reads": reads,
            "into": into,
            "codecs": str(CODECS) if codecs else None,
            "canvas": str(installed(_IMAGES)) if canvas else None,
        }
        answers = _ask(store, request)["reads"]
        return [_array(answer, Path(into, str(n))) for n, answer in enumerate(answers)]


def _bounds(selection: Selection | None) -> list[list[int] | None] | None:
    if selection is None:
        return None
    return [None if part is None else [part.start, part.stop] for part in selection]


def _array(answer: Mapping[str, Any], file: Path) -> NDArray[Any] | ZarritaError:
    if "error" in answer:
        return ZarritaError(f"zarrita: {answer['error']}")
    flat = np.fromfile(file, _dtype(answer["dtype"]))
    if flat.size < prod(answer["shape"]):
        return ZarritaError(f"zarrita: {flat.size} values for {answer['shape']}")
    strides = [step * flat.itemsize for step in answer["stride"]]
    return np.lib.stride_tricks.as_strided(flat, answer["shape"], strides).copy()


def group_attributes(store: StoreLike, path: str = "/") -> dict[str, Any]:
    """Return the attributes of a group (or array) as zarrita has them."""
    answers = _ask(store, {"attributes": [_absolute(path)]})["attributes"]
    found: dict[str, Any] = answers[_absolute(path)]
    return found


def export_zarr(store: Store, folder: Path) -> Path:
    """Copy a store's `zarr.json` and encoded chunks to files, as they are.

    For an Icechunk session, whose metadata have the codecs' standard names; the store that
    VirtualTIFF returns has checked ones, which no other implementation knows.
    """
    root = zarr.open_group(store, mode="r", zarr_format=3)
    _copy(store, "zarr.json", folder / "zarr.json")
    for path, node in root.members(max_depth=None):
        if isinstance(node, zarr.Array):
            export_array(node, folder / path)
        else:
            _copy(store, f"{path}/zarr.json", folder / path / "zarr.json")
    return folder


def export_array(array: zarr.Array[Any], folder: Path, part: Selection | None = None) -> Path:
    """Copy an array as `export_zarr` does, or the chunks that a selection touches."""
    assert isinstance(array.metadata, ArrayV3Metadata)
    encoded = array.metadata.chunk_key_encoding.encode_chunk_key
    indices = product(*_touched(array, part))
    for key in ("zarr.json", *map(encoded, indices)):
        _copy(array.store, f"{array.path}/{key}", folder / key)
    return folder


def _touched(array: zarr.Array[Any], part: Selection | None) -> list[range]:
    """Return the numbers of the chunks along each dimension that a selection touches."""
    found = []
    whole = part or [None] * array.ndim
    for count, chunk, one in zip(array.cdata_shape, array.chunks, whole, strict=True):
        found.append(
            range(count) if one is None else range(one.start // chunk, -(-one.stop // chunk))
        )
    return found


def _copy(store: Store, key: str, target: Path) -> None:
    found = sync(store.get(key.lstrip("/"), default_buffer_prototype()))
    if found is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(found.to_bytes())


def _ask(store: StoreLike, wanted: Mapping[str, Any]) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "attributes": [],
        "reads": [],
        "into": None,
        "codecs": None,
        "canvas": None,
    }
    answer: dict[str, Any] = json.loads(
        _run(
            [_program("node"), "--no-warnings", str(installed(_ZARRITA) / _SCRIPT.name)],
            json.dumps({**nothing, **wanted, "store": _request(store)}),
        )
    )
    return answer


def module_names() -> dict[str, list[str]]:
    """Return the names of the codecs in our module, by what decodes them."""
    names: dict[str, list[str]] = run_with_module("answer(module.codecNames)")
    return names


def run_with_module(script: str) -> Any:
    """Run JavaScript in which `module` is ours; return what it gives to `answer`, as JSON has it.

    It needs Node and nothing from the network.
    """
    around = f"import * as module from {json.dumps(CODECS.as_uri())};"
    around += "const answer = (value) => console.log(JSON.stringify(value));"
    return json.loads(_run([_program("node"), "--input-type=module", "-e", around + script]))


def run_page(script: str, folder: Path) -> str:
    """Run JavaScript as a project would that has installed the packages; return what it prints."""
    modules = folder / "node_modules"
    modules.mkdir()
    (modules / "virtual-tiff-codecs").symlink_to(CODECS.parent)
    for packages in (_ZARRITA, _IMAGES):
        for package in (installed(packages) / "node_modules").iterdir():
            if not package.name.startswith((".", "@napi-rs")):
                (modules / package.name).symlink_to(package)
    page = folder / "page.mjs"
    page.write_text(script, encoding="utf-8")
    return _run([_program("node"), str(page)])


def _run(command: Sequence[str], given: str = "") -> str:
    ran = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if ran.returncode:
        msg = f"zarrita: {ran.stderr[-4000:]}"
        raise ZarritaError(msg)
    return ran.stdout


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
def _outcome(packages: Packages) -> tuple[Path, str]:
    """Return the folder of the installed packages, and what went wrong if it is not there."""
    name = sha256("\n".join((*packages.names, _SCRIPT.read_text())).encode()).hexdigest()[:16]
    home = _INSTALLED / f"tests-{name}"
    if home.exists():
        return home, ""
    home.parent.mkdir(parents=True, exist_ok=True)
    # another process may install at the same time: the first that is ready wins
    with tempfile.TemporaryDirectory(dir=home.parent) as building:
        ready = Path(building) / "ready"
        ready.mkdir()
        shutil.copy(_SCRIPT, ready)
        options = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", *packages.options]
        options += ["--cache", str(_INSTALLED / ".cache")]
        try:
            ran = subprocess.run(
                [_program("npm"), "install", *options, "--prefix", str(ready), *packages.names],
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return home, f"npm took more than {_SECONDS} seconds"
        if ran.returncode:
            return home, f"npm could not install {packages.names[0]}: {ran.stderr[-500:]}"
        with suppress(OSError):  # it is there by now
            ready.rename(home)
    return home, ""


@cache
def packed_codecs() -> Path:
    """Return a folder of modules that has ours as npm packs it, which is what its users get."""
    folder = Path(_packed_folder().name)
    command = [_program("npm"), "pack", "--silent", "--pack-destination", str(folder)]
    ran = subprocess.run(
        command, cwd=CODECS.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert not ran.returncode, ran.stderr
    with tarfile.open(folder / ran.stdout.split()[-1]) as packed:
        packed.extractall(folder, filter="data")
    return (folder / "package").rename(folder / "virtual-tiff-codecs").parent


@cache
def _packed_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that lasts as long as this process."""
    return tempfile.TemporaryDirectory()


def installed(packages: Packages = _ZARRITA) -> Path:
    """Return the folder of packages of npm, and install them; skip the test if that fails."""
    _program("node")
    _program("npm")
    home, failure = _outcome(packages)
    if failure:
        pytest.skip(failure)
    return home
