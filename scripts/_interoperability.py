"""What each reader makes of a published corpus, against GDAL and tifffile.

Every file is published by its first directory, the arrays are exported to a plain Zarr store,
and one process of each reader reads them all.
"""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
import zarr
from icechunk import IcechunkError
from numpy.typing import NDArray
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from rasterio.windows import Window

from support.node import Selection, ZarritaError, export_array, read_many
from support.oracle import agreement, bands_first, by_tifffile, gdal
from virtual_tiff import VirtualTIFF, publish
from virtual_tiff.codec_table.readers import codec_names
from virtual_tiff.tiff import Compression, MemorySource, code_name, read_tiff

type Pixels = NDArray[Any]
type Grade = Literal["right", "wrong", "refused"]
type Reading = Callable[[Path, Mapping[str, Selection]], list[Pixels | Exception]]

SMALL = 4_000_000
"""Pixels up to which an image is read as a whole; of others two blocks each way."""
MOST_VALUES = 32_000_000
"""Of a part; images of larger blocks are left out."""

_LOSSY = {
    code_name(Compression, code)
    for code in (
        Compression.OJPEG,
        Compression.JPEG,
        Compression.LossyJPEG,
        Compression.JPEG2000,
        Compression.WebP,
        Compression.JPEGXL,
        Compression.JPEGXR,
    )
}

_SCRIPT = Path(__file__).with_name("_zarr_readers.py")
_REGISTRY: ObjectStoreRegistry[Any] = ObjectStoreRegistry({"file://": LocalStore()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A file that we read right."""

    path: Path
    corner: tuple[int, int] | None
    """Rows and columns that are read; None for all."""
    expected: Sequence[Pixels]
    """What GDAL and tifffile read, (band, y, x)."""
    compression: str

    def grade(self, found: Pixels) -> Grade:
        """Compare with the oracles; a lossy decoder may round otherwise."""
        lossy = self.compression in _LOSSY
        grades = {agreement(found, pixels, lossy=lossy) for pixels in self.expected}
        return "wrong" if grades == {"wrong"} else "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A plain Zarr store of the cases' arrays."""

    store: Path
    arrays: Mapping[int, str]
    """By number of the case, the array's path."""
    refused: Mapping[int, str] = field(default_factory=dict)
    """By number of the case, why it could not be published or exported."""

    def metadata(self, number: int) -> dict[str, Any]:
        """Return the metadata of a case's array."""
        text = (self.store / self.arrays[number] / "zarr.json").read_text(encoding="utf-8")
        metadata: dict[str, Any] = json.loads(text)
        return metadata

    def codecs(self, number: int) -> list[str]:
        """Return the names of a case's codecs, those within others too."""
        return list(codec_names(self.metadata(number)["codecs"]))


def find_cases(files: Iterable[Path]) -> list[Case]:
    """Return a case for each file whose first directory we read as an oracle does."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files:
            case = _case(path)
            if case is not None:
                found.append(case)
    return found


def _case(path: Path) -> Case | None:
    try:
        store = VirtualTIFF(ifd=0)(f"file://{path.resolve()}", _REGISTRY)
        array = zarr.open_array(store, path="0", mode="r", zarr_format=3)
        corner = _corner(array)
        part = _selection(array.metadata.to_dict(), corner)
        if math.prod(_lengths(array.shape, part)) > MOST_VALUES:
            return None
        dimensions = getattr(array.metadata, "dimension_names", None)
        ours = bands_first(np.asarray(array[part]), dimensions)
        tiff = asyncio.run(read_tiff(MemorySource(path.read_bytes())))
    except (OSError, ValueError, RuntimeError, NotImplementedError):
        return None
    compression = code_name(Compression, tiff.ifds[0].Compression)
    expected = _expected(path, corner)
    case = Case(path=path, corner=corner, expected=expected, compression=compression)
    return case if case.grade(ours) == "right" else None


def _corner(array: zarr.Array[Any]) -> tuple[int, int] | None:
    (rows, columns), (length, width) = array.chunks[-2:], array.shape[-2:]
    whole = math.prod(array.shape) <= SMALL
    return None if whole else (min(2 * rows, length), min(2 * columns, width))


def _lengths(shape: Sequence[int], part: Selection) -> list[int]:
    return [n if one is None else len(range(n)[one]) for n, one in zip(shape, part, strict=True)]


def _selection(metadata: Mapping[str, Any], corner: tuple[int, int] | None) -> tuple[slice, ...]:
    """Return the part of an array that holds a corner of the image, or all of it."""
    rows, columns = corner or metadata["shape"][:2]
    if corner is None:
        return tuple(slice(0, length) for length in metadata["shape"])
    ends = {"y": rows, "x": columns}
    names = metadata.get("dimension_names") or [None] * len(metadata["shape"])
    return tuple(
        slice(0, ends.get(name, length))
        for name, length in zip(names, metadata["shape"], strict=True)
    )


def _expected(path: Path, corner: tuple[int, int] | None) -> list[Pixels]:
    if corner is None:
        return [
            pixels for pixels in (gdal(path, None), by_tifffile(path, "0")) if pixels is not None
        ]
    with rasterio.open(path, driver="GTiff") as dataset:
        return [dataset.read(window=Window(0, 0, corner[1], corner[0]))]


def export(cases: Sequence[Case], folder: Path, **options: Any) -> Exported:  # noqa: ANN401
    """Publish the cases into one repository, and export it; `options` are those of `publish`."""
    flat = folder / "files"
    flat.mkdir(parents=True)
    names = [f"{number:04}" for number in range(len(cases))]
    for name, case in zip(names, cases, strict=True):
        shutil.copyfile(case.path, flat / f"{name}.tif")
    published = publish(
        str(flat / "*.tif"),
        str(folder / "repository"),
        ifd=0,
        coordinates=False,
        on_error="skip",
        **options,
    )
    refused = {int(Path(name).stem): why for name, why in published.failures.items()}
    session = published.repository.readonly_session("main")
    arrays: dict[int, str] = {}
    for path in (array.path for array in published.arrays):
        number = int(path.split("/")[0])
        array = zarr.open_array(session.store, path=path, mode="r", zarr_format=3)
        part = _selection(array.metadata.to_dict(), cases[number].corner)
        try:
            export_array(array, folder / "store" / path, part)
        except IcechunkError as error:
            refused[number] = str(error)
        else:
            arrays[number] = path
    return Exported(store=folder / "store", arrays=arrays, refused=refused)


def measure(cases: Sequence[Case], exported: Exported, reading: Reading) -> list[Grade]:
    """Let a reader read the arrays, and grade each case."""
    wanted = {
        path: _selection(exported.metadata(number), cases[number].corner)
        for number, path in exported.arrays.items()
    }
    grades: list[Grade] = ["refused"] * len(cases)
    found = reading(exported.store, wanted)
    for number, pixels in zip(exported.arrays, found, strict=True):
        if not isinstance(pixels, Exception):
            dimensions = exported.metadata(number).get("dimension_names")
            grades[number] = cases[number].grade(bands_first(pixels, dimensions))
    return grades


def zarrita(*, codecs: bool = False, canvas: bool = False) -> Reading:
    """Return zarrita's reading, with our module, and with the images of a browser."""

    def read(store: Path, wanted: Mapping[str, Selection]) -> list[Pixels | Exception]:
        found = read_many(store, list(wanted.items()), codecs=codecs, canvas=canvas)
        return [f if isinstance(f, ZarritaError) else np.asarray(f) for f in found]

    return read


def in_python(reader: str) -> Reading:
    """Return the reading of a reader that Python can import, in a process of its own."""

    def read(store: Path, wanted: Mapping[str, Selection]) -> list[Pixels | Exception]:
        reads = [
            {"array": path, "selection": [None if s is None else [s.start, s.stop] for s in part]}
            for path, part in wanted.items()
        ]
        with tempfile.TemporaryDirectory() as into:
            request = {"store": str(store), "into": into, "reads": reads}
            ran = subprocess.run(
                [sys.executable, str(_SCRIPT), reader],
                input=json.dumps(request),
                capture_output=True,
                text=True,
                check=True,
            )
            return [
                np.load(Path(into, f"{number}.npy")) if error is None else RuntimeError(error)
                for number, error in enumerate(json.loads(ran.stdout))
            ]

    return read
