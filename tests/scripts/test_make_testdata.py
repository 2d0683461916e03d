"""The test data is what `rows` and `pixels` say, and covers what it promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio  # type: ignore[import-untyped, unused-ignore]
import tifffile

from support.scripts import load_script

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


script = load_script("make_testdata")
ROWS: dict[str, Any] = script.rows()

COMPRESSION = {
    "none": 1,
    "lzw": 5,
    "deflate": 8,
    "packbits": 32773,
    "olddeflate": 32946,
    "lzma": 34925,
    "zstd": 50000,
}


def names(*kinds: str) -> list[str]:
    """Return the files of some kinds; all files where none is given."""
    return [name for name, row in ROWS.items() if not kinds or row.kind in kinds]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the script has made its files."""
    folder = tmp_path_factory.mktemp("testdata")
    script.make(folder)
    return folder


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with script.quiet_gdal():
        yield


def band_first(page: tifffile.TiffPage) -> npt.NDArray[Any]:
    """Return the values of a page as (samples, length, width)."""
    values = page.asarray()
    if page.samplesperpixel == 1:
        return values[np.newaxis]
    return values if page.planarconfig == 2 else np.moveaxis(values, -1, 0)


# ------------------------------------------------------------------------ the files


@pytest.mark.long
@pytest.mark.parametrize("name", names())
def test_tifffile_reads_the_values(made: Path, name: str) -> None:
    with tifffile.TiffFile(made / name) as tiff:
        values = band_first(tiff.pages.first)
    np.testing.assert_array_equal(values, script.pixels(ROWS[name]), strict=True)


@pytest.mark.parametrize("name", names())
def test_gdal_reads_the_values(made: Path, name: str) -> None:
    with rasterio.open(made / name) as dataset:
        values = dataset.read()
    np.testing.assert_array_equal(values, script.pixels(ROWS[name]), strict=True)


@pytest.mark.parametrize("name", names())
def test_tags_are_those_of_the_row(made: Path, name: str) -> None:
    row = ROWS[name]
    length, width = script.block_shape(row)
    with tifffile.TiffFile(made / name) as tiff:
        page = tiff.pages.first
        assert tiff.byteorder == {"II": "<", "MM": ">"}[row.byteorder]
        assert tiff.is_bigtiff == (row.variant == "bigtiff")
        assert page.is_tiled == (row.layout == "tiles")
        assert page.planarconfig == (2 if row.planar == "planar" else 1)
        assert page.samplesperpixel == row.samples
        assert page.compression == COMPRESSION[row.compression]
        assert page.predictor == row.predictor
        assert page.dtype == np.dtype(row.dtype)
        if page.is_tiled:
            assert (page.tilelength, page.tilewidth) == (length, width)
        else:
            assert page.rowsperstrip == min(length, row.shape[0])


@pytest.mark.parametrize("name", names("pages", "subifds"))
def test_further_images(made: Path, name: str) -> None:
    row = ROWS[name]
    with tifffile.TiffFile(made / name) as tiff:
        further = tiff.pages[1:] if row.kind == "pages" else tiff.pages.first.pages
        assert further is not None
        assert [page.shape for page in further] == list(row.more)
        for image, page in enumerate(further, start=1):
            np.testing.assert_array_equal(page.asarray()[None], script.pixels(row, image))


@pytest.mark.parametrize("name", names("sparse"))
def test_sparse_files_lack_all_blocks_but_the_first(made: Path, name: str) -> None:
    row = ROWS[name]
    with tifffile.TiffFile(made / name) as tiff:
        page = tiff.pages.first
        first = range(0, len(page.dataoffsets), len(page.dataoffsets) // row.samples)
        stored = [n for n, count in enumerate(page.databytecounts) if count]
        assert stored == (list(first) if row.planar == "planar" else [0])
        assert [n for n, offset in enumerate(page.dataoffsets) if offset] == stored


@pytest.mark.parametrize("name", [n for n in ROWS if ROWS[n].masked])
def test_masks_are_inside_the_file(made: Path, name: str) -> None:
    with rasterio.open(made / name) as dataset:
        assert rasterio.enums.MaskFlags.per_dataset in dataset.mask_flag_enums[0]
        np.testing.assert_array_equal(dataset.dataset_mask(), script.mask(ROWS[name]))


@pytest.mark.parametrize("name", names("cog"))
def test_cogs_have_two_overviews_and_a_place(made: Path, name: str) -> None:
    with rasterio.open(made / name) as dataset:
        assert dataset.overviews(1) == [2, 4]
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.crs.to_epsg() == 32633
        assert dataset.transform == script.UTM33["transform"]


def test_metadata_is_what_the_rows_say(made: Path) -> None:
    for name in names("geo"):
        with rasterio.open(made / name) as dataset:
            for attribute, value in ROWS[name].attributes.items():
                assert getattr(dataset, attribute) == value, name
            assert ROWS[name].tags.items() <= dataset.tags().items(), name
            assert dataset.crs.to_string() == ROWS[name].options["crs"], name
            assert dataset.transform == ROWS[name].options["transform"], name


def test_the_series_differs_in_date_and_values_only(made: Path) -> None:
    profiles, dates, values = [], [], []
    for day in ("01", "11", "21"):
        with rasterio.open(made / f"series/scene_2023-01-{day}.tif") as dataset:
            profiles.append(dataset.profile)
            dates.append(dataset.tags()["TIFFTAG_DATETIME"][:10])
            values.append(dataset.read(1, masked=True))
    assert profiles[0] == profiles[1] == profiles[2]
    assert profiles[0]["compress"] == "deflate"
    assert profiles[0]["tiled"] is True
    assert dates == ["2023:01:01", "2023:01:11", "2023:01:21"]
    assert all(0 < array.mask.sum() < array.size for array in values)
    assert not (values[0] == values[1]).all()


# ------------------------------------------------------------------------ the table


def test_every_legal_pair_of_values_is_covered() -> None:
    factors: dict[str, tuple[Any, ...]] = script.FACTORS
    matrix = [row for name, row in ROWS.items() if name.startswith("matrix/")]
    rows = (
        script.Row(**dict(zip(factors, values, strict=True)))
        for values in product(*factors.values())
    )
    legal = [row for row in rows if script.legal(row)]

    def pairs(rows: list[Any]) -> set[Any]:
        values = [[(name, getattr(row, name)) for name in factors] for row in rows]
        return {pair for row in values for pair in combinations(row, 2)}

    assert all(script.legal(row) for row in matrix)
    assert pairs(matrix) == pairs(legal)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("byteorder", {"II", "MM"}),
        ("variant", {"classic", "bigtiff"}),
        ("layout", {"strips", "tiles"}),
        ("planar", {"chunky", "planar"}),
        ("samples", {1, 3, 4}),
        ("compression", set(COMPRESSION)),
        ("predictor", {1, 2, 3}),
    ],
)
@pytest.mark.parametrize("kind", "uifc")
def test_every_kind_of_type_meets_every_value(field: str, values: set[Any], kind: str) -> None:
    if field == "predictor":
        values = {"u": {1, 2}, "i": {1, 2}, "f": {1, 2, 3}, "c": {1}}[kind]
    met = {getattr(row, field) for row in ROWS.values() if np.dtype(row.dtype).kind == kind}
    assert met == values


def test_blocks_that_do_not_divide_the_image_are_the_rule() -> None:
    matrix = [row for name, row in ROWS.items() if name.startswith("matrix/")]
    for row in matrix:
        length, width = script.block_shape(row)
        assert row.shape[0] % length
        assert row.layout == "strips" or row.shape[1] % width


# ----------------------------------------------------------------- sizes and --check


def test_files_are_small_and_nothing_else_is_written(made: Path) -> None:
    files = [path for path in made.rglob("*") if path.is_file()]
    sizes = {path.relative_to(made).as_posix(): path.stat().st_size for path in files}
    assert sizes.keys() == {*ROWS, "README.md", "versions.json"}
    assert len(sizes) <= 150
    assert max(sizes.values()) < 32_000
    assert sum(sizes.values()) < 1_000_000


@pytest.mark.long
def test_two_runs_give_the_same_bytes(made: Path) -> None:
    assert script.differences(made) == []


@pytest.mark.long
def test_making_over_old_files_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in script.make(tmp_path):
        (tmp_path / name).write_bytes(b"something else")
    script.make(tmp_path)
    assert script.differences(tmp_path) == []


@pytest.mark.long
def test_check_names_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--to", str(tmp_path)]) == 0
    assert script.main(["--to", str(tmp_path), "--check"]) == 0
    (tmp_path / "special/cog.tif").unlink()
    with (tmp_path / "special/mask_tiles.tif").open("ab") as file:
        file.write(b"\0")
    (tmp_path / "series/stray.tif").write_bytes(b"II*\0")
    capsys.readouterr()
    assert script.main(["--to", str(tmp_path), "--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "missing: special/cog.tif",
        "differs: special/mask_tiles.tif",
        "not made by this script: series/stray.tif",
    ]


@pytest.mark.long
def test_the_committed_files_are_those_the_script_makes() -> None:
    committed = json.loads((script.TESTDATA / "versions.json").read_text())
    if committed != script.versions():
        pytest.skip(f"made with {committed}, installed are {script.versions()}")
    assert script.differences(script.TESTDATA) == []
