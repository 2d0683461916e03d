"""Compare the CRS of GeoTIFF files with deprecated EPSG codes: GDAL's and this package's.

Every deprecated code of pyproj's database is written into the GeoKeys of a small file, which
GDAL (rasterio) and this package read. It prints how many agree, and the codes that do not.

    python scripts/sweep_deprecated_crs.py [--without-pyproj]
"""

from __future__ import annotations

import argparse
import io
import logging
import warnings
from collections import Counter
from collections.abc import Mapping

import numpy as np
import tifffile
from pyproj.database import get_codes
from pyproj.enums import PJType
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from virtual_tiff.metadata.crs.build import build
from virtual_tiff.metadata.crs.registry import BuiltIn, registry

KINDS: Mapping[PJType, tuple[int, int, int]] = {
    PJType.PROJECTED_CRS: (1, 3072, 0),
    PJType.GEOGRAPHIC_2D_CRS: (2, 2048, 0),
    PJType.GEOGRAPHIC_3D_CRS: (2, 2048, 0),
    PJType.GEOCENTRIC_CRS: (3, 2048, 0),
    PJType.COMPOUND_CRS: (1, 3072, 1),
}
"""GTModelTypeGeoKey, the key of the code, and the minor revision of the directory."""


def by_gdal(keys: Mapping[int, int], minor: int) -> CRS | None:
    """Return the CRS that GDAL reads from a file with these keys."""
    shorts = [1, 1, minor, len(keys)]
    for key, value in sorted(keys.items()):
        shorts += [key, 0, 1, value]
    tags = [
        (34735, "H", len(shorts), tuple(shorts), True),
        (33550, "d", 3, (1.0, 1.0, 0.0), True),
        (33922, "d", 6, (0.0,) * 6, True),
    ]
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((2, 2), "u1"), metadata=None, extratags=tags)
    with MemoryFile(file.getvalue()) as memory, memory.open(driver="GTiff") as dataset:
        return dataset.crs or None


def verdict(keys: Mapping[int, int], minor: int, *, without_pyproj: bool) -> str:
    """Say how the two agree on a code."""
    ours, _ = build(keys, (1, 1, minor), BuiltIn() if without_pyproj else registry())
    theirs = by_gdal(keys, minor)
    if ours is None or theirs is None:
        return "equal" if ours is theirs else "one has no CRS"
    found = CRS.from_user_input(ours.text)
    if found == theirs and found.to_epsg() == theirs.to_epsg():
        return "equal"
    if found == theirs:
        return "equal, but GDAL's has no code or another one"
    return "different"


def main() -> None:
    """Print a table, and the codes that are not equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--without-pyproj", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    for kind, (model, key, minor) in KINDS.items():
        every = get_codes("EPSG", kind, allow_deprecated=True)
        # a GeoKey is a SHORT, and 32768 and more are for private use
        codes = sorted({int(code) for code in every} - {int(c) for c in get_codes("EPSG", kind)})
        codes = [code for code in codes if code < 32767]
        said = {
            code: verdict(
                {1024: model, 1025: 1, key: code}, minor, without_pyproj=arguments.without_pyproj
            )
            for code in codes
        }
        print(f"{kind.name}: {len(codes)} codes, {dict(Counter(said.values()))}")
        for name in sorted(set(said.values()) - {"equal"}):
            print(f"  {name}: {', '.join(str(code) for code, one in said.items() if one == name)}")


if __name__ == "__main__":
    main()
