"""Random archives of small TIFFs, and what each file of them means.

The truth never asks the package: pixels, place, nodata, scale, control points, colour map and
masks are what GDAL (rasterio) reads from the file that it wrote; which files are whole, missing
or dated how is what the generator decided.
"""

from __future__ import annotations

import datetime as dt
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from rasterio.transform import Affine

__all__ = ["WAYS", "Archive", "Recipe", "Truth", "random_archive", "truth_of", "write"]

BASE = Affine(10, 0, 500_000, 0, -10, 4_650_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one file is written."""

    name: str
    day: dt.date
    row: int = 0
    column: int = 0
    """Position in a grid of tiles, in tiles."""
    seed: int = 0
    transform: Affine | None = BASE
    """Of the whole grid; None for an image without a place."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Columns and rows by which the tile is off the grid."""
    crs: str | None = "EPSG:32633"
    shape: tuple[int, int] = (32, 32)
    bands: int = 1
    dtype: str = "uint16"
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    unit: str | None = None
    gcps: float | None = None
    """Longitude of ground control points in place of a transform."""
    rpcs: float | None = None
    """Longitude of rational polynomial coefficients in place of a transform."""
    colours: int | None = None
    """Seed of a colour map (uint8)."""
    options: tuple[tuple[str, Any], ...] = (("tiled", True), ("blockxsize", 16), ("blockysize", 16))
    """Creation options of GDAL's GTiff driver."""
    overviews: tuple[int, ...] = ()
    mask: int | None = None
    """Seed of an internal mask."""
    tags: tuple[tuple[str, str], ...] = ()
    statistics: float | None = None
    cut: float | None = None
    """The share of the file that is left of it; None for a whole file."""
    missing: bool = False

    def with_options(self, **options: Any) -> Recipe:
        """Return the recipe with other creation options; None removes one."""
        merged = dict(self.options) | options
        return replace(self, options=tuple((k, v) for k, v in merged.items() if v is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What GDAL reads from a file."""

    pixels: NDArray[Any]
    """(band, y, x)."""
    transform: Affine | None
    crs: Any
    nodata: float | None
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    gcps: tuple[tuple[float, ...], ...]
    rpcs: float | None
    """Longitude offset."""
    colours: tuple[tuple[int, ...], ...] | None
    overviews: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Recipes of files, in the order in which they are named."""

    seed: int
    recipes: tuple[Recipe, ...]
    ways: tuple[str, ...] = field(default=())
    """In what the files differ, beside date and tile."""

    @property
    def even(self) -> bool:
        """Whether all files are alike but for date and tile, whole, and there."""
        return not self.ways


# --------------------------------------------------------------------------------- files


def write(recipe: Recipe, folder: Path) -> Path:
    """Write the file of a recipe; a missing one is not written."""
    path = folder / recipe.name
    if recipe.missing:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    length, width = recipe.shape
    data = np.random.default_rng(recipe.seed).integers(1, 120, (recipe.bands, length, width))
    profile = {
        "driver": "GTiff",
        "height": length,
        "width": width,
        "count": recipe.bands,
        "dtype": recipe.dtype,
        "nodata": recipe.nodata,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", **profile, **_place(recipe), **dict(recipe.options)) as file:
            file.write(data.astype(recipe.dtype))
            _describe(file, recipe)
    if recipe.cut is not None:
        whole = path.read_bytes()
        path.write_bytes(whole[: max(9, int(len(whole) * recipe.cut))])
    return path


def _place(recipe: Recipe) -> dict[str, Any]:
    if recipe.gcps is not None:
        return {"gcps": _gcps(recipe.gcps, recipe.shape), "crs": "EPSG:4326"}
    if recipe.rpcs is not None:
        return {"rpcs": _rpcs(recipe.rpcs)}
    if recipe.transform is None:
        return {}
    length, width = recipe.shape
    corner = (recipe.column * width + recipe.shift[0], recipe.row * length + recipe.shift[1])
    return {"transform": recipe.transform @ Affine.translation(*corner), "crs": recipe.crs}


def _describe(file: Any, recipe: Recipe) -> None:
    """Write what a file says beside its pixels."""
    if recipe.colours is not None:
        table = np.random.default_rng(recipe.colours).integers(0, 255, (256, 3)).tolist()
        file.write_colormap(1, {n: (*row, 255) for n, row in enumerate(table)})
    if (recipe.scale, recipe.offset) != (1.0, 0.0):
        file.scales = (recipe.scale,) * recipe.bands
        file.offsets = (recipe.offset,) * recipe.bands
    if recipe.unit is not None:
        file.units = (recipe.unit,) * recipe.bands
    if recipe.tags:
        file.update_tags(**dict(recipe.tags))
    if recipe.statistics is not None:
        file.update_tags(1, STATISTICS_MAXIMUM=recipe.statistics)
    if recipe.mask is not None:
        shown = np.random.default_rng(recipe.mask).integers(0, 2, recipe.shape).astype(bool)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            file.write_mask(shown)
    if recipe.overviews:
        file.build_overviews(list(recipe.overviews))


def _gcps(longitude: float, shape: tuple[int, int]) -> list[GroundControlPoint]:
    length, width = shape
    corners = [(0, 0), (0, width), (length, 0), (length, width), (length / 2, width / 3)]
    return [
        GroundControlPoint(row, column, longitude + column * 0.01, 50 - row * 0.01, 0.0)
        for row, column in corners
    ]


def _rpcs(longitude: float) -> RPC:
    ones = [1.0] + [0.0] * 19
    return RPC(0.0, 1.0, 50.0, 1.0, ones, ones, 50.0, 50.0, longitude, 1.0, ones, ones, 50.0, 50.0)


def truth_of(path: Path) -> Truth:
    """Read a whole file by GDAL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path) as file:
            points, _ = file.gcps
            identity = file.transform == Affine.identity()
            sizes = []
            for n in range(len(file.overviews(1))):
                with rasterio.open(path, overview_level=n) as level:
                    sizes.append(level.shape)
            try:
                colours = tuple(file.colormap(1).values())
            except ValueError:  # "NULL color table"
                colours = None
            return Truth(
                pixels=file.read(),
                transform=None if identity else file.transform,
                crs=file.crs,
                nodata=file.nodata,
                scales=file.scales,
                offsets=file.offsets,
                gcps=tuple((p.row, p.col, p.x, p.y, p.z or 0.0) for p in points),
                rpcs=None if file.rpcs is None else file.rpcs.long_off,
                colours=colours,
                overviews=tuple(sizes),
            )


# ------------------------------------------------------------------ how the files differ

type Way = Callable[[random.Random, Recipe], Recipe]


def _other_codec(rng: random.Random, recipe: Recipe) -> Recipe:
    choices = ["deflate", "lzw", "zstd", "packbits", "lzma", None]
    name = rng.choice([c for c in choices if c != dict(recipe.options).get("compress")])
    return recipe.with_options(compress=name, predictor=None)


def _other_predictor(_: random.Random, recipe: Recipe) -> Recipe:
    there = dict(recipe.options).get("predictor", 1)
    return recipe.with_options(compress="deflate", predictor=1 if there != 1 else 2)


def _other_blocks(rng: random.Random, recipe: Recipe) -> Recipe:
    if rng.random() < 0.5:
        return recipe.with_options(tiled=True, blockxsize=32, blockysize=16)
    rows = rng.choice([1, 5, 8, 32])
    return recipe.with_options(tiled=None, blockxsize=None, blockysize=rows)


def _other_order(rng: random.Random, recipe: Recipe) -> Recipe:
    if rng.random() < 0.5:
        return recipe.with_options(endianness="BIG")
    return recipe.with_options(bigtiff="YES")


def _other_size(rng: random.Random, recipe: Recipe) -> Recipe:
    length, width = recipe.shape
    return replace(recipe, shape=(length + rng.choice([0, 16, 1]), width + rng.choice([16, 3])))


def _other_crs(rng: random.Random, recipe: Recipe) -> Recipe:
    return replace(recipe, crs=rng.choice(["EPSG:32634", "EPSG:3857", None]))


def _other_resolution(rng: random.Random, recipe: Recipe) -> Recipe:
    if recipe.transform is None:
        return replace(recipe, transform=BASE)
    return replace(recipe, transform=recipe.transform @ Affine.scale(rng.choice([0.5, 2.0, 1.5])))


def _rotated(rng: random.Random, recipe: Recipe) -> Recipe:
    turn = Affine.rotation(rng.choice([30, 45, 90, 180, 12.5]))
    return replace(recipe, transform=(recipe.transform or BASE) @ turn)


def _shifted(rng: random.Random, recipe: Recipe) -> Recipe:
    return replace(recipe, shift=rng.choice([(0.5, 0.0), (0.0, 0.25), (1.0, 0.0), (0.0, -3.0)]))


def _no_place(_: random.Random, recipe: Recipe) -> Recipe:
    return replace(recipe, transform=None, crs=None)


def _tags(rng: random.Random, recipe: Recipe) -> Recipe:
    text = rng.choice(["one", "two", "α"])
    return replace(recipe, tags=(("TIFFTAG_SOFTWARE", text), ("cloud", str(rng.random()))))


WAYS: dict[str, Way] = {
    "codec": _other_codec,
    "predictor": _other_predictor,
    "blocks": _other_blocks,
    "byte order": _other_order,
    "size": _other_size,
    "crs": _other_crs,
    "resolution": _other_resolution,
    "rotation": _rotated,
    "shift": _shifted,
    "no place": _no_place,
    "type": lambda r, f: replace(f, dtype=r.choice(["int16", "uint8", "float32", "int32"])),
    "bands": lambda r, f: replace(f, bands=r.choice([2, 3])),
    "interleave": lambda r, f: replace(f, bands=3).with_options(
        interleave=r.choice(["pixel", "band"])
    ),
    "nodata": lambda r, f: replace(f, nodata=r.choice([0, 1, 255, 7])),
    "scale": lambda r, f: replace(f, scale=r.choice([0.1, 2.0]), offset=r.choice([0.0, -5.0])),
    "unit": lambda r, f: replace(f, unit=r.choice(["m", "K"])),
    "gcps": lambda r, f: replace(f, gcps=float(r.choice([10, 15, 20]))),
    "rpcs": lambda r, f: replace(f, rpcs=float(r.choice([10, 15, 20]))),
    "colours": lambda r, f: replace(
        f, colours=r.choice([1, 2]), dtype="uint8", bands=1
    ).with_options(photometric="palette"),
    "photometric": lambda _, f: f.with_options(photometric="MINISWHITE"),
    "overviews": lambda _, f: replace(f, overviews=(2,)),
    "sparse": lambda _, f: f.with_options(SPARSE_OK="TRUE"),
    "tags": _tags,
    "statistics": lambda r, f: replace(f, statistics=float(r.choice([100, 200]))),
    "same day": lambda _, f: replace(f, day=dt.date(2020, 1, 1)),
    "same tile": lambda _, f: replace(f, row=0, column=0),
    "cut": lambda r, f: replace(f, cut=r.choice([0.999, 0.9, 0.5, 0.1, 0.02])),
    "missing": lambda _, f: replace(f, missing=True),
}


def _base(rng: random.Random) -> Recipe:
    kind = rng.choice(["uint8", "uint16", "int16", "float32", "float64", "int32"])
    blocks = rng.choice([(16, 16), (32, 32), (16, 32), None])
    options: dict[str, Any] = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    if blocks is None:
        options = {"blockysize": rng.choice([1, 4, 8, 16, 5, 12, 32])}
    else:
        options |= {"blockysize": blocks[0], "blockxsize": blocks[1]}
    compress = rng.choice([None, "deflate", "lzw", "zstd", "packbits", "lzma"])
    if compress is not None:
        options["compress"] = compress
    if compress in ("deflate", "lzw", "zstd") and rng.random() < 0.5:
        options["predictor"] = 3 if kind.startswith("float") and rng.random() < 0.5 else 2
    bands = rng.choice([1, 1, 1, 3])
    if bands > 1:
        options["interleave"] = rng.choice(["pixel", "band"])
    transform = rng.choice(
        [
            BASE, BASE, BASE, BASE,
            Affine(10, 0, 500_000, 0, 10, 4_650_000),
            BASE @ Affine.rotation(30),
            BASE @ Affine.rotation(90),
            BASE @ Affine.shear(10, 0),
            None,
        ]
    )  # fmt: skip
    return Recipe(
        name="",
        day=dt.date(2020, 1, 1),
        shape=(rng.choice([16, 32, 48]), rng.choice([16, 32])),
        transform=transform,
        crs=None if transform is None else "EPSG:32633",
        bands=bands,
        dtype=kind,
        nodata=rng.choice([None, None, 0, 5]),
        options=tuple(options.items()),
        overviews=(2,) if rng.random() < 0.15 else (),
    )


def random_archive(seed: int) -> Archive:
    """Return the recipes of an archive of 2 to 12 files; the same for the same seed."""
    rng = random.Random(seed)
    base = _base(rng)
    count = rng.choice([2, 2, 3, 3, 4, 5, 6, 8, 12])
    shape = rng.choice(["dates", "tiles", "dates and tiles"])
    across = rng.choice([1, 2, 3])
    recipes = []
    for n in range(count):
        tile = n if shape == "tiles" else n % 2 if shape == "dates and tiles" else 0
        day = n if shape == "dates" else n // 2 if shape == "dates and tiles" else 0
        row, column = divmod(tile, across)
        recipes.append(
            replace(
                base,
                day=dt.date(2020, 1, 1) + dt.timedelta(days=day),
                row=row,
                column=column,
                seed=seed * 100 + n,
            )
        )
    ways: list[str] = []
    for _ in range(rng.choice([0, 1, 1, 1, 2, 2])):
        way = rng.choice(list(WAYS))
        ways.append(way)
        share = rng.choice([0.2, 0.5, 1.0])
        changed = {n for n in range(count) if rng.random() < share} or {rng.randrange(count)}
        recipes = [WAYS[way](rng, r) if n in changed else r for n, r in enumerate(recipes)]
    recipes = [_possible(r) for r in recipes]
    named = [
        replace(r, name=f"s{n:02}_T{r.row}{r.column}_{r.day:%Y%m%d}.tif")
        for n, r in enumerate(recipes)
    ]
    rng.shuffle(named)
    return Archive(seed=seed, recipes=tuple(named), ways=tuple(dict.fromkeys(ways)))


def _possible(recipe: Recipe) -> Recipe:
    """Return the recipe without what GDAL cannot write together."""
    options = dict(recipe.options)
    kind = np.dtype(recipe.dtype)
    if options.get("predictor") == 3 and kind.kind != "f":
        recipe = recipe.with_options(predictor=2)
    if options.get("predictor") and options.get("compress") not in ("deflate", "lzw", "zstd"):
        recipe = recipe.with_options(predictor=None)
    if recipe.bands == 1:
        recipe = recipe.with_options(interleave=None)
    palette = options.get("photometric") == "palette"
    if palette and (recipe.dtype != "uint8" or recipe.bands != 1 or recipe.colours is None):
        recipe = replace(recipe, colours=None).with_options(photometric=None)
    return recipe
