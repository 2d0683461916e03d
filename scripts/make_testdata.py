"""Make the small TIFFs of ``testdata/``: a covering matrix, special cases, a series.

``python scripts/make_testdata.py`` writes them, ``--check`` compares them with what
it would write. Nothing here depends on the date, the machine or a random number, so
two runs give the same bytes. What may change the bytes is another version of the
writers (a compressor that packs better, a CRS that GDAL names differently): the
versions used are in ``testdata/versions.json``, and where they differ from those
installed, ``--check`` says so and its answer is advice, not a verdict.

`rows` tells what each file holds and `pixels` which values are in it, so a test needs
no other reader to know the truth.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any, Literal

import imagecodecs
import numpy as np
import numpy.typing as npt
import rasterio  # type: ignore[import-untyped, unused-ignore]
import rasterio.shutil  # type: ignore[import-untyped, unused-ignore]
import tifffile

TESTDATA = Path(__file__).resolve().parent.parent / "testdata"

README = """\
# Test data

All of it is made by `scripts/make_testdata.py`, byte for byte; nothing is taken from
elsewhere. Licence: MIT, like the project.

| folder | holds |
|---|---|
| `matrix/` | byte order, variant, strips or tiles, planar configuration, compression, \
predictor, data type, samples, writer: every legal pair of values in at least one file |
| `special/` | unusual strips and tiles, several pages, SubIFDs, sparse files, COGs, \
masks, georeferencing, band metadata |
| `series/` | three scenes of one place, the README's quick start |
| `external/` | not committed: `scripts/sync_*.py` fill it with other projects' files |

The names say what a file holds; `rows()` in the script says all of it and `pixels()`
gives the values. `versions.json` has the versions of the writers. Do not edit a file
by hand: change the script, run it, and commit both.
"""

# ---------------------------------------------------------------------------- rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one file holds.

    The first nine fields are the factors of the matrix; the others are for special
    cases, and the defaults mean "nothing special".
    """

    byteorder: str = "II"
    variant: str = "classic"
    layout: str = "strips"
    planar: str = "chunky"
    compression: str = "none"
    predictor: int = 1
    dtype: str = "uint8"
    samples: int = 1
    writer: str = "tifffile"

    kind: str = "plain"
    """The key of `MAKERS`: plain, pages, subifds, sparse, geo or cog."""
    shape: tuple[int, int] = (21, 29)
    """ImageLength and ImageWidth: not divided by any block below."""
    block: tuple[int, int] | None = None
    """(RowsPerStrip, not used) or (TileLength, TileWidth); None: see `block_shape`."""
    more: tuple[tuple[int, int], ...] = ()
    """Shapes of the further images, as pages or as SubIFDs."""
    seed: int = 0
    """Added to the values, so that files of one form differ."""
    masked: bool = False
    """Whether a per-dataset mask is written inside the file."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Handed to the writer as they are: GDAL's creation options, crs, nodata."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Set on rasterio's dataset: descriptions, scales, offsets, units."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """GDAL's dataset metadata: TIFFTAG_DATETIME, AREA_OR_POINT."""


def rows() -> dict[str, Row]:
    """Return what each file holds.

    Returns
    -------
    dict
        From the path of a file below ``testdata`` to its `Row`.
    """
    matrix = {f"matrix/{matrix_name(row)}.tif": row for row in covering_rows()}
    special = {f"special/{name}.tif": row for name, row in SPECIAL.items()}
    return {**matrix, **special, **SERIES}


# -------------------------------------------------------------------------- matrix

FACTORS: dict[str, tuple[Any, ...]] = {
    "byteorder": ("II", "MM"),
    "variant": ("classic", "bigtiff"),
    "layout": ("strips", "tiles"),
    "planar": ("chunky", "planar"),
    "samples": (1, 3, 4),
    "compression": ("none", "lzw", "deflate", "olddeflate", "zstd", "lzma", "packbits"),
    "predictor": (1, 2, 3),
    "writer": ("tifffile", "rasterio"),
    "dtype": (
        *("uint8", "uint16", "uint32", "uint64"),
        *("int8", "int16", "int32", "int64"),
        *("float16", "float32", "float64"),
        *("complex64", "complex128"),
    ),
}

PREDICTOR_COMPRESSIONS = {"lzw", "deflate", "olddeflate", "zstd", "lzma"}


def legal(row: Row) -> bool:
    """Tell whether TIFF, and the writer, can hold this combination."""
    kind = np.dtype(row.dtype).kind
    by_tifffile = row.writer == "tifffile"
    return all(
        (
            row.planar == "chunky" or row.samples > 1,
            row.predictor == 1 or row.compression in PREDICTOR_COMPRESSIONS,
            row.predictor == 1 or kind != "c",
            # tifffile differences integers only; libtiff the bits of floats too.
            row.predictor != 2 or kind != "f" or not by_tifffile,
            row.predictor != 3 or kind == "f",
            # GDAL has the floating point predictor for Float32 and Float64 only.
            row.predictor != 3 or row.dtype != "float16" or by_tifffile,
            # GDAL writes no predictor under LZMA, whatever PREDICTOR says.
            row.predictor == 1 or row.compression != "lzma" or by_tifffile,
            # GDAL writes Adobe's deflate (8), never the older code (32946).
            row.compression != "olddeflate" or by_tifffile,
        )
    )


def pairs(row: Row) -> list[tuple[Any, ...]]:
    """Return the pairs of factor values that a row covers."""
    values = [(name, getattr(row, name)) for name in FACTORS]
    return list(combinations(values, 2))


@cache
def covering_rows() -> tuple[Row, ...]:
    """Return rows in which every legal pair of factor values appears.

    The greedy choice, always the first row that covers most of the pairs still
    missing: some 100 rows of the 8,000 legal ones, and the same ones every time.
    """
    candidates = [
        row
        for values in product(*FACTORS.values())
        if legal(row := Row(**dict(zip(FACTORS, values, strict=True))))
    ]
    number: dict[tuple[Any, ...], int] = {}
    numbers = np.array(
        [[number.setdefault(p, len(number)) for p in pairs(row)] for row in candidates]
    )
    missing = np.ones(len(number), dtype=bool)
    chosen = []
    while missing.any():
        best = int(missing[numbers].sum(axis=1).argmax())
        missing[numbers[best]] = False
        chosen.append(candidates[best])
    return tuple(chosen)


def matrix_name(row: Row) -> str:
    """Return the file name of a row of the matrix: its factors in a fixed order."""
    parts = (
        f"{row.dtype}x{row.samples}",
        row.planar,
        row.layout,
        row.compression,
        f"p{row.predictor}",
        row.byteorder.lower(),
        row.variant,
        row.writer,
    )
    return "_".join(parts)


# ------------------------------------------------------------------- special cases

UTM33: dict[str, Any] = {
    "crs": "EPSG:32633",
    "transform": rasterio.Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 4_650_000.0),
}
ROTATED = rasterio.Affine(8.0, 6.0, 500_000.0, 6.0, -8.0, 4_650_000.0)
DEGREES = {
    "crs": "EPSG:4326",
    "transform": rasterio.Affine(0.25, 0.0, -10.0, 0.0, -0.25, 50.0),
}

# What the special rows change.
STRIPS = Row()
TILES = Row(layout="tiles", compression="deflate")
PAGES = Row(kind="pages", more=((21, 29), (21, 29)))
SUBIFDS = replace(TILES, kind="subifds", shape=(40, 60), more=((20, 30), (10, 15)))
GEO = Row(writer="rasterio", kind="geo", shape=(40, 60), options=UTM33)
GEO_TILES = replace(GEO, layout="tiles", compression="deflate")
SPARSE = replace(GEO_TILES, kind="sparse")
COG = replace(GEO_TILES, kind="cog")

SPECIAL: dict[str, Row] = {
    # Strips and tiles.
    "strips_of_one_row": replace(STRIPS, dtype="uint16", block=(1, 0)),
    "strips_of_one_row_mm": replace(STRIPS, dtype="uint16", block=(1, 0), byteorder="MM"),
    "strips_of_one_row_lzw_planar": replace(
        STRIPS, samples=3, block=(1, 0), compression="lzw", planar="planar"
    ),
    "strips_many": replace(STRIPS, shape=(60, 40), block=(7, 0)),
    "strip_single": replace(STRIPS, dtype="int16", block=(21, 0)),
    "one_pixel": replace(STRIPS, dtype="uint16", shape=(1, 1)),
    "one_row": replace(STRIPS, shape=(1, 60), samples=3),
    "one_column": replace(STRIPS, dtype="float64", shape=(40, 1), block=(7, 0)),
    "tiles_wide": replace(TILES, dtype="int16", shape=(40, 60), block=(16, 48)),
    "tiles_tall": replace(TILES, samples=3, shape=(40, 60), block=(48, 16)),
    "tiles_uncompressed": replace(
        TILES, dtype="uint16", compression="none", byteorder="MM", shape=(40, 60)
    ),
    "tiles_exact": replace(TILES, dtype="uint16", shape=(32, 48)),
    "tile_larger_than_image": replace(TILES, dtype="float32", block=(64, 64)),
    # Several images in one file.
    "pages_equal": replace(PAGES, dtype="uint16"),
    "pages_of_sizes": replace(PAGES, shape=(40, 60), more=((20, 30), (21, 29))),
    "pages_mm_bigtiff": replace(PAGES, byteorder="MM", variant="bigtiff"),
    "pages_tiles_lzw": replace(PAGES, layout="tiles", compression="lzw"),
    "subifds": SUBIFDS,
    "subifds_mm_bigtiff": replace(SUBIFDS, dtype="uint16", byteorder="MM", variant="bigtiff"),
    "subifd_single": replace(SUBIFDS, layout="strips", more=((20, 30),)),
    # Sparse: only the first block is in the file.
    "sparse_tiles": SPARSE,
    "sparse_tiles_nodata": replace(SPARSE, dtype="float32", options=UTM33 | {"nodata": -9999.0}),
    "sparse_tiles_planar": replace(SPARSE, samples=3, planar="planar", dtype="uint16"),
    "sparse_tiles_mm_bigtiff": replace(SPARSE, byteorder="MM", variant="bigtiff", dtype="int16"),
    "sparse_strips": replace(SPARSE, layout="strips", compression="none"),
    # Cloud-optimised GeoTIFFs, with two overviews each, and masks.
    "cog": replace(COG, dtype="uint16"),
    "cog_rgb": replace(COG, samples=3),
    "cog_rgb_mask": replace(COG, samples=3, masked=True),
    "cog_float_nan_predictor": replace(
        COG, dtype="float32", predictor=3, options=UTM33 | {"nodata": float("nan")}
    ),
    "cog_bigtiff_zstd": replace(
        COG, compression="zstd", dtype="int16", variant="bigtiff", predictor=2
    ),
    "mask_tiles": replace(GEO_TILES, samples=3, masked=True),
    "mask_strips": replace(GEO, dtype="int16", masked=True),
    # Georeferencing and metadata.
    "geo_point": replace(GEO, dtype="int16", tags={"AREA_OR_POINT": "Point"}),
    "geo_rotated": replace(GEO, options=UTM33 | {"transform": ROTATED}),
    "geo_degrees": replace(GEO, options=DEGREES),
    "geo_nodata": replace(GEO, dtype="float32", options=UTM33 | {"nodata": -9999.0}),
    "geo_nodata_nan": replace(GEO_TILES, dtype="float64", options=UTM33 | {"nodata": float("nan")}),
    "geo_bands": replace(
        GEO_TILES,
        dtype="uint16",
        samples=3,
        attributes={
            "descriptions": ("red", "green", "blue"),
            "scales": (0.0001, 0.0001, 0.0002),
            "offsets": (0.0, -0.1, 5.0),
            "units": ("m", "m", "K"),
        },
    ),
    "geo_scale_offset": replace(
        GEO,
        dtype="int16",
        attributes={"scales": (0.01,), "offsets": (273.15,), "units": ("K",)},
        options=UTM33 | {"nodata": -32768},
    ),
}

SERIES: dict[str, Row] = {
    f"series/scene_2023-01-{day}.tif": replace(
        GEO_TILES,
        dtype="uint16",
        block=(32, 32),
        seed=seed,
        options=UTM33 | {"nodata": 0},
        tags={"TIFFTAG_DATETIME": f"2023:01:{day} 10:15:00"},
    )
    for seed, day in ((100, "01"), (150, "11"), (200, "21"))
}

# -------------------------------------------------------------------------- values


def pixels(row: Row, image: int = 0) -> npt.NDArray[Any]:
    """Return the values of one image of a file.

    Parameters
    ----------
    row : Row
        The file.
    image : int, default 0
        0 for the first image, then those of `Row.more` in order.

    Returns
    -------
    ndarray
        Of shape (samples, length, width), in native byte order.
    """
    shape = (row.shape, *row.more)[image]
    values = ramp((row.samples, *shape), np.dtype(row.dtype), row.seed + 17 * image)
    nodata = row.options.get("nodata")
    if row.kind == "sparse":
        length, width = block_shape(row)
        stored = np.zeros_like(values, dtype=bool)
        stored[:, :length, :width] = True
        return np.where(stored, values, np.array(nodata or 0, values.dtype))
    if nodata is not None:
        y, x = np.indices(shape)
        values[:, x + y < 9] = nodata
    return values


def ramp(shape: tuple[int, ...], dtype: np.dtype[Any], seed: int) -> npt.NDArray[Any]:
    """Return a bent ramp of values that uses all bytes of its type.

    Integers wrap around, as differences do; floats are multiples of an eighth and
    exact even in float16.
    """
    band, y, x = np.indices(shape)
    steps: npt.NDArray[Any] = 1 + seed + 31 * band + 7 * y + 3 * x + x * y // 5
    if dtype.kind in "ui":
        return (steps.astype("u8") * (np.iinfo(dtype).max // 200 | 1)).astype(dtype)
    values = steps / 8 - 20
    if dtype.kind == "c":
        values = values + 1j * values[..., ::-1]
    return values.astype(dtype)


def mask(row: Row) -> npt.NDArray[np.uint8]:
    """Return the per-dataset mask of a file: 0 in one corner, 255 elsewhere."""
    y, x = np.indices(row.shape)
    return np.where(x + 2 * y < 30, 0, 255).astype(np.uint8)


def block_shape(row: Row) -> tuple[int, int]:
    """Return (RowsPerStrip, ImageWidth) or (TileLength, TileWidth)."""
    if row.layout == "tiles":
        return row.block or (16, 16)
    return (row.block[0] if row.block else 8), row.shape[1]


# ------------------------------------------------------------------------- writers

TIFFFILE_BYTEORDER: dict[str, Literal["<", ">"]] = {"II": "<", "MM": ">"}
TIFFFILE_PLANARCONFIG = {"chunky": "contig", "planar": "separate"}
TIFFFILE_COMPRESSION = {
    "none": None,
    "lzw": tifffile.COMPRESSION.LZW,
    "deflate": tifffile.COMPRESSION.ADOBE_DEFLATE,
    "olddeflate": tifffile.COMPRESSION.DEFLATE,
    "zstd": tifffile.COMPRESSION.ZSTD,
    "lzma": tifffile.COMPRESSION.LZMA,
    "packbits": tifffile.COMPRESSION.PACKBITS,
}
GDAL_ENDIANNESS = {"II": "LITTLE", "MM": "BIG"}
GDAL_INTERLEAVE = {"chunky": "PIXEL", "planar": "BAND"}
GDAL_BIGTIFF = {"classic": "NO", "bigtiff": "YES"}
COG_PREDICTOR = {1: "NO", 2: "STANDARD", 3: "FLOATING_POINT"}


def tifffile_options(row: Row) -> dict[str, Any]:
    """Return the arguments of tifffile's ``TiffWriter.write``."""
    length, width = block_shape(row)
    tiles = row.layout == "tiles"
    color = row.samples > 1 and row.dtype in ("uint8", "uint16")
    planarconfig = TIFFFILE_PLANARCONFIG[row.planar] if row.samples > 1 else None
    return {
        "photometric": "rgb" if color else "minisblack",
        "extrasamples": ("unassalpha",) if color and row.samples == 4 else None,
        "planarconfig": planarconfig,
        "compression": TIFFFILE_COMPRESSION[row.compression],
        "predictor": row.predictor if row.predictor > 1 else None,
        **({"tile": (length, width)} if tiles else {"rowsperstrip": length}),
        "metadata": None,
        "software": False,
    }


def tifffile_image(row: Row, image: int) -> npt.NDArray[Any]:
    """Return an image with its axes and bytes ordered as they are to be stored."""
    dtype = np.dtype(row.dtype).newbyteorder(TIFFFILE_BYTEORDER[row.byteorder])
    values: npt.NDArray[Any] = pixels(row, image).astype(dtype)
    if row.samples == 1:
        return np.squeeze(values, axis=0)
    return values if row.planar == "planar" else np.moveaxis(values, 0, -1)


def write_tifffile(path: Path, row: Row) -> None:
    """Write a file with tifffile: the first image, then pages or SubIFDs."""
    with tifffile.TiffWriter(
        path,
        bigtiff=row.variant == "bigtiff",
        byteorder=TIFFFILE_BYTEORDER[row.byteorder],
    ) as tiff:
        options = tifffile_options(row)
        nested = row.kind == "subifds"
        subifds = len(row.more) if nested else None
        tiff.write(tifffile_image(row, 0), subifds=subifds, **options)
        subfiletype = tifffile.FILETYPE.REDUCEDIMAGE if nested else 0
        for image in range(1, 1 + len(row.more)):
            values = tifffile_image(row, image)
            tiff.write(values, subfiletype=subfiletype, **options)


def gdal_options(row: Row) -> dict[str, Any]:
    """Return the arguments of ``rasterio.open``, GDAL's creation options among them."""
    length, width = block_shape(row)
    tiles = row.layout == "tiles"
    return {
        "driver": "GTiff",
        "dtype": row.dtype,
        "count": row.samples,
        "height": row.shape[0],
        "width": row.shape[1],
        "ENDIANNESS": GDAL_ENDIANNESS[row.byteorder],
        "BIGTIFF": GDAL_BIGTIFF[row.variant],
        "INTERLEAVE": GDAL_INTERLEAVE[row.planar],
        "COMPRESS": row.compression.upper(),
        "PREDICTOR": row.predictor,
        "BLOCKYSIZE": length,
        **({"TILED": "YES", "BLOCKXSIZE": width} if tiles else {}),
        "SPARSE_OK": "YES" if row.kind == "sparse" else "NO",
        **row.options,
    }


def write_rasterio(path: Path | str, row: Row) -> None:
    """Write a GeoTIFF with rasterio; of a sparse one, the first block alone."""
    with rasterio.open(path, "w", **gdal_options(row)) as dataset:
        dataset.update_tags(**row.tags)
        for name, value in row.attributes.items():
            setattr(dataset, name, value)
        length, width = block_shape(row) if row.kind == "sparse" else row.shape
        values = pixels(row)[:, :length, :width]
        dataset.write(values, window=rasterio.windows.Window(0, 0, width, length))
        if row.masked:
            dataset.write_mask(mask(row))


def write_cog(path: Path, row: Row) -> None:
    """Write a GeoTIFF to memory and copy it with GDAL's COG driver."""
    with rasterio.MemoryFile(ext=".tif") as memory:
        write_rasterio(memory.name, row)
        rasterio.shutil.copy(
            memory.name,
            path,
            driver="COG",
            COMPRESS=row.compression.upper(),
            PREDICTOR=COG_PREDICTOR[row.predictor],
            BIGTIFF=GDAL_BIGTIFF[row.variant],
            BLOCKSIZE=block_shape(row)[0],
            OVERVIEW_COUNT=2,
            OVERVIEW_RESAMPLING="NEAREST",
        )


MAKERS: dict[tuple[str, str], Callable[[Path, Row], None]] = {
    ("tifffile", "plain"): write_tifffile,
    ("tifffile", "pages"): write_tifffile,
    ("tifffile", "subifds"): write_tifffile,
    ("rasterio", "plain"): write_rasterio,
    ("rasterio", "geo"): write_rasterio,
    ("rasterio", "sparse"): write_rasterio,
    ("rasterio", "cog"): write_cog,
}


@contextmanager
def quiet_gdal() -> Iterator[None]:
    """Keep masks inside the files, .aux.xml files away, and a known warning quiet."""
    with (
        rasterio.Env(GDAL_PAM_ENABLED="NO", GDAL_TIFF_INTERNAL_MASK="YES"),
        warnings.catch_warnings(),
    ):
        # The matrix is about bytes: most of it has no place on Earth.
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield


def versions() -> dict[str, str]:
    """Return the versions of what shapes the bytes."""
    return {
        "gdal": rasterio.__gdal_version__,
        "imagecodecs": imagecodecs.__version__,
        "rasterio": rasterio.__version__,
        "tifffile": tifffile.__version__,
    }


def make(to: Path) -> list[str]:
    """Write all files below a folder.

    Parameters
    ----------
    to : Path
        The folder; made where it is missing.

    Returns
    -------
    list of str
        The paths of the files, relative to the folder.
    """
    table = rows()
    for folder in {str(Path(name).parent) for name in table}:
        (to / folder).mkdir(parents=True, exist_ok=True)
    with quiet_gdal():
        for name, row in table.items():
            MAKERS[row.writer, row.kind](to / name, row)
    (to / "README.md").write_text(README, encoding="utf-8", newline="\n")
    text = json.dumps(versions(), indent=2) + "\n"
    (to / "versions.json").write_text(text, encoding="utf-8", newline="\n")
    return [*table, "README.md", "versions.json"]


# --------------------------------------------------------------------- command line


def differences(folder: Path) -> list[str]:
    """Return a line for each file that is not as `make` would write it."""
    lines = []
    with tempfile.TemporaryDirectory() as temporary:
        made = make(Path(temporary))
        for name in made:
            if not (folder / name).is_file():
                lines.append(f"missing: {name}")
            elif (folder / name).read_bytes() != Path(temporary, name).read_bytes():
                lines.append(f"differs: {name}")
    for own in sorted({Path(name).parent for name in rows()}):
        there = {p.relative_to(folder).as_posix() for p in (folder / own).glob("*")}
        lines += [f"not made by this script: {n}" for n in sorted(there - set(made))]
    return lines


def check(folder: Path) -> int:
    """Print how a folder differs from what would be made; return the exit status."""
    lines = differences(folder)
    for line in lines:
        print(line)
    if any(line.endswith(" versions.json") for line in lines):
        print(f"advice only: the writers installed are others: {versions()}")
    if not lines:
        print(f"{folder}: all {len(rows())} TIFFs are as this script makes them")
    return 1 if lines else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--to", type=Path, default=TESTDATA, metavar="DIR", help="default: testdata"
    )
    parser.add_argument(
        "--check", action="store_true", help="compare, write nothing; exit 1 if unlike"
    )
    options = parser.parse_args(arguments)
    if options.check:
        return check(options.to)
    made = make(options.to)
    size = sum((options.to / name).stat().st_size for name in made)
    print(f"{options.to}: {len(made)} files, {size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
