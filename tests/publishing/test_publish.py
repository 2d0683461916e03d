"""Publishing: what a reader of the repository sees, and what refuses to be published."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import zarr
from numpy.typing import NDArray

from support.build import image
from support.fresh import run
from support.http import HttpServer
from support.s3 import S3, SETTINGS
from support.scenes import group_of, pixels, read
from virtual_tiff.publishing import Progress, PublishError, publish
from virtual_tiff.publishing.planning.names import group_names
from virtual_tiff.publishing.repository import references
from virtual_tiff.publishing.repository import writer as repository_module
from virtual_tiff.tiff import Limits, TiffWarning

TESTDATA = Path(__file__).parents[2] / "testdata"
SERIES = sorted((TESTDATA / "series").glob("*.tif"))
COG = TESTDATA / "special" / "cog.tif"
CHANGED = "checksum of the object owning the virtual chunk has changed"


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    """Copies of the series, which a test may change."""
    folder = tmp_path / "series"
    folder.mkdir()
    return [Path(shutil.copy2(path, folder)) for path in SERIES]


def as_xarray(path: Path) -> NDArray[Any]:
    """Pixels with nodata as NaN, as xarray gives them."""
    with rasterio.open(path) as dataset:
        found: NDArray[Any] = dataset.read(1, masked=True).astype("f4").filled(np.nan)
    return found


# -------------------------------------------------------------------------------- pixels


def test_stack_holds_the_pixels_of_each_file() -> None:
    published = publish(SERIES, "memory://", concat="time")
    (array,) = published.arrays
    assert (array.path, array.shape, array.dimensions) == ("0", (3, 40, 60), ("time", "y", "x"))
    assert array.data_type == "uint16"
    assert (published.files, published.references) == (3, 12)
    np.testing.assert_array_equal(read(published), np.stack([pixels(path) for path in SERIES]))


def test_order_is_that_of_the_sources() -> None:
    order = [SERIES[2], SERIES[0], SERIES[1]]
    found = read(publish(order, "memory://", concat="time"))
    np.testing.assert_array_equal(found, np.stack([pixels(path) for path in order]))


@pytest.mark.long
@pytest.mark.parametrize(
    ("folder", "needs"),
    [
        ("matrix", {"imagecodecs-zarr", "virtual-tiff"}),  # the latter for short last strips
        ("special", {"imagecodecs-zarr"}),
        ("series", set()),
    ],
)
def test_every_test_file_as_a_group(folder: str, needs: set[str]) -> None:
    """One commit of all; chunky, planar, both predictors, every compression, short strips."""
    published = publish(TESTDATA / folder / "*.tif", "memory://", ifd=0, check=True)
    files = sorted((TESTDATA / folder).glob("*.tif"))
    assert len(published.arrays) == len(files) > 2
    assert set(published.readers_need) == needs
    for path in files:
        found = read(published, f"{path.stem}/0")
        np.testing.assert_array_equal(found, pixels(path), err_msg=path.stem)


@pytest.mark.parametrize(
    "name",
    [
        "matrix/uint8x4_chunky_strips_deflate_p1_ii_classic_tifffile",
        "matrix/uint32x3_chunky_strips_zstd_p2_mm_classic_tifffile",
        "matrix/float64x4_chunky_strips_lzw_p3_ii_classic_tifffile",
        "matrix/float32x4_planar_strips_deflate_p3_mm_classic_rasterio",
        "special/cog_rgb",
        "special/sparse_tiles_planar",
        "special/strips_many",
    ],
)
def test_leading_dimension_leaves_the_codecs_right(name: str, tmp_path: Path) -> None:
    """The axes that codecs name move: a transpose of (y, x, band), a predictor's row."""
    path = TESTDATA / f"{name}.tif"
    twin = Path(shutil.copy2(path, tmp_path / "twin.tif"))
    found = read(publish([path, twin], "memory://", concat="n", ifd=0))
    np.testing.assert_array_equal(found, np.stack([pixels(path)] * 2))


def test_overviews_are_stacked_each_by_itself(tmp_path: Path) -> None:
    twin = Path(shutil.copy2(COG, tmp_path / "twin.tif"))
    published = publish([COG, twin], "memory://", concat="n")
    assert {array.path for array in published.arrays} == {"0", "1", "2"}
    for path, level in (("0", None), ("1", 0), ("2", 1)):
        np.testing.assert_array_equal(read(published, path)[1], pixels(COG, level))


def test_missing_blocks_stay_missing() -> None:
    path = TESTDATA / "special" / "sparse_tiles_nodata.tif"
    published = publish(path, "memory://", concat="n")
    assert published.references == 1
    found = read(published)[0]
    assert found[-1, -1] == -9999
    np.testing.assert_array_equal(found, pixels(path))


# -------------------------------------------------------------------------- other stores


def test_over_http(http_server: HttpServer) -> None:
    urls = [http_server.put(f"a b/{path.name}", path.read_bytes()) for path in SERIES]
    published = publish(urls, "memory://", concat="time", check=True)
    assert published.containers == (f"{http_server.url}/",)
    np.testing.assert_array_equal(read(published), np.stack([pixels(path) for path in SERIES]))


def test_a_chunk_is_one_request(http_server: HttpServer) -> None:
    """Without the settings that are saved in the repository they would be five."""
    published = publish(http_server.put("a.tif", SERIES[0].read_bytes()), "memory://", concat="n")
    array: Any = group_of(published)["0"]
    http_server.requests.clear()
    _ = array[0, :32, :32]
    assert http_server.gets == 1


def s3_options(s3: S3) -> dict[str, Any]:
    return SETTINGS | {"endpoint": s3.endpoint}


def test_from_s3_with_options(s3: S3) -> None:
    urls = [s3.upload(path, f"se ries/d={day}/#1.tif") for day, path in enumerate(SERIES)]
    published = publish(urls, "memory://", concat="time", store_options=s3_options(s3), check=True)
    np.testing.assert_array_equal(read(published), np.stack([pixels(path) for path in SERIES]))


@pytest.mark.long
def test_from_s3_to_s3_with_the_environment(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = s3.environment()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    urls = [s3.upload(path, f"environment/{path.name}") for path in SERIES]
    published = publish(urls, s3.url("cubes/one"), concat="time", check=True)
    assert published.containers == (s3.url("environment/"),)
    code = f"{published.how_to_open}\nprint(ds['0'].values.tolist())"
    found = np.array(json.loads(run(code, environment).replace("nan", "NaN")))
    np.testing.assert_array_equal(found, np.stack([as_xarray(path) for path in SERIES]))
    with pytest.raises(PublishError, match="holds a repository"):
        publish(urls, s3.url("cubes/one"))


def test_secrets_are_not_saved(s3: S3, tmp_path: Path) -> None:
    url = s3.upload(COG, "secret.tif")
    options = s3_options(s3) | {"access_key_id": "PUBLISHERSKEY", "secret_access_key": "hush"}
    published = publish(url, tmp_path / "cube", store_options=options)
    assert "PUBLISHERSKEY" not in published.how_to_open
    files = [path.read_bytes() for path in (tmp_path / "cube").rglob("*") if path.is_file()]
    assert files
    assert not any(b"PUBLISHERSKEY" in data or b"hush" in data for data in files)


# ----------------------------------------------------------------------- fresh processes


@pytest.mark.long
def test_printed_lines_open_a_stack(tmp_path: Path) -> None:
    lines = publish(SERIES, tmp_path / "cube", concat="time").how_to_open
    assert len(lines.splitlines()) == 6
    assert "virtual_tiff" not in lines
    run(f"{lines}\nimport numpy; numpy.save({str(tmp_path / 'found.npy')!r}, ds['0'].values)")
    found = np.load(tmp_path / "found.npy")
    np.testing.assert_array_equal(found, np.stack([as_xarray(path) for path in SERIES]))


@pytest.mark.long
def test_printed_lines_ask_for_more_than_ten_chunks_at_once(tmp_path: Path) -> None:
    """zarr's default is 10; the process cannot import this package."""
    expected = np.arange(160 * 160, dtype="u2").reshape(160, 160)
    profile = {"width": 160, "height": 160, "count": 1, "dtype": "uint16", "tiled": True}
    blocks = {"blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **profile, **blocks) as dataset:
        dataset.write(expected, 1)
    most = 0
    with HttpServer(tmp_path, latency=0.2) as server:

        def count(_: str) -> None:
            nonlocal most
            most = max(most, len(server._server.connections))

        lines = publish(f"{server.url}/a.tif", tmp_path / "cube", concat="n").how_to_open
        server.on_request = count
        forbidden = "import sys; sys.modules['virtual_tiff'] = None"
        found = run(f"{forbidden}\n{lines}\nprint(ds['0'].values[0].tolist())")
    np.testing.assert_array_equal(json.loads(found), expected)
    assert 32 <= most <= 80


@pytest.mark.long
@pytest.mark.parametrize("layout", ["flat", "nested"])
def test_printed_lines_open_groups(tmp_path: Path, layout: str) -> None:
    files = [COG, TESTDATA / "special" / "pages_of_sizes.tif"]
    published = publish(files, tmp_path / "cube", ifd_layout=layout, branch="dev")
    lines = published.how_to_open
    assert len(lines.splitlines()) == 6
    found = tmp_path / "found.npz"
    code = (
        f"{lines}\nimport numpy\nvariables = {{n.path + '/' + v: n[v].values"
        f" for n in tree.subtree for v in n.data_vars}}\nnumpy.savez({str(found)!r}, **variables)"
    )
    run(code)
    arrays = np.load(found)
    images = {name for name in arrays if not name.startswith("/_virtual_tiff/")}
    assert {f"/{array.path}" for array in published.arrays} == images
    for name, level in (("0", None), ("1", 0), ("2", 1)):
        path = f"/cog/{name}" if layout == "flat" else f"/cog/{name}/{name}"
        np.testing.assert_array_equal(arrays[path], pixels(COG, level))


FIRST_KIND = [
    TESTDATA / "matrix" / "float32x3_chunky_tiles_olddeflate_p1_ii_bigtiff_tifffile.tif",
    TESTDATA / "matrix" / "float64x3_planar_tiles_none_p1_mm_bigtiff_rasterio.tif",
    TESTDATA / "matrix" / "int16x3_chunky_strips_none_p1_ii_classic_tifffile.tif",
    TESTDATA / "matrix" / "complex64x4_planar_tiles_zstd_p1_ii_bigtiff_rasterio.tif",
    TESTDATA / "matrix" / "uint64x4_chunky_tiles_lzma_p1_ii_bigtiff_rasterio.tif",
    COG,
]
"""What icechunk and zarr read by themselves."""

SECOND_KIND = [
    TESTDATA / "matrix" / "uint16x3_planar_tiles_lzw_p2_ii_bigtiff_rasterio.tif",
    TESTDATA / "matrix" / "uint8x3_planar_tiles_lzw_p2_mm_bigtiff_rasterio.tif",
    TESTDATA / "special" / "cog_float_nan_predictor.tif",
]
"""What they read with imagecodecs-zarr beside them."""


@pytest.mark.long
@pytest.mark.parametrize(
    ("files", "codecs"),
    [(FIRST_KIND, ("imagecodecs", "imagecodecs_zarr")), (SECOND_KIND, ())],
    ids=["icechunk and zarr", "and imagecodecs-zarr"],
)
def test_readers_do_not_need_this_package(
    files: list[Path], codecs: tuple[str, ...], tmp_path: Path
) -> None:
    published = publish(files, tmp_path / "cube", ifd=0)
    assert published.readers_need == (() if codecs else ("imagecodecs-zarr",))
    code = f"""
import sys
sys.modules.update(dict.fromkeys({codecs}))
import icechunk, numpy, zarr
storage = icechunk.local_filesystem_storage({str(tmp_path / "cube")!r})
access = dict.fromkeys({published.containers}, icechunk.credentials.LocalFileSystemAccess)
repo = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)
group = zarr.open_group(repo.readonly_session("main").store, mode="r")
found = {{name: child["0"][...] for name, child in group.groups() if name != "_virtual_tiff"}}
numpy.savez({str(tmp_path / "found.npz")!r}, **found)
print([name for name in sys.modules if name.split(".")[0] in ("virtual_tiff", "virtualizarr")])
"""
    assert run(code).strip() == "['virtual_tiff']"  # which is None: it cannot be imported
    found = np.load(tmp_path / "found.npz")
    assert set(found) == {path.stem for path in files}
    for path in files:
        np.testing.assert_array_equal(found[path.stem], pixels(path), err_msg=path.stem)


# ---------------------------------------------------------------------------------- drift


def rewrite(path: Path, later: float = 5) -> None:
    """Change a file, of the same size, some seconds after it was published."""
    path.write_bytes(bytes(path.stat().st_size))
    os.utime(path, (time.time() + later, time.time() + later))


def test_file_just_written_is_read(tmp_path: Path) -> None:
    """Its time has a fraction of a second, which Icechunk does not know."""
    path = tmp_path / "new.tif"
    shutil.copy(COG, path)
    published = publish(path, "memory://", concat="n")
    np.testing.assert_array_equal(read(published)[0], pixels(COG))


def test_file_rewritten_after_the_commit(series: list[Path]) -> None:
    published = publish(series, "memory://", concat="time")
    rewrite(series[1])
    array: Any = group_of(published)["0"]
    np.testing.assert_array_equal(array[0], pixels(series[0]))
    with pytest.raises(icechunk.IcechunkError, match=CHANGED):
        array[1]


def test_file_rewritten_between_parse_and_commit(series: list[Path]) -> None:
    """The reference carries the time of the parse, not of the commit."""
    before = [pixels(path) for path in series]
    past = time.time() - 1000
    for path in series:
        os.utime(path, (past, past))

    def change(now: Progress) -> None:
        if now.files == now.total:
            rewrite(series[2], later=-500)

    published = publish(series, "memory://", concat="time", progress=change)
    array: Any = group_of(published)["0"]
    np.testing.assert_array_equal(array[:2], np.stack(before[:2]))
    with pytest.raises(icechunk.IcechunkError, match=CHANGED):
        array[2]


def test_http_object_replaced_after_the_commit(http_server: HttpServer) -> None:
    data = SERIES[0].read_bytes()
    url = http_server.put("a.tif", data, modified=time.time() - 1000)
    published = publish(url, "memory://", concat="n")
    np.testing.assert_array_equal(read(published)[0], pixels(SERIES[0]))
    http_server.put("a.tif", data[::-1])
    with pytest.raises(icechunk.IcechunkError, match=CHANGED):
        read(published)


@pytest.mark.long
def test_s3_object_replaced_after_the_commit(s3: S3) -> None:
    url = s3.upload(SERIES[0], "drift.tif")
    published = publish(url, "memory://", concat="n", store_options=s3_options(s3))
    np.testing.assert_array_equal(read(published)[0], pixels(SERIES[0]))
    time.sleep(1.1)  # S3 has whole seconds
    s3.upload(SERIES[1], "drift.tif")
    with pytest.raises(icechunk.IcechunkError, match=CHANGED):
        read(published)


def test_source_without_a_time_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "checksum_of", lambda *_: None)
    with pytest.warns(TiffWarning, match=r"3 of 3 sources have no modification time.*scene"):
        publish(SERIES, "memory://", concat="time")


# ----------------------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    ("urls", "names"),
    [
        (["file:///d/a.tif", "file:///d/b.c.tif"], ["a", "b.c"]),
        (["file:///d/p/a.tif", "file:///d/q/a.tif"], ["p/a", "q/a"]),
        (["file:///d/a%20b.tif"], ["a b"]),
        (["s3://p/2023/a.tif", "s3://p/2024/a.tif", "s3://p/b.tif"], ["2023/a", "2024/a", "b"]),
    ],
)
def test_group_names(urls: list[str], names: list[str]) -> None:
    assert group_names(urls) == names


@pytest.mark.parametrize(
    ("urls", "words"),
    [
        (["file:///d/a.tif", "file:///d/a.tiff"], "'a' would be one group"),
        (["file:///d/a.tif", "file:///d/b/a/b.tif", "file:///d/a/b.tif"], "within another"),
        (["s3://p/a.tif", "s3://q/a.tif"], "'a' would be one group"),
        (["file:///d/__a.tif"], "'__a' is not a valid name in Zarr"),
    ],
)
def test_group_names_that_clash(urls: list[str], words: str) -> None:
    with pytest.raises(PublishError, match=words):
        group_names(urls)


# ------------------------------------------------------------------- what does not work


def tiff(folder: Path, name: str, array: NDArray[Any] | None = None, **options: Any) -> Path:
    path = folder / name
    array = np.arange(24, dtype="u1").reshape(4, 6) if array is None else array
    path.write_bytes(image(array, **options))
    return path


def test_files_that_do_not_fit_are_told_in_words(tmp_path: Path) -> None:
    files = [tiff(tmp_path, f"{name}.tif", compression=8) for name in "abc"]
    files[1] = tiff(tmp_path, "b.tif", compression=8, predictor=2)
    target = tmp_path / "cube"
    with pytest.raises(PublishError) as caught:
        publish(files, target, concat="time")
    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        "the files cannot be stacked:",
        f"  {files[1]}: array 0: Predictor 2, the others 1",
    ]
    assert "concat=None" in lines[2]
    assert not target.exists()


def test_scattered_strips_beside_merged_ones(tmp_path: Path) -> None:
    """One file's strips lie one after another: its chunk grid is another one."""
    array = np.arange(48, dtype="u1").reshape(8, 6)
    whole = tiff(tmp_path, "whole.tif", array, rows_per_strip=2)
    split = tiff(tmp_path, "split.tif", array, rows_per_strip=2, gap=10)
    with pytest.raises(PublishError, match="merge_strips=False"):
        publish([whole, split], "memory://", concat="n")
    found = read(publish([whole, split], "memory://", concat="n", merge_strips=False))
    np.testing.assert_array_equal(found, np.stack([array, array]))


def test_codecs_that_take_no_further_dimension(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of ours that know a chunk's shape are tried before the commit; no others are."""
    odd = tiff(tmp_path, "a.tif", np.arange(64, dtype="i2").reshape(8, 8), bits=12)
    tried: list[str] = []

    def refuse(_: zarr.Group, path: str, *, last: bool) -> None:
        tried.append(path)
        message = "not for a shape of (1, 8, 8)"
        raise ValueError(message)

    monkeypatch.setattr(repository_module, "_read_chunk", refuse)
    with pytest.raises(PublishError, match=r"array 0 cannot be read as a stack \(not for a shape"):
        publish(odd, tmp_path / "cube", concat="n")
    assert not (tmp_path / "cube").exists()
    publish(odd, "memory://")
    publish(COG, "memory://", concat="n")
    publish(TESTDATA / "matrix" / "uint8x1_chunky_strips_packbits*.tif", "memory://", concat="n")
    assert tried == ["0"]


def test_every_bad_file_is_reported_and_nothing_made(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"this is no TIFF")
    missing = tmp_path / "missing.tif"
    target = tmp_path / "deep" / "cube"
    with pytest.raises(PublishError, match=r"2 of 3 files cannot be published") as caught:
        publish([bad, COG, missing], target)
    assert list(caught.value.failures) == [str(bad), str(missing)]
    assert "not a TIFF" in str(caught.value)
    assert not target.parent.exists()


def test_limits_reach_the_parser() -> None:
    with pytest.raises(PublishError, match="directories=1"):
        publish(COG, "memory://", limits=Limits(directories=1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"conact": "time"}, "conact: no such option; those of the parser are bands"),
        ({"ifd_layout": "deep"}, "ifd_layout must be one of 'flat', 'nested', 'pyramid'"),
        ({"layout": "heap"}, "layout must be one of None, 'stack', 'group per file'"),
        ({"layout": "stack"}, "needs concat"),
        ({"on_error": "ignore"}, "on_error must be one of 'raise', 'skip'"),
        ({"parallel": "ray"}, "parallel must be False, a number"),
        ({"replace_changed": True}, "needs append=True"),
        ({"ifd": "first"}, "ifd must be"),
        ({"concat": ""}, "concat must be"),
        ({"branch": ""}, "branch must be"),
        ({"concurrency": 0}, "concurrency must be"),
        ({"store_options": {"region": "x"}}, "no source takes the store option region"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        publish(SERIES, "memory://", **options)


@pytest.mark.parametrize(
    ("sources", "to", "words"),
    [
        ([], "memory://", "no sources"),
        ([COG, COG], "memory://", "named more than once"),
        (["https://h/a.tif?sig=1"], "memory://", "it would be stored in each reference"),
        (["https://me:pw@h/a.tif"], "memory://", "it would be stored in each reference"),
        ([COG], "ftp://bucket/cube", "to must be"),
        ([COG], "az://container/cube", "AZURE_STORAGE_ACCOUNT_NAME"),
        ([COG], "s3://bucket", "bucket and a prefix"),
    ],
)
def test_wrong_places_are_refused(sources: list[Any], to: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        publish(sources, to)


def test_glob_without_a_match(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file matches"):
        publish(tmp_path / "*.tif", "memory://")


def test_file_directly_below_the_root() -> None:
    with pytest.raises(PublishError, match="only below a directory"):
        publish("/a.tif", "memory://")


def test_without_icechunk() -> None:
    code = """
import sys
sys.modules["icechunk"] = None
try:
    import virtual_tiff.publishing
except ImportError as error:
    print(error)
"""
    assert 'pip install "virtual-tiff[icechunk]"' in run(code, without_us=False)


@pytest.mark.long
@pytest.mark.parametrize(
    "first", ["", "import virtual_tiff.publishing", "import virtual_tiff.publishing.run"]
)
def test_the_package_gives_the_function(first: str) -> None:
    """Whatever was imported before: a module of that name would take its place."""
    code = f"""
{first}
from virtual_tiff import publish
from virtual_tiff.publishing import publish as same
import virtual_tiff
print(publish is same is virtual_tiff.publish, callable(publish), publish.__name__)
"""
    assert run(code, without_us=False).strip() == "True True publish"


# ------------------------------------------------------------------------------- target


def test_containers_are_saved(tmp_path: Path) -> None:
    published = publish(SERIES, tmp_path / "cube", concat="time")
    storage = icechunk.local_filesystem_storage(str(tmp_path / "cube"))
    config = icechunk.Repository.fetch_config(storage)
    assert config is not None
    assert config.virtual_chunk_containers is not None
    assert published.containers == (f"file://{TESTDATA}/series/",)
    assert set(config.virtual_chunk_containers) == set(published.containers)


@pytest.mark.long
def test_container_of_a_directory_with_blanks(tmp_path: Path) -> None:
    """Icechunk 2.3 does not find a container again whose prefix is percent-encoded."""
    files = []
    for name in ("with blank", "x,a+b(c)", "ünï#x%20y"):
        (tmp_path / name).mkdir()
        files.append(Path(shutil.copy2(COG, tmp_path / name / "a b?#.tif")))
    for path in files:
        found = read(publish(path, "memory://", concat="n", check=True))
        np.testing.assert_array_equal(found[0], pixels(COG))
    assert publish(files[0], "memory://").containers == (f"file://{tmp_path}/",)
    assert publish(files[1], "memory://").containers == (f"file://{tmp_path}/x,a+b(c)/",)


def test_commit_says_what_it_is(tmp_path: Path) -> None:
    published = publish(SERIES, tmp_path / "cube", concat="time", branch="dev", message="mine")
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(tmp_path / "cube")))
    commit, *rest = repository.ancestry(branch="dev")
    assert (commit.id, commit.message) == (published.snapshot, "mine")
    assert "virtual_tiff" in commit.metadata
    assert len(rest) == 1
    assert repository.list_branches() == {"main", "dev"}


def test_storage_object_and_empty_repository() -> None:
    storage = icechunk.in_memory_storage()
    icechunk.Repository.create(storage)
    published = publish(SERIES, storage, concat="time", check=True)
    assert read(published).shape == (3, 40, 60)
    with pytest.raises(PublishError, match="the storage holds a repository"):
        publish(SERIES, storage)


def test_second_publication_to_one_place(tmp_path: Path) -> None:
    published = publish(SERIES, tmp_path / "cube", concat="time")
    with pytest.raises(PublishError, match="holds a repository"):
        publish(COG, tmp_path / "cube")
    assert read(published).shape == (3, 40, 60)


def test_directory_in_use(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(PublishError, match="not empty"):
        publish(COG, tmp_path)
    with pytest.raises(PublishError, match="is not a directory"):
        publish(COG, tmp_path / "mine.txt")
    assert (tmp_path / "mine.txt").read_text() == "keep"


def broken(error: BaseException) -> Callable[..., None]:
    def put(*_: Any) -> None:
        raise error

    return put


@pytest.mark.parametrize("error", [icechunk.IcechunkError("disk full"), KeyboardInterrupt()])
def test_failure_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(references, "_refer", broken(error))
    empty = tmp_path / "empty"
    empty.mkdir()
    for target in (tmp_path / "a" / "b" / "cube", empty):
        kind = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else PublishError
        with pytest.raises(kind, match=str(error)):
            publish(SERIES, target, concat="time")
    assert list(tmp_path.iterdir()) == [empty]
    assert list(empty.iterdir()) == []


def test_failure_in_an_empty_repository_leaves_it_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = icechunk.in_memory_storage()
    with monkeypatch.context() as patch:
        patch.setattr(references, "_refer", broken(icechunk.IcechunkError("no")))
        with pytest.raises(PublishError, match="Icechunk failed: no"):
            publish(SERIES, storage, concat="time")
    assert read(publish(SERIES, storage, concat="time")).shape == (3, 40, 60)


def test_check_finds_what_cannot_be_read(series: list[Path], tmp_path: Path) -> None:
    def remove(now: Progress) -> None:
        if now.stage == "reading" and now.files == now.total:
            series[2].unlink()

    with pytest.raises(PublishError, match="nothing was published: 0 cannot be read back"):
        publish(series, tmp_path / "cube", concat="time", check=True, progress=remove)
    assert not (tmp_path / "cube").exists()


async def test_inside_a_running_event_loop() -> None:
    assert read(publish(SERIES, "memory://", concat="time", check=True)).shape == (3, 40, 60)


def test_progress_counts_files() -> None:
    calls: list[Progress] = []
    publish(SERIES, "memory://", concat="time", progress=calls.append)
    counts = [(1, 3, 4), (2, 3, 8), (3, 3, 12)]
    for stage in ("reading", "writing"):
        of_stage = [now for now in calls if now.stage == stage]
        assert [(now.files, now.total, now.references) for now in of_stage] == counts
    assert [now.stage for now in calls[6:]] == ["committing"]
    assert {now.last for now in calls[:3]} == {path.resolve().as_uri() for path in SERIES}
    assert calls[-1].bytes == sum(path.stat().st_size for path in SERIES)
    assert calls[-1].failed == 0
