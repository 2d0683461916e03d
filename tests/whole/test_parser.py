"""VirtualTIFF: its options, its stores, its ways to be called, its errors."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import pickle
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import HTTPStore, LocalStore, MemoryStore
from virtualizarr.manifests import ManifestArray, ManifestStore

from support.build import LONG, SHORT, Picture, directory_at, entry, image, images
from support.http import HttpServer
from support.pixels import LOCAL, by_gdal, in_memory, read, values, virtual, zarr_array
from support.stores import AsyncObspecStore, ObspecStore
from support.warned import of_tiff
from virtual_tiff import Reading, VirtualTIFF
from virtual_tiff.store import CheckedManifestStore
from virtual_tiff.tiff import (
    FormatError,
    LimitError,
    Limits,
    TiffWarning,
    TruncatedError,
    UnsupportedError,
)

SPECIAL = Path(__file__).parent.parent.parent / "testdata" / "special"

PIXELS = values("u2", 21, 29)
TIFF = image(PIXELS, rows_per_strip=8, compression=8)
UNKNOWN_FIELD_TYPE = entry(65000, 99, b"abcd")
WITH_WARNING = image(PIXELS, extra_entries=[UNKNOWN_FIELD_TYPE])


def arrays(store: CheckedManifestStore) -> dict[str, ManifestArray]:
    """The arrays of images; coordinates stand beside them, see test_coordinates.py."""
    return {name: array for name, array in store.group.arrays.items() if is_image(name)}


def is_image(name: str) -> bool:
    return name.replace(".", "").isdecimal()


def shapes(store: CheckedManifestStore) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays(store).items()}


def dimensions(store: CheckedManifestStore) -> dict[str, tuple[str | None, ...] | None]:
    return {name: array.metadata.dimension_names for name, array in arrays(store).items()}


def special(name: str, **options: Any) -> CheckedManifestStore:
    return VirtualTIFF(**options)((SPECIAL / f"{name}.tif").as_uri(), LOCAL)


def holds_pixels(store: CheckedManifestStore) -> bool:
    return np.array_equal(zarr_array(store)[...], PIXELS)


def outcomes(results: list[Any]) -> list[str]:
    """Names of classes."""
    return [type(result).__name__ for result in results]


# ---- the interface of 0.5.0


def test_the_first_two_parameters_are_those_of_0_5_0():
    parameters = list(inspect.signature(VirtualTIFF).parameters.values())
    found = [(p.name, p.default, p.kind) for p in parameters[:2]]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert found == [("ifd", None, kind), ("ifd_layout", "flat", kind)]


def test_all_other_parameters_are_keyword_options():
    parameters = list(inspect.signature(VirtualTIFF).parameters.values())
    assert {p.kind for p in parameters[2:]} == {inspect.Parameter.KEYWORD_ONLY}


def test_ifd_and_layout_may_be_positional():
    assert VirtualTIFF(0, "nested") == VirtualTIFF(ifd=0, ifd_layout="nested")


def test_the_call_takes_url_and_registry_by_name():
    store = VirtualTIFF()(url="memory:///a.tif", registry=in_memory({"a.tif": TIFF}))
    assert isinstance(store, ManifestStore)


@pytest.mark.parametrize("layout", ["tree", "", None, "FLAT", 0, []])
def test_another_layout_is_refused_with_the_allowed_ones(layout: Any):
    with pytest.raises(ValueError, match="ifd_layout must be one of 'flat', 'nested', 'pyramid'"):
        VirtualTIFF(ifd_layout=layout)


@pytest.mark.parametrize("ifd", [-1, "", "x", "0/", "/0", "0//1", "-1", 1.0, True, b"0", [0]])
def test_another_ifd_is_refused_with_what_is_allowed(ifd: Any):
    with pytest.raises(
        ValueError, match='ifd must be None, a number from 0 on, or a path such as "0/1"'
    ):
        VirtualTIFF(ifd=ifd)


def test_reading_is_of_its_class():
    with pytest.raises(ValueError, match=r"reading must be a virtual_tiff\.Reading, not 1024"):
        VirtualTIFF(reading=1024)  # type: ignore[arg-type]


def test_reading_says_how_much_is_read_at_first(http_server: HttpServer):
    http_server.put("a.tif", image(values("u1", 64, 64)))
    registry: Any = ObjectStoreRegistry(
        {http_server.url: HTTPStore.from_url(http_server.url, client_options={"allow_http": True})}
    )
    VirtualTIFF(reading=Reading(head=1000))(f"{http_server.url}/a.tif", registry)
    assert http_server.requests[0].range == "bytes=0-999"


@pytest.mark.parametrize("merge_strips", [None, 1, "yes"])
def test_merge_strips_is_true_or_false(merge_strips: Any):
    with pytest.raises(ValueError, match="merge_strips must be True or False, not"):
        VirtualTIFF(merge_strips=merge_strips)


@pytest.mark.parametrize("coordinates", [None, 0, "no"])
def test_coordinates_is_true_or_false(coordinates: Any):
    with pytest.raises(ValueError, match="coordinates must be True or False, not"):
        VirtualTIFF(coordinates=coordinates)


@pytest.mark.parametrize("samples", [None, "last", True, []])
def test_samples_is_first_or_stored(samples: Any):
    with pytest.raises(ValueError, match="samples must be 'first' or 'stored', not"):
        VirtualTIFF(samples=samples)


@pytest.mark.parametrize("limits", [None, {"blocks": 1}, 5])
def test_limits_must_be_limits(limits: Any):
    with pytest.raises(ValueError, match=r"limits must be a virtual_tiff\.Limits, not"):
        VirtualTIFF(limits=limits)


def test_an_unknown_option_is_a_type_error_that_names_it():
    with pytest.raises(TypeError, match="band"):
        VirtualTIFF(band=[1])  # type: ignore[call-arg]


def test_a_parser_cannot_be_changed():
    with pytest.raises(AttributeError):
        VirtualTIFF().ifd = 1  # type: ignore[misc]


def test_a_limit_reaches_the_parse_and_names_itself_and_the_url():
    with pytest.raises(LimitError, match=r"blocks=2.*Limits\(blocks=3\).*memory:///a.tif"):
        virtual(TIFF, limits=Limits(blocks=2))


# ---- names, dimensions, layouts


def test_one_sample_is_y_x():
    assert dimensions(virtual(TIFF)) == {"0": ("y", "x")}


@pytest.mark.parametrize("planar", [1, 2])
def test_several_samples_are_band_y_x(planar: int):
    store = virtual(image(values("u1", 5, 7, 3), planar=planar))
    assert (dimensions(store), shapes(store)) == ({"0": ("band", "y", "x")}, {"0": (3, 5, 7)})


def test_arrays_are_named_by_their_number():
    assert list(arrays(special("pages_equal"))) == ["0", "1", "2"]


def test_subifds_are_named_by_their_path():
    assert shapes(special("subifds")) == {"0": (40, 60), "0.0": (20, 30), "0.1": (10, 15)}


def test_pages_of_one_size_share_dimensions():
    assert set(dimensions(special("pages_equal")).values()) == {("y", "x")}


def test_levels_of_a_cog_have_dimensions_of_their_own():
    assert dimensions(special("cog")) == {
        "0": ("y", "x"),
        "1": ("y_1", "x_1"),
        "2": ("y_2", "x_2"),
    }


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("cog", {"y": 40, "x": 60, "y_1": 20, "x_1": 30, "y_2": 10, "x_2": 15}),
        ("cog_rgb", {"band": 3, "y": 40, "x": 60, "y_1": 20, "x_1": 30, "y_2": 10, "x_2": 15}),
        ("pages_of_sizes", {"y": 40, "x": 60, "y_1": 20, "x_1": 30, "y_2": 21, "x_2": 29}),
        ("pages_equal", {"y": 21, "x": 29}),
        ("subifd_single", {"y": 40, "x": 60, "y_0.0": 20, "x_0.0": 30}),
    ],
)
def test_the_flat_layout_opens_with_xarray(name: str, sizes: dict[str, int]):
    dataset = xr.open_zarr(special(name))
    assert dict(dataset.sizes) == sizes


@pytest.mark.parametrize(
    "samples",
    [
        (3, 1),
        (1, 3),
        (3, 4),
        (3, 1, 4),
        (1, 3, 4),
        (1, 3, 4, 3),
    ],
    ids=lambda samples: "-".join(map(str, samples)),
)
def test_pages_with_different_samples_open_with_xarray(samples: tuple[int, ...]):
    pages = [values("u1", 5, 7, n) if n > 1 else values("u1", 5, 7) for n in samples]
    dataset = xr.open_zarr(virtual(images([Picture(page, photometric=1) for page in pages])))
    found = [dataset[str(i)].shape for i in range(len(pages))]
    assert found == [((n, 5, 7) if n > 1 else (5, 7)) for n in samples]


def test_the_nested_layout_has_a_group_for_each_array():
    store = special("cog", ifd_layout="nested")
    names = {
        name: list(filter(is_image, group.arrays)) for name, group in store.group.groups.items()
    }
    assert (names, store.group.arrays) == ({"0": ["0"], "1": ["1"], "2": ["2"]}, {})


def test_the_nested_layout_opens_as_a_datatree():
    store = special("cog", ifd_layout="nested")
    tree = xr.open_datatree(store, engine="zarr", consolidated=False, zarr_format=3)
    sizes = {node.path: dict(node.sizes) for node in tree.leaves}
    assert sizes == {
        "/0": {"y": 40, "x": 60},
        "/1": {"y": 20, "x": 30},
        "/2": {"y": 10, "x": 15},
    }


def test_the_nested_layout_opens_as_a_virtual_datatree():
    tree = special("cog", ifd_layout="nested").to_virtual_datatree()
    assert [node.path for node in tree.leaves] == ["/0", "/1", "/2"]


def test_both_layouts_hold_the_same_pixels():
    flat, nested = special("cog"), special("cog", ifd_layout="nested")
    same = [
        np.array_equal(zarr_array(flat, name)[...], zarr_array(nested, f"{name}/{name}")[...])
        for name in "012"
    ]
    assert same == [True, True, True]


# ---- one directory


@pytest.mark.parametrize("ifd", [1, "1"])
def test_ifd_exposes_one_page_under_its_number_and_the_plain_dimensions(ifd: int | str):
    store = special("pages_of_sizes", ifd=ifd)
    assert (shapes(store), dimensions(store)) == ({"1": (20, 30)}, {"1": ("y", "x")})


def test_ifd_0_exposes_the_first_page():
    assert shapes(special("cog", ifd=0)) == {"0": (40, 60)}


@pytest.mark.parametrize("name", ["subifds", "subifds_mm_bigtiff"])
@pytest.mark.parametrize(("path", "shape"), [("0/0", (20, 30)), ("0/1", (10, 15))])
def test_a_path_exposes_a_subifd(name: str, path: str, shape: tuple[int, int]):
    store = special(name, ifd=path)
    assert shapes(store) == {path.replace("/", "."): shape}


def test_a_path_may_lead_through_several_subifds():
    inner = Picture(values("u1", 3, 4), next=0)
    middle = Picture(
        values("u1", 5, 6), next=0, extra_entries=[entry(330, LONG, [directory_at(2)])]
    )
    outer = Picture(values("u1", 7, 8), next=0, extra_entries=[entry(330, LONG, [directory_at(1)])])
    assert shapes(virtual(images([outer, middle, inner]), ifd="0/0/0")) == {"0.0.0": (3, 4)}


def test_a_nested_subifd_opens_as_a_datatree():
    store = special("subifds", ifd="0/1", ifd_layout="nested")
    tree = xr.open_datatree(store, engine="zarr", consolidated=False, zarr_format=3)
    assert [dict(node.sizes) for node in tree.leaves] == [{"y": 10, "x": 15}]


@pytest.mark.parametrize("ifd", [3, "3", "0/0", "7/1"])
def test_a_missing_ifd_is_a_format_error_that_names_those_there(ifd: int | str):
    with pytest.raises(FormatError, match=rf"no IFD '{ifd}'; it has 0.*pages_equal\.tif"):
        special("pages_equal", ifd=ifd)


def test_a_missing_subifd_is_a_format_error_that_names_those_there():
    with pytest.raises(FormatError) as caught:
        special("subifds", ifd="0/2")
    assert "no IFD '0/2'; it has 0, 0/0, 0/1" in str(caught.value)


# ---- the url and the object


@pytest.mark.parametrize("url", ["a.tif", "/data/a.tif", "", "file:a.tif"])
def test_a_url_without_a_scheme_is_refused_with_an_example(url: str):
    with pytest.raises(ValueError, match=f"{url!r} is not a url; .*file:///"):
        VirtualTIFF()(url, in_memory({"a.tif": TIFF}))


def test_a_url_that_no_store_serves_is_refused_with_those_that_are():
    with pytest.raises(
        ValueError, match=r"no store for s3://bucket/a\.tif; it has stores for memory://"
    ):
        VirtualTIFF()("s3://bucket/a.tif", in_memory({}))


def test_an_empty_registry_serves_none():
    with pytest.raises(ValueError, match="it has stores for none"):
        VirtualTIFF()("s3://bucket/a.tif", ObjectStoreRegistry())


def test_a_missing_local_file_is_file_not_found(tmp_path: Path):
    url = (tmp_path / "missing.tif").as_uri()
    with pytest.raises(FileNotFoundError, match=re.escape(url)):
        VirtualTIFF()(url, LOCAL)


STORES: dict[str, Callable[[dict[str, bytes]], tuple[str, Any]]] = {
    "memory": lambda files: ("memory://", in_memory(files).resolve("memory:///a.tif")[0]),
    "obspec": lambda files: ("obspec://bucket", ObspecStore(files)),
    "async-obspec": lambda files: ("obspec://bucket", AsyncObspecStore(files)),
}

every_store = pytest.mark.parametrize("kind", STORES)


def served(kind: str, files: dict[str, bytes]) -> tuple[str, ObjectStoreRegistry[Any]]:
    """The url of `a.tif` and the registry that serves it."""
    root, store = STORES[kind](files)
    return f"{root}/a.tif", ObjectStoreRegistry({root: store})


FAILURES: dict[str, tuple[dict[str, bytes], type[Exception]]] = {
    "missing": ({}, FileNotFoundError),
    "empty": ({"a.tif": b""}, TruncatedError),
    "no TIFF": ({"a.tif": b"\x89PNG\r\n\x1a\n and more"}, FormatError),
    "three bytes": ({"a.tif": b"II*"}, TruncatedError),
    "header alone": ({"a.tif": TIFF[:8]}, TruncatedError),
    "half a directory": ({"a.tif": TIFF[:60]}, TruncatedError),
}

every_failure = pytest.mark.parametrize("failure", FAILURES)


@every_store
@every_failure
def test_a_failure_is_of_its_class_and_names_the_url(kind: str, failure: str):
    files, error = FAILURES[failure]
    url, registry = served(kind, files)
    with pytest.raises(error, match=re.escape(url)):
        VirtualTIFF()(url, registry)


@every_store
@every_failure
async def test_an_awaited_failure_is_of_its_class_and_names_the_url(kind: str, failure: str):
    files, error = FAILURES[failure]
    url, registry = served(kind, files)
    with pytest.raises(error, match=re.escape(url)):
        await VirtualTIFF().parse(url, registry)


@every_failure
def test_a_failure_over_http_is_of_its_class_and_names_the_url(
    http_server: HttpServer, failure: str
):
    files, error = FAILURES[failure]
    for path, data in files.items():
        http_server.put(path, data)
    url, registry = over_http(http_server)
    with pytest.raises(error, match=re.escape(url)):
        VirtualTIFF()(url, registry)


# ---- the ways to be called


@every_store
def test_a_store_is_read_in_a_script(kind: str):
    url, registry = served(kind, {"a.tif": TIFF})
    assert holds_pixels(VirtualTIFF()(url, registry))


@every_store
async def test_a_store_is_read_by_a_synchronous_call_in_a_running_loop(kind: str):
    url, registry = served(kind, {"a.tif": TIFF})
    assert shapes(VirtualTIFF()(url, registry)) == {"0": PIXELS.shape}


@every_store
async def test_a_store_is_read_by_await(kind: str):
    url, registry = served(kind, {"a.tif": TIFF})
    assert holds_pixels(await VirtualTIFF().parse(url, registry))


@every_store
async def test_a_store_is_read_in_a_thread_of_asyncio(kind: str):
    url, registry = served(kind, {"a.tif": TIFF})
    assert holds_pixels(await asyncio.to_thread(VirtualTIFF(), url, registry))


@every_store
def test_a_store_is_read_in_a_thread_pool(kind: str):
    url, registry = served(kind, {"a.tif": TIFF})
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: VirtualTIFF()(url, registry), range(64)))
    assert [shapes(result) for result in results] == [{"0": PIXELS.shape}] * 64


def test_a_local_file_is_read(tmp_path: Path):
    file = tmp_path / "a name with spaces.tif"
    file.write_bytes(TIFF)
    assert holds_pixels(VirtualTIFF()(f"file://{file}", LOCAL))


def test_a_store_with_a_prefix_is_read(tmp_path: Path):
    (tmp_path / "a.tif").write_bytes(TIFF)
    registry = ObjectStoreRegistry({tmp_path.as_uri(): LocalStore(tmp_path)})
    assert holds_pixels(VirtualTIFF()((tmp_path / "a.tif").as_uri(), registry))


def over_http(server: HttpServer) -> tuple[str, ObjectStoreRegistry[Any]]:
    store = HTTPStore.from_url(server.url, client_options={"allow_http": True})
    return f"{server.url}/a.tif", ObjectStoreRegistry({server.url: store})


def test_http_is_read(http_server: HttpServer):
    http_server.put("a.tif", TIFF)
    assert holds_pixels(VirtualTIFF()(*over_http(http_server)))


async def test_http_is_read_by_a_synchronous_call_in_a_running_loop(http_server: HttpServer):
    http_server.put("a.tif", TIFF)
    assert shapes(VirtualTIFF()(*over_http(http_server))) == {"0": PIXELS.shape}


async def test_http_is_read_by_await(http_server: HttpServer):
    http_server.put("a.tif", TIFF)
    assert holds_pixels(await VirtualTIFF().parse(*over_http(http_server)))


async def test_the_state_at_the_parse_is_returned():
    store = ObspecStore({"a.tif": TIFF})
    registry = ObjectStoreRegistry({"obspec://bucket": store})
    _, state = await VirtualTIFF().parse_with_state("obspec://bucket/a.tif", registry)
    known = store.head("a.tif")
    assert (state.size, state.etag, state.last_modified) == (
        len(TIFF),
        known["e_tag"],
        known["last_modified"],
    )


# ---- an object of a store


async def test_an_object_is_parsed_without_a_registry(tmp_path: Path):
    """The store has a prefix that the url does not have: nothing is looked up by the url."""
    (tmp_path / "a b#%20.tif").write_bytes(TIFF)
    url = "https://example.com/mirror/a.tif"
    store = await VirtualTIFF().parse_object(LocalStore(tmp_path), "a b#%20.tif", url=url)
    array = store.group.arrays["0"]
    assert set(array.manifest.iter_nonempty_paths()) == {url}
    assert holds_pixels(store)
    assert holds_pixels(pickle.loads(pickle.dumps(store)))


async def test_the_url_of_an_object_is_that_which_its_store_states(tmp_path: Path):
    (tmp_path / "a b#%20.tif").write_bytes(TIFF)
    store = LocalStore(tmp_path)
    asynchronous = await VirtualTIFF().parse_object(store, "a b#%20.tif")
    for virtual_store in (asynchronous, VirtualTIFF().parse_object_sync(store, "a b#%20.tif")):
        (url,) = set(virtual_store.group.arrays["0"].manifest.iter_nonempty_paths())
        assert url == (tmp_path / "a b#%20.tif").as_uri()
        assert holds_pixels(virtual_store)
        assert holds_pixels(VirtualTIFF()(url, ObjectStoreRegistry({"file://": LocalStore()})))


def test_the_url_of_an_object_of_another_store_is_asked_for():
    with pytest.raises(ValueError, match=r"ObspecStore does not state .* give the url"):
        VirtualTIFF().parse_object_sync(ObspecStore({"a.tif": TIFF}), "a.tif")


@pytest.mark.parametrize("make", [ObspecStore, AsyncObspecStore])
async def test_an_object_of_any_obspec_store_is_parsed(make: Any):
    store = make({"a.tif": TIFF})
    virtual_store = await VirtualTIFF().parse_object(store, "a.tif", url="obspec://bucket/a.tif")
    assert shapes(virtual_store) == {"0": PIXELS.shape}


async def test_errors_of_an_object_name_its_url():
    store = ObspecStore({"a.tif": b"no TIFF at all"})
    with pytest.raises(FormatError, match=r"obspec://bucket/a\.tif"):
        await VirtualTIFF().parse_object(store, "a.tif", url="obspec://bucket/a.tif")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("data/a.tif", "is not a url"),
        ("https://me:hush@example.com/a.tif", "has a user name or password"),
        (
            "https://example.com/a.tif?X-Amz-Signature=hush",
            r"has a .*would be stored in each reference",
        ),
    ],
)
async def test_the_url_of_an_object_is_one_that_references_can_have(url: str, message: str):
    with pytest.raises(ValueError, match=message) as caught:
        await VirtualTIFF().parse_object(ObspecStore({"a.tif": TIFF}), "a.tif", url=url)
    assert "hush" not in str(caught.value)


# ---- many files


async def test_parse_many_keeps_the_order():
    tiffs = {f"{i}.tif": image(values("u1", 5 + i, 7)) for i in range(20)}
    urls = [f"memory:///{i}.tif" for i in reversed(range(20))]
    results = await VirtualTIFF().parse_many(urls, in_memory(tiffs), concurrency=3)
    assert [shapes(result)["0"][0] for result in results] == [5 + i for i in reversed(range(20))]


async def test_parse_many_takes_any_iterable():
    urls = (f"memory:///{name}.tif" for name in "ab")
    results = await VirtualTIFF().parse_many(urls, in_memory({"a.tif": TIFF, "b.tif": TIFF}))
    assert [holds_pixels(result) for result in results] == [True, True]


async def test_parse_many_of_nothing_is_nothing():
    assert await VirtualTIFF().parse_many([], in_memory({})) == []


async def test_a_url_in_place_of_urls_is_refused():
    with pytest.raises(ValueError, match=r"memory:///a\.tif"):
        await VirtualTIFF().parse_many("memory:///a.tif", in_memory({"a.tif": TIFF}))


async def test_parse_many_keeps_an_error_in_its_place():
    registry = in_memory({"a.tif": TIFF, "b.tif": b"no TIFF at all", "c.tif": b""})
    urls = [f"memory:///{name}.tif" for name in "abcd"] + ["s3://other/a.tif", "memory:///a.tif"]
    results = await VirtualTIFF().parse_many(urls, registry)
    assert outcomes(results) == [
        "CheckedManifestStore",
        "FormatError",
        "TruncatedError",
        "FileNotFoundError",
        "ValueError",
        "CheckedManifestStore",
    ]


async def test_each_error_of_parse_many_names_its_url():
    registry = in_memory({"b.tif": b"no TIFF at all", "c.tif": b"", "e.tif": TIFF[:60]})
    urls = [f"memory:///{name}.tif" for name in "bcde"] + ["s3://other/a.tif", "file.tif"]
    results = await VirtualTIFF().parse_many(urls, registry)
    assert [url in str(error) for url, error in zip(urls, results, strict=True)] == [True] * 6


class WatchedStore(AsyncObspecStore):
    """Knows how many reads there were at once."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.open = 0
        self.most = 0

    async def get_async(self, path: str, *, options: Any = None) -> Any:
        self.open += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(0.002)
        self.open -= 1
        return await super().get_async(path, options=options)


@pytest.mark.parametrize(
    ("options", "most"), [({"concurrency": 1}, 1), ({"concurrency": 5}, 5), ({}, 128)]
)
async def test_parse_many_reads_as_many_at_once_as_it_is_told(options: dict[str, int], most: int):
    store = WatchedStore({f"{i}.tif": TIFF for i in range(200)})
    registry = ObjectStoreRegistry({"obspec://bucket": store})
    urls = [f"obspec://bucket/{i}.tif" for i in range(200)]
    await VirtualTIFF().parse_many(urls, registry, **options)
    assert store.most == most


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, "2", None])
async def test_another_concurrency_is_refused_with_what_is_allowed(concurrency: Any):
    with pytest.raises(ValueError, match="concurrency must be a positive integer, not"):
        await VirtualTIFF().parse_many([], in_memory({}), concurrency=concurrency)


# ---- pickling


def test_a_parser_pickles():
    parser = VirtualTIFF("0/1", "nested", merge_strips=False, limits=Limits(blocks=10))
    assert pickle.loads(pickle.dumps(parser)) == parser


@pytest.mark.parametrize("layout", ["flat", "nested"])
def test_a_result_pickles_with_its_pixels(layout: Any):
    store = special("cog", ifd_layout=layout)
    name = "0" if layout == "flat" else "0/0"
    copy = pickle.loads(pickle.dumps(store))
    assert np.array_equal(zarr_array(copy, name)[...], zarr_array(store, name)[...])


def test_a_pickled_error_keeps_its_message():
    with pytest.raises(FormatError) as caught:
        special("cog", ifd=9)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.long
def test_a_process_pool_parses_and_sends_the_store_back(tmp_path: Path):
    (tmp_path / "a.tif").write_bytes(TIFF)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        future = pool.submit(VirtualTIFF(), (tmp_path / "a.tif").as_uri(), LOCAL)
        assert holds_pixels(future.result(60))


# ---- warnings


@every_store
def test_a_warning_names_the_url(kind: str):
    url, registry = served(kind, {"a.tif": WITH_WARNING})
    with pytest.warns(TiffWarning, match=rf"{re.escape(url)}: IFD 0: tag 65000"):
        VirtualTIFF()(url, registry)


def test_a_warning_points_at_the_callers_line():
    with pytest.warns(TiffWarning) as caught:
        VirtualTIFF()("memory:///a.tif", in_memory({"a.tif": WITH_WARNING}))
    assert [Path(warning.filename) for warning in of_tiff(caught)] == [Path(__file__)]


async def test_each_warning_of_parse_many_names_its_own_url():
    store = WatchedStore({f"{i}.tif": WITH_WARNING for i in range(8)})
    urls = [f"obspec://bucket/{i}.tif" for i in range(8)]
    with pytest.warns(TiffWarning) as caught:
        await VirtualTIFF().parse_many(urls, ObjectStoreRegistry({"obspec://bucket": store}))
    assert sorted(str(w.message).partition(": IFD")[0] for w in of_tiff(caught)) == urls


def test_a_sound_file_warns_of_nothing(recwarn: pytest.WarningsRecorder):
    virtual(TIFF)
    assert [str(warning.message) for warning in of_tiff(recwarn)] == []


def test_two_stores_in_one_registry_are_told_apart():
    first, second = MemoryStore(), MemoryStore()
    first.put("a.tif", TIFF)
    second.put("a.tif", image(values("u1", 4, 5)))
    registry = ObjectStoreRegistry({"s3://first": first, "s3://second": second})
    found = [shapes(VirtualTIFF()(f"s3://{name}/a.tif", registry)) for name in ("first", "second")]
    assert found == [{"0": (21, 29)}, {"0": (4, 5)}]


def test_a_chunk_above_the_limit_is_refused_and_the_limit_can_be_lifted():
    data = image(values("u2", 30, 20), compression=8)
    with pytest.raises(LimitError, match=r"block_bytes=1,199; .* Limits\(block_bytes=1200\)"):
        virtual(data, limits=Limits(block_bytes=1199))
    virtual(data, limits=Limits(block_bytes=1200))


def test_a_volume_gives_its_first_plane_with_a_warning():
    data = image(values("u1", 10, 20), extra_entries=[entry(32997, LONG, 5)])
    with pytest.warns(TiffWarning, match="ImageDepth is 5; the first plane is read"):
        virtual(data)


def test_an_image_of_one_plane_has_tiles_of_one():
    """Slides of Philips say 9; GDAL judges."""
    pixels = values("u1", 40, 50)
    data = image(pixels, tile=(16, 32), extra_entries=[entry(32998, SHORT, 9)])
    np.testing.assert_array_equal(read(data), by_gdal(data))


def test_a_tile_that_is_a_jpeg_is_one_plane():
    """So in slides of Philips, which say 9 for both depths; GDAL judges."""
    depths = [entry(32997, LONG, 9), entry(32998, LONG, 9)]
    data = image(
        values("u1", 40, 48),
        tile=(16, 16),
        compression=7,
        encode_block=imagecodecs.jpeg8_encode,
        extra_entries=depths,
    )
    with pytest.warns(TiffWarning, match="ImageDepth is 9; the first plane is read"):
        pixels = read(data)
    np.testing.assert_array_equal(pixels, by_gdal(data))


def test_tiles_of_several_planes_are_refused_by_name():
    depths = [entry(32997, LONG, 4), entry(32998, LONG, 2)]
    data = image(values("u1", 10, 20), tile=(16, 32), extra_entries=depths)
    with pytest.raises(
        UnsupportedError, match=r"tiles of 2 planes cannot be read .*TileDepth \(32998\)"
    ):
        virtual(data)
