"""Read arrays of a plain Zarr store by one implementation, in a process of its own.

usage: python scripts/_zarr_readers.py READER < REQUEST > ANSWER

A process of its own, because what zarr-python knows is decided when it is imported. The
request is JSON: `store`, a folder; `into`, a folder; `reads`, of `array` and `selection` (null,
or for each dimension null or [start, stop]). Array number n becomes `n.npy`; the answer is a
list with null, or the error, for each.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

type Selection = tuple[slice, ...]
type Read = Callable[[Path, Selection], NDArray[Any]]

OTHERS = {
    "zarr-python": ("imagecodecs-zarr", "virtual-tiff"),
    "+ imagecodecs-zarr": ("virtual-tiff",),
    "+ virtual-tiff": (),
    "zarrs": ("imagecodecs-zarr", "virtual-tiff"),
}
"""Readers that use zarr-python, to the packages that they are to do without."""

READERS = (*OTHERS, "tensorstore", "GDAL")


def hide(packages: Sequence[str]) -> None:
    """Let zarr-python find no codecs of some packages; before it is imported."""
    found = importlib.metadata.entry_points()
    kept = [p for p in found if p.dist is None or p.dist.name.replace("_", "-") not in packages]
    importlib.metadata.entry_points = importlib.metadata.EntryPoints(kept).select


def zarr_python(reader: str) -> Read:
    """Return zarr-python's reading, with what `OTHERS` leaves of codecs."""
    hide(OTHERS[reader])
    import zarr  # noqa: PLC0415 (what it finds is decided on import)

    if reader == "zarrs":
        import zarrs  # noqa: F401, PLC0415

        # strict: without falling back on zarr-python's codecs
        zarr.config.set(
            {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}
        )

    def read(folder: Path, selection: Selection) -> NDArray[Any]:
        array = zarr.open_array(str(folder), mode="r", zarr_format=3)
        return np.asarray(array[selection])

    return read


def tensorstore(_: str) -> Read:
    """Return the reading of Google's C++ implementation."""
    import tensorstore as ts  # noqa: PLC0415 (a package that may be absent)

    def read(folder: Path, selection: Selection) -> NDArray[Any]:
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{folder}/"}}
        found: NDArray[Any] = (
            ts.open(spec, read=True, open=True).result()[selection].read().result()
        )
        return found

    return read


def gdal(_: str) -> Read:
    """Return the reading of GDAL's Zarr driver, as rasterio brings it."""
    import rasterio  # noqa: PLC0415
    from rasterio.windows import Window  # noqa: PLC0415

    def read(folder: Path, selection: Selection) -> NDArray[Any]:
        *bands, rows, columns = selection
        with rasterio.open(f'ZARR:"{folder}"') as dataset:
            height, width = dataset.shape
            (top, bottom, _), (left, right, _) = rows.indices(height), columns.indices(width)
            window = Window(left, top, right - left, bottom - top)
            found: NDArray[Any] = dataset.read(window=window)
        return found[bands[0]] if bands else found[0]

    return read


_OPENERS: dict[str, Callable[[str], Read]] = {"tensorstore": tensorstore, "GDAL": gdal}


def main() -> None:
    """Answer the request."""
    warnings.simplefilter("ignore")
    request = json.load(sys.stdin)
    reader = sys.argv[1]
    read = _OPENERS.get(reader, zarr_python)(reader)
    answer: list[str | None] = []
    for number, wanted in enumerate(request["reads"]):
        parts = wanted["selection"]
        selection = tuple(slice(None) if part is None else slice(*part) for part in parts)
        try:
            found = read(Path(request["store"], wanted["array"]), selection)
            np.save(Path(request["into"], f"{number}.npy"), np.asarray(found))
        except Exception as error:  # noqa: BLE001 (a reader may refuse in any way)
            answer.append(f"{type(error).__name__}: {error}")
        else:
            answer.append(None)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
