"""Whether a published archive says what its files say: right, or refused for a reason.

An archive is published in every layout. Each file that a cube claims to hold (its ledger names
group and position) must be there with the pixels, place, CRS, nodata, scale, unit, control
points and colours that GDAL reads from it, and whatever no file covers must be empty. A file
that is cut or missing must be left out, and never be published as whole. A whole file may be left
out where it does not fit the others, and then these must be right.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from rasterio.crs import CRS
from rasterio.transform import Affine

from support.archive_reader import Array, Cube, Reader
from support.archives import Archive, Recipe, Truth, random_archive, truth_of, write
from virtual_tiff.publishing import Published, PublishError, publish

__all__ = ["LAYOUTS", "Readers", "Verdict", "judge_archive"]

TIME = r"_(?P<time>\d{8})\.tif"

LAYOUTS: dict[str, dict[str, Any]] = {
    "group per file": {},
    "stack": {"concat": "time", "time": TIME},
    "group per signature": {"concat": "time", "time": TIME, "layout": "group per signature"},
    "mosaic": {"concat": ("y", "x")},
    "mosaic per signature": {"concat": ("y", "x"), "layout": "group per signature"},
}


@dataclass(slots=True)
class Verdict:
    """What came of archives."""

    right: Counter[str] = field(default_factory=Counter)
    """By layout."""
    refused: Counter[str] = field(default_factory=Counter)
    """By layout and reason."""
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        self.right += other.right
        self.refused += other.refused
        self.wrong += other.wrong


class Readers:
    """A reader without the package, and one with its codecs alone."""

    def __init__(self) -> None:
        self.alone, self.codecs = Reader(codecs=False), Reader(codecs=True)

    def of(self, published: Published) -> Reader:
        return self.codecs if "virtual-tiff" in published.readers_need else self.alone

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.alone.__exit__(None, None, None)
        self.codecs.__exit__(None, None, None)


def judge_archive(archive: Archive, folder: Path, readers: Readers) -> Verdict:
    """Write an archive, publish it in every layout, read it back, and compare."""
    paths = {recipe.name: write(recipe, folder / "files") for recipe in archive.recipes}
    truths = {
        recipe.name: truth_of(paths[recipe.name])
        for recipe in archive.recipes
        if recipe.cut is None and not recipe.missing
    }
    verdict = Verdict()
    for layout, options in LAYOUTS.items():
        place = folder / layout.replace(" ", "_")
        try:
            published = publish(list(paths.values()), place, on_error="skip", **options)
        except (PublishError, ValueError) as error:
            if not isinstance(error, PublishError) and type(error) is not ValueError:
                verdict.wrong.append(f"{archive.seed} {layout}: {type(error).__name__}: {error}")
            elif _must_fit(archive, layout):
                verdict.wrong.append(f"{archive.seed} {layout}: refused: {error}")
            else:
                verdict.refused[f"{layout}: {_reason(str(error), folder)}"] += 1
            continue
        except Exception as error:
            verdict.wrong.append(f"{archive.seed} {layout}: {type(error).__name__}: {error}")
            continue
        cube = readers.of(published).read(str(place), published.containers)
        # whole files that do not fit the others are left out, and the rest must be right
        left_out = {
            Path(name).name: why
            for name, why in published.failures.items()
            if Path(name).name in truths
        }
        kept = {name: truth for name, truth in truths.items() if name not in left_out}
        faults = [*_faults(archive, kept, cube, layout)]
        if left_out and (not kept or _must_fit(archive, layout)):
            faults.append(f"left out {left_out}")
        if left_out and not faults:
            why = _reason(next(iter(left_out.values())), folder)
            verdict.refused[f"{layout}, left out: {why}"] += 1
        elif faults:
            text = "; ".join(faults[:3])
            verdict.wrong.append(f"{archive.seed} {layout} {archive.ways}: {text}")
        else:
            verdict.right[layout] += 1
    return verdict


def _must_fit(archive: Archive, layout: str) -> bool:
    """Whether files that are alike but for date and tile can be published so."""
    if layout.startswith("mosaic"):
        return set(archive.ways) <= {"same day", "tags", "statistics"} and _is_mosaic(archive)
    if not archive.even:
        return False
    if layout == "group per file":
        return True
    # without a transform nothing says that two tiles are not one place
    keys = [(r.day, *((r.row, r.column) if r.transform else ())) for r in archive.recipes]
    if layout == "stack":
        tiles = {(r.row, r.column) for r in archive.recipes}
        return len(tiles) == 1 and len({r.day for r in archive.recipes}) == len(archive.recipes)
    if layout == "group per signature":
        return len(set(keys)) == len(keys)
    msg = f"no rule for {layout}"
    raise AssertionError(msg)


def _is_mosaic(archive: Archive) -> bool:
    """Whether files that are alike but for their tile are parts of one grid of whole blocks."""
    first = archive.recipes[0]
    tiles = {(recipe.row, recipe.column) for recipe in archive.recipes}
    if len(tiles) < len(archive.recipes) or first.transform is None:
        return False
    if first.overviews:  # their blocks are GDAL's choice, and larger than they are
        return False
    options, (length, width) = dict(first.options), first.shape
    if options.get("tiled"):
        rows_fit, columns_fit = (
            length % options["blockysize"] == 0,
            width % options["blockxsize"] == 0,
        )
    else:  # strips without a codec become one chunk
        rows = min(options["blockysize"], length)
        rows_fit, columns_fit = length % rows == 0 or not options.get("compress"), True
    # the last row and column of tiles may end within a block
    one_row, one_column = (len({tile[axis] for tile in tiles}) == 1 for axis in (0, 1))
    return (one_row or rows_fit) and (one_column or columns_fit)


def _reason(text: str, folder: Path) -> str:
    """Return the kind of a refusal: its first line without names and numbers."""
    line = text.replace(str(folder), "").splitlines()[0]
    line = re.sub(r"(/files/)?s\d\d_T\w+\.tif|file://\S+", "FILE", line)
    return re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "N", line)[:110]


# ------------------------------------------------------------------------------- compare


def _faults(archive: Archive, truths: dict[str, Truth], cube: Cube, layout: str) -> Iterator[str]:
    for path, array in cube.items():
        if isinstance(array, str):
            yield f"{path} cannot be read: {array}"
            return
    arrays: dict[str, Array] = {path: a for path, a in cube.items() if isinstance(a, Array)}
    ledger = _ledger(arrays)
    names = {Path(url).name for url, _, _ in ledger}
    if names != set(truths):
        yield f"published {sorted(names)}, whole are {sorted(truths)}"
        return
    if len(ledger) != len(names):
        yield "a file stands twice in the ledger"
    recipes = {recipe.name: recipe for recipe in archive.recipes}
    covered: dict[str, Any] = {}
    stacked = LAYOUTS[layout].get("concat") == "time"
    for url, group, coordinates in ledger:
        name = Path(url).name
        position = None
        if stacked:
            times = arrays[f"{group}/time" if group else "time"].values.tolist()
            position = times.index(*json.loads(coordinates))
        scene = Scene(arrays=arrays, group=group, position=position, layout=layout)
        for fault in _file_faults(scene, truths[name], recipes[name], covered):
            yield f"{name} in group {group!r}: {fault}"
    for path, mask in covered.items():
        array = arrays[path.lstrip("/")]
        fill = _nodata(array)
        rest = array.values[~mask]
        if rest.size and not np.all(rest == (0 if fill is None else fill)):
            yield f"{path}: pixels that no file covers are not empty"


def _ledger(arrays: dict[str, Array]) -> list[tuple[str, str, str]]:
    names = ("url", "group", "coordinates")
    columns = (arrays[f"_virtual_tiff/{name}"].values.tolist() for name in names)
    return list(zip(*columns, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a cube says that a file is."""

    arrays: dict[str, Array]
    group: str
    position: int | None
    """Along `time`; None in a cube that is no stack."""
    layout: str

    def get(self, name: str) -> Array | None:
        """Return an array of the group."""
        return self.arrays.get(f"{self.group}/{name}" if self.group else name)

    def said(self, name: str, node: str = "0") -> Any:
        """Return an attribute, or the coordinate of its name at the scene's position."""
        array = self.get(node)
        if array is None:
            return None
        if name in array.attributes:
            return array.attributes[name]
        for column in (self.get(name), self.get(f"{node}_{name}")):
            if self.position is not None and column and column.dimensions == ("time",):
                return column.values[self.position].tolist()
        return None

    @property
    def transform(self) -> Affine | None:
        """The transform by both of its attributes; NaN where they contradict each other."""
        said, text = self.said("spatial:transform"), self.said("GeoTransform", "spatial_ref")
        from_text = None if text is None else Affine.from_gdal(*map(float, text.split()))
        if said is None or from_text is None:
            return from_text if said is None else Affine(*said)
        same = np.allclose(from_text[:6], said, rtol=1e-12)
        return from_text if same else Affine(*[float("nan")] * 6)


def _file_faults(
    scene: Scene, truth: Truth, recipe: Recipe, covered: dict[str, Any]
) -> Iterator[str]:
    """Yield what the cube says otherwise of a file than GDAL."""
    array = scene.get("0")
    if array is None:
        yield "there is no array 0"
        return
    values, dimensions = array.values, array.dimensions
    mask = covered.setdefault(f"{scene.group}/0", np.zeros(values.shape, bool))
    if scene.position is not None:
        if dimensions[0] != "time" or not 0 <= scene.position < len(values):
            yield f"dimensions {dimensions}, position {scene.position}"
            return
        values, mask = values[scene.position], mask[scene.position]
        yield from _date(scene, recipe)
    bands, length, width = truth.pixels.shape
    if values.ndim != (2 if bands == 1 else 3):
        yield f"shape {array.values.shape} of {bands} bands"
        return
    row, column, fault = _corner(scene, truth, values.shape)
    if fault:
        yield fault
        return
    window = (..., slice(row, row + length), slice(column, column + width))
    pixels = values[window] if bands > 1 else values[window][np.newaxis]
    if values.dtype != truth.pixels.dtype or pixels.shape != truth.pixels.shape:
        yield f"{values.dtype} {pixels.shape}, GDAL {truth.pixels.dtype} {truth.pixels.shape}"
    elif not np.array_equal(pixels, truth.pixels):
        yield f"{np.count_nonzero(pixels != truth.pixels)} other pixels"
    if mask[window].any():
        yield "two files have one place"
    mask[window] = True
    yield from _axes(scene, truth, (row, column))
    yield from _values(scene, array, truth, recipe)
    yield from _points(scene, truth)


def _corner(scene: Scene, truth: Truth, shape: tuple[int, ...]) -> tuple[int, int, str]:
    """Return row and column of the file's first pixel by the transforms, and what is wrong."""
    ours, gdal = scene.transform, truth.transform
    if gdal is None or ours is None:
        return 0, 0, "" if ours is gdal else f"transform {ours}, GDAL {gdal}"
    length, width = truth.pixels.shape[1:]
    first, last = ~ours @ (gdal @ (0, 0)), ~ours @ (gdal @ (width, length))
    if not np.allclose((last[0] - first[0], last[1] - first[1]), (width, length), atol=0.011):
        return 0, 0, f"from {first} to {last} of the cube, but {width} x {length} pixels"
    column, row = round(first[0]), round(first[1])
    off = max(abs(first[0] - column), abs(first[1] - row))
    if off > (0.011 if scene.layout.startswith("mosaic") else 1e-6):
        return 0, 0, f"{off} pixels off"
    if not scene.layout.startswith("mosaic") and (row or column):
        return 0, 0, f"at row {row}, column {column} of an image of its own"
    if not (0 <= row <= shape[-2] - length and 0 <= column <= shape[-1] - width):
        return 0, 0, f"row {row}, column {column} is outside of {shape}"
    return row, column, ""


def _date(scene: Scene, recipe: Recipe) -> Iterator[str]:
    times = scene.get("time")
    if times is None:
        yield "there is no array time"
        return
    day = np.datetime64(int(times.values[scene.position]), "us").astype("M8[D]")
    if str(day) != str(recipe.day):
        yield f"time {day}, named {recipe.day}"


def _axes(scene: Scene, truth: Truth, corner: tuple[int, int]) -> Iterator[str]:
    """Compare the coordinates x and y of the file's first pixel."""
    x, y, transform = scene.get("x"), scene.get("y"), scene.transform
    if x is None or y is None:
        return
    if truth.transform is None or transform is None or transform.b or transform.d:
        yield "coordinates of an image that has none"
        return
    right = truth.transform @ (0.5, 0.5)
    came = (float(x.values[corner[1]]), float(y.values[corner[0]]))
    if not np.allclose(came, right, rtol=1e-9):
        yield f"x, y {came}, GDAL {right}"


def _nodata(array: Array) -> Any:
    """Return nodata as xarray decodes it."""
    value = array.attributes.get("_FillValue")
    return struct.unpack("<d", base64.b64decode(value))[0] if isinstance(value, str) else value


def _values(scene: Scene, array: Array, truth: Truth, recipe: Recipe) -> Iterator[str]:
    """Compare what decides what a number means: nodata, scale, unit, colours; and the CRS."""
    colours = scene.said("color_map")
    wkt = scene.said("crs_wkt", "spatial_ref")
    white = dict(recipe.options).get("photometric") == "MINISWHITE"
    table = (
        ("nodata", _nodata(array), truth.nodata),
        ("scale", {_number(scene.said("scale_factor"), 1.0)}, set(truth.scales)),
        ("offset", {_number(scene.said("add_offset"), 0.0)}, set(truth.offsets)),
        ("unit", scene.said("units") or None, recipe.unit),
        (
            "colour map",
            colours and tuple(tuple(int(v) // 257 for v in row) for row in colours),
            truth.colours and tuple(row[:3] for row in truth.colours),
        ),
        ("white is zero", scene.said("photometric_interpretation") == 0, white),
        ("CRS", None if wkt is None else CRS.from_wkt(wkt), truth.crs),
    )
    for name, ours, right in table:
        # GDAL makes a colour map of "white is zero"; in the cube the tag itself says it
        exempt = (name == "CRS" and truth.gcps) or (name == "colour map" and white)
        if ours != right and not exempt:
            yield f"{name} {str(ours)[:60]}, GDAL {str(right)[:60]}"


def _number(value: float | None, default: float) -> float:
    """Return a number, or the default where a file has none (NaN in a coordinate)."""
    return default if value is None or np.isnan(value) else float(value)


def _points(scene: Scene, truth: Truth) -> Iterator[str]:
    text = scene.said("gcps", "spatial_ref") or scene.said("gcps")
    if bool(text) != bool(truth.gcps):
        yield f"ground control points: {bool(text)}, GDAL {bool(truth.gcps)}"
    elif text:
        points = [
            (f["properties"]["row"], f["properties"]["col"], *f["geometry"]["coordinates"][:2])
            for f in json.loads(text)["features"]
        ]
        if not np.allclose(points, [point[:4] for point in truth.gcps]):
            yield "other ground control points"
    text = scene.said("rpcs", "spatial_ref") or scene.said("rpcs")
    longitude = None if not text else json.loads(text)["long_off"]
    if longitude != truth.rpcs:
        yield f"RPCs at {longitude}, GDAL {truth.rpcs}"


def summary(verdict: Verdict, archives: int, most: int = 40) -> str:
    """Return the figures as text."""
    right, refused = sum(verdict.right.values()), sum(verdict.refused.values())
    lines = [
        f"{archives} archives, {right} cubes right, {refused} refused, {len(verdict.wrong)} wrong"
    ]
    lines += [f"  right    {count:6} {layout}" for layout, count in verdict.right.most_common()]
    lines += [f"  refused  {count:6} {why}" for why, count in verdict.refused.most_common(most)]
    lines += [f"  WRONG    {text}" for text in verdict.wrong[:most]]
    return "\n".join(lines)


def judge_many(seeds: Sequence[int], folder: Path, readers: Readers) -> Verdict:
    """Judge an archive a seed; the files of those that are right are removed."""
    total = Verdict()
    for seed in seeds:
        place = folder / str(seed)
        verdict = judge_archive(random_archive(seed), place, readers)
        total.add(verdict)
        if not verdict.wrong:
            shutil.rmtree(place, ignore_errors=True)
    return total
