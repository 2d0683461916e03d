"""Export files to kerchunk references, read them back by others, and count by codec.

usage: python scripts/check_kerchunk.py [FOLDER …]

The folders are GDAL's test files by default, which `scripts/sync_gdal_tiffs.py` fetches. Each file
that parses is exported with Zarr v2 and v3 and read by fsspec with zarr-python, and by GDAL. The
pixels of its first directory are compared with those that GDAL or tifffile read of the file. It
ends with 1 if a reader gives other pixels, or cannot read what was exported as Zarr v2 or v3.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts")]

import fsspec  # noqa: E402
import imagecodecs.numcodecs  # noqa: E402
import numpy as np  # noqa: E402
import rasterio  # noqa: E402
import zarr  # noqa: E402
from _interoperability import Case, Pixels, find_cases  # noqa: E402
from obspec_utils.registry import ObjectStoreRegistry  # noqa: E402
from obstore.store import LocalStore  # noqa: E402

from support.oracle import bands_first  # noqa: E402
from virtual_tiff import VirtualTIFF, to_kerchunk  # noqa: E402

_NUMBERS = count()
READERS = ("Zarr v2, zarr-python", "Zarr v2, GDAL", "Zarr v3, zarr-python")
GRADES = ("right", "wrong", "error at read", "refused by the exporter")
_SUFFIXES = {".tif", ".tiff", ".btf"}
_REGISTRY: ObjectStoreRegistry[Any] = ObjectStoreRegistry({"file://": LocalStore()})


def by_zarr(path: Path, zarr_format: Literal[2, 3], corner: tuple[int, int] | None) -> Pixels:
    """Read the array `0` of references by fsspec and zarr-python, as (band, y, x)."""
    mapper = fsspec.get_mapper("reference://", fo=str(path))
    array: Any = zarr.open_group(mapper, mode="r", zarr_format=zarr_format)["0"]
    names = array.metadata.dimension_names if zarr_format == 3 else array.attrs["_ARRAY_DIMENSIONS"]
    rows, columns = corner or (None, None)
    ends = {"y": rows, "x": columns}
    part = tuple(slice(0, ends.get(name)) for name in names)
    return bands_first(np.asarray(array[part]), tuple(names))


def by_gdal(path: Path, case: Case) -> Pixels:
    """Read the array `0` of references by GDAL, as (band, y, x)."""
    corner = case.corner
    with rasterio.open(f'ZARR:"{path}":/0') as dataset:
        if dataset.crs is None and dataset.count != min(len(e) for e in case.expected):
            # its raster of (y, x, band) without a CRS is one of x and band, with a band for each y
            rows = corner and list(range(1, corner[0] + 1))
            pixels: Pixels = np.moveaxis(dataset.read(rows), 2, 0)
            return pixels if corner is None else pixels[:, :, : corner[1]]
        window = None if corner is None else ((0, corner[0]), (0, corner[1]))
        found: Pixels = dataset.read(window=window)
        return found


def grades(case: Case, folder: Path) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Yield for each reader its grade of a file, the codecs, and the reason of what failed."""
    store = VirtualTIFF(ifd=0)(case.path.resolve().as_uri(), _REGISTRY)
    formats: tuple[Literal[2, 3], ...] = (2, 3)
    for zarr_format in formats:
        path = folder / f"{next(_NUMBERS)}.json"  # GDAL keeps references by name
        readers = READERS[:2] if zarr_format == 2 else READERS[2:]
        try:
            exported = to_kerchunk(store, path, zarr_format=zarr_format, overwrite=True)
        except ValueError as error:
            for reader in readers:
                yield reader, GRADES[3], (str(error).rpartition(" codec ")[2].split(";")[0],), ""
            continue
        for reader in readers:
            try:
                found = (
                    by_gdal(path, case)
                    if reader.endswith("GDAL")
                    else by_zarr(path, zarr_format, case.corner)
                )
            except Exception as error:  # noqa: BLE001 (of whatever class)
                yield reader, GRADES[2], exported.codecs, f"{type(error).__name__}: {error}"
            else:
                right = case.grade(found) == "right"
                yield reader, GRADES[0] if right else GRADES[1], exported.codecs, ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the files, print tables, and say whether all is right."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path)
    folders = parser.parse_args(arguments).folders or [ROOT / "testdata" / "external" / "gdal"]
    files = [p for f in folders for p in sorted(f.rglob("*")) if p.suffix.lower() in _SUFFIXES]
    warnings.simplefilter("ignore")
    imagecodecs.numcodecs.register_codecs(verbose=False)
    cases = find_cases(files)
    totals: dict[str, Counter[str]] = {reader: Counter() for reader in READERS}
    codecs: Counter[tuple[str, str]] = Counter()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            for reader, grade, names, why in grades(case, Path(folder)):
                totals[reader][grade] += 1
                if reader == READERS[0]:
                    codecs.update((name, grade) for name in names or ("none",))
                if grade == GRADES[1] or (why and not reader.endswith("GDAL")):
                    failed = True
                    print(f"{case.path}: {reader}: {grade} {why}", file=sys.stderr)
    print(f"{len(files)} files, {len(cases)} of which are read right.\n")
    print(_table(["reader", *GRADES], [[r, *(totals[r][g] for g in GRADES)] for r in READERS]))
    print()
    kinds = sorted({name for name, _ in codecs}, key=lambda n: -sum(codecs[n, g] for g in GRADES))
    print(
        _table(
            ["codec, in Zarr v2", *GRADES],
            [[f"`{n}`", *(codecs[n, g] for g in GRADES)] for n in kinds],
        )
    )
    return int(failed)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
