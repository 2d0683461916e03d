"""From plain metadata to VirtualiZarr's objects, and on to the stores that these are written to."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from virtualizarr import open_virtual_dataset, open_virtual_mfdataset
from virtualizarr.manifests import ManifestArray
from zarr.core.metadata.v3 import ArrayV3Metadata

from support.build import ASCII, DOUBLE, SHORT, entry, image
from support.pixels import in_memory, values
from virtual_tiff import VirtualTIFF
from virtual_tiff.arrays.layouts import arrange
from virtual_tiff.arrays.nodes import FileArray, Group, InlineArray
from virtual_tiff.manifest import _metadata, manifest_group
from virtual_tiff.tiff import TiffError

TESTDATA = Path(__file__).parent.parent.parent / "testdata"
FILES = sorted(TESTDATA.glob("[ms]*/*.tif"))
EXTERNAL = sorted((TESTDATA / "external").rglob("*.tif"))

pytestmark = pytest.mark.filterwarnings("ignore")


# ---- the short cut to zarr's metadata


def plain(group: Group) -> Iterator[FileArray | InlineArray]:
    yield from group.arrays.values()
    for child in group.groups.values():
        yield from plain(child)


def same_as_from_dict(metadata: dict[str, Any], *, inline: bool) -> None:
    """`_metadata` is `ArrayV3Metadata.from_dict`, and no field of it is another's."""
    chunk_shape = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
    found = _metadata(metadata, chunk_shape=(1,) * len(chunk_shape) if inline else None)
    expected = ArrayV3Metadata.from_dict(dict(metadata))
    if not _is_nan(expected.fill_value):
        assert found == expected
    assert found.to_dict() == expected.to_dict() or _is_nan(expected.fill_value)
    for name in ("shape", "chunk_grid", "attributes", "dimension_names", "codecs", "data_type"):
        assert getattr(found, name) == getattr(expected, name)
        assert type(getattr(found, name)) is type(getattr(expected, name))
    np.testing.assert_equal(found.fill_value, expected.fill_value)
    assert type(found.fill_value) is type(expected.fill_value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, np.inexact) and bool(np.isnan(value))


def parsed(path: Path, layout: Any = "flat") -> Group:
    """Arrays and groups as plain data."""
    import asyncio

    from obstore.store import LocalStore

    parser = VirtualTIFF(ifd_layout=layout)
    return asyncio.run(parser.parse_nodes(LocalStore(), str(path), url=path.as_uri()))[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_metadata_are_those_of_zarr(path: Path):
    for array in plain(parsed(path)):
        same_as_from_dict(array.metadata, inline=isinstance(array, InlineArray))


REFUSED = {
    "bigtiff_header_extract.tif",
    "huge-number-strips.tif",
    "huge4GB.tif",
    "huge_raster_with_ovr_huge_block.tif",
    "int12_ycbcr_contig.tif",
    "leak-ZIPSetupDecode.tif",
    "many_blocks_truncated.tif",
    "missing_tilebytecounts_and_offsets.tif",
    "scanline_more_than_2GB.tif",
    "strip_larger_than_2GB_header.tif",
    "tiff_dos_strip_chop.tif",
    "toomanyblocks.tif",
    "toomanyblocks_separate.tif",
    "uint33.tif",
    "unknown_compression.tif",
    "unsupported_codec_unknown.tif",
}
"""Files of GDAL whose first directory cannot be read; `test_meaning` has the reasons of most."""


@pytest.mark.long
def test_metadata_of_the_corpora_are_those_of_zarr():
    if not EXTERNAL:
        pytest.skip("the corpora are not there: run scripts/sync_gdal_tiffs.py")
    refused = set()
    for path in EXTERNAL:
        if path.stat().st_size > 2**22:
            continue
        try:
            group = parsed(path)
        except TiffError:
            refused.add(path.name)
            continue
        for array in list(plain(group))[:50]:
            same_as_from_dict(array.metadata, inline=isinstance(array, InlineArray))
    assert refused == REFUSED


FILLS = st.one_of(
    st.tuples(st.sampled_from(["uint8", "uint64"]), st.integers(0, 255)),
    st.tuples(st.just("int64"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(
        st.sampled_from(["float32", "float64"]),
        st.one_of(st.sampled_from(["NaN", "Infinity", "-Infinity"]), st.integers(-99, 99)),
    ),
    st.tuples(st.just("complex64"), st.just([0.5, "NaN"])),
    st.tuples(st.just("string"), st.text(max_size=3)),
)


@pytest.mark.long
@given(
    sizes=st.lists(st.tuples(st.integers(1, 99), st.integers(1, 9)), max_size=3),
    fill=FILLS,
    attributes=st.dictionaries(st.text(max_size=4), st.integers(), max_size=3),
)
def test_metadata_of_any_array_are_those_of_zarr(
    sizes: list[tuple[int, int]], fill: tuple[str, Any], attributes: dict[str, int]
):
    data_type, value = fill
    codec: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "little"}}
    if data_type == "string":
        codec = {"name": "vlen-utf8", "configuration": {}}
    chunk_shape = [chunk for _, chunk in sizes]
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [size for size, _ in sizes],
        "data_type": data_type,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk_shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": value,
        "codecs": [codec],
        "attributes": attributes,
        "dimension_names": [f"d{i}" for i in range(len(sizes))],
        "storage_transformers": [],
    }
    for inline in (False, True):
        same_as_from_dict(metadata, inline=inline)


def test_the_short_cut_leaves_its_model_alone():
    """Two files share a model; an attribute of one is not the other's."""
    first, second = (parsed(TESTDATA / "special" / f"{n}.tif") for n in ("geo_nodata", "one_pixel"))
    groups = [manifest_group(group, "file:///a.tif") for group in (first, second, first)]
    assert groups[0].arrays["0"].metadata == groups[2].arrays["0"].metadata
    assert groups[0].arrays["0"].shape != groups[1].arrays["0"].shape
    assert "gdal_no_data" not in groups[1].arrays["0"].metadata.attributes


def test_an_empty_group():
    assert arrange([], "flat", coordinates=True).arrays == {}


# ---- what users of VirtualiZarr do with it


def tiff(number: int = 0, *, bands: int = 1, **options: Any) -> bytes:
    items = "".join(
        f'<Item name="DESCRIPTION" sample="{i}" role="description">b{i}</Item>'
        f'<Item name="UNITTYPE" sample="{i}" role="unittype">ü{i}</Item>'
        for i in range(bands)
    )
    tags = [
        entry(33550, DOUBLE, [10.0, 10.0, 0.0]),
        entry(33922, DOUBLE, [0.0, 0.0, 0.0, 500_000.0, 4_000_000.0, 0.0]),
        entry(34735, SHORT, [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633]),
        entry(42112, ASCII, f"<GDALMetadata>{items}</GDALMetadata>"),
    ]
    pixels = values("u2", 16, 24, bands)[::-1] if number else values("u2", 16, 24, bands)
    return image(pixels if bands > 1 else pixels[..., 0], extra_entries=tags, **options)


KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one band": ({}, {}),
    "planar": ({"bands": 3, "planar": 2}, {}),
    "samples stored": ({"bands": 3}, {"samples": "stored"}),
}
"""What the file is, and the parser's options."""

every_kind = pytest.mark.parametrize("kind", KINDS)
every_load = pytest.mark.parametrize("load", [None, []], ids=["indexes loaded", "none loaded"])


def virtual_datasets(kind: str, load: list[str] | None) -> tuple[Any, list[xr.Dataset]]:
    how, options = KINDS[kind]
    registry = in_memory({f"{i}.tif": tiff(i, **how) for i in range(2)})
    parser = VirtualTIFF(ifd=0, **options)
    return registry, [
        open_virtual_dataset(
            f"memory:///{i}.tif", registry=registry, parser=parser, loadable_variables=load
        )
        for i in range(2)
    ]


@every_kind
@every_load
def test_two_files_are_concatenated_by_default_arguments(kind: str, load: list[str] | None):
    _, datasets = virtual_datasets(kind, load)
    cube = xr.concat(datasets, dim="time")
    assert isinstance(cube["0"].data, ManifestArray)
    assert cube["0"].sizes["time"] == 2
    if load is None:  # xarray compares them, and keeps one
        assert (cube.x.dims, cube.y.dims, cube.spatial_ref.dims) == (("x",), ("y",), ())


def test_two_files_are_combined_by_their_coordinates():
    registry = in_memory({"0.tif": tiff(), "1.tif": tiff(1)})
    datasets = [
        open_virtual_dataset(f"memory:///{i}.tif", registry=registry, parser=VirtualTIFF(ifd=0))
        for i in range(2)
    ]
    with_time = [dataset.expand_dims(time=[number]) for number, dataset in enumerate(datasets)]
    cube = xr.combine_by_coords(with_time)
    assert cube["0"].dims == ("time", "y", "x")
    assert "spatial_ref" in cube.coords


@pytest.mark.parametrize(
    "options",
    [{}, {"compat": "equals"}, {"coords": "minimal", "compat": "override"}],
    ids=str,
)
def test_many_files_are_opened_as_one(options: dict[str, Any]):
    registry = in_memory({"0.tif": tiff(), "1.tif": tiff(1)})
    cube = open_virtual_mfdataset(
        ["memory:///0.tif", "memory:///1.tif"],
        registry=registry,
        parser=VirtualTIFF(ifd=0),
        combine="nested",
        concat_dim="time",
        **options,
    )
    assert cube["0"].dims == ("time", "y", "x")
    assert cube.spatial_ref.dims == ()


def test_only_pixels_are_virtual_by_default():
    registry = in_memory({"0.tif": tiff(bands=3, planar=2)})
    store = VirtualTIFF(ifd=0)("memory:///0.tif", registry)
    for dataset in (store.to_virtual_dataset(), store.to_virtual_datatree().to_dataset()):
        virtual = [n for n, v in dataset.variables.items() if isinstance(v.data, ManifestArray)]
        assert virtual == ["0"]
        assert {"x", "y", "band", "spatial_ref"} <= set(dataset.coords)


def test_datasets_are_merged_by_default_arguments():
    registry = in_memory({"0.tif": tiff(), "1.tif": tiff(1)})
    first, second = (
        open_virtual_dataset(f"memory:///{i}.tif", registry=registry, parser=VirtualTIFF(ifd=0))
        for i in range(2)
    )
    merged = xr.merge([first, second.rename({"0": "second"})])
    assert set(merged.data_vars) == {"0", "second"}


def test_many_files_without_coordinates_are_opened_as_one():
    registry = in_memory({"0.tif": tiff(), "1.tif": tiff(1)})
    cube = open_virtual_mfdataset(
        ["memory:///0.tif", "memory:///1.tif"],
        registry=registry,
        parser=VirtualTIFF(ifd=0, coordinates=False),
        combine="nested",
        concat_dim="time",
    )
    assert cube["0"].dims == ("time", "y", "x")


def repository(folder: Path) -> icechunk.Repository:
    icechunk.set_logs_filter("error")
    prefix = f"{folder.as_uri()}/"
    config = icechunk.RepositoryConfig.default()
    store = icechunk.local_filesystem_store(str(folder))
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
    return icechunk.Repository.create(
        icechunk.local_filesystem_storage(str(folder / "repository")),
        config,
        authorize_virtual_chunk_access={prefix: icechunk.credentials.LocalFileSystemAccess},
    )


@every_kind
@every_load
def test_a_cube_in_icechunk(kind: str, load: list[str] | None, tmp_path: Path):
    from support.pixels import LOCAL

    how, options = KINDS[kind]
    parser = VirtualTIFF(ifd=0, **options)
    datasets = []
    for i in range(2):
        path = tmp_path / f"{i}.tif"
        path.write_bytes(tiff(i, **how))
        datasets.append(
            open_virtual_dataset(
                path.as_uri(), registry=LOCAL, parser=parser, loadable_variables=load
            )
        )
    session = repository(tmp_path).writable_session("main")
    xr.concat(datasets, dim="time").vz.to_icechunk(session.store)
    found = xr.open_zarr(session.store, consolidated=False).load()
    alone = xr.open_zarr(parser((tmp_path / "1.tif").as_uri(), LOCAL)).load()
    np.testing.assert_array_equal(found["0"].isel(time=1), alone["0"])
    if "band" in alone.coords:
        one = found.band.isel(time=1) if "time" in found.band.dims else found.band
        assert one.values.tolist() == alone.band.values.tolist()
        assert found["0"].attrs["band_units"] == alone["0"].attrs["band_units"]
    x = found.x.isel(time=1) if "time" in found.x.dims else found.x
    np.testing.assert_array_equal(x, alone.x)
    assert found.spatial_ref.attrs == without_transform(alone)
    assert found["0"].rio.transform() == alone["0"].rio.transform()


def without_transform(dataset: xr.Dataset) -> dict[str, Any]:
    """The grid mapping of a virtual dataset: its coordinates say where pixels lie."""
    return {k: v for k, v in dataset.spatial_ref.attrs.items() if k != "GeoTransform"}


def test_a_file_is_appended_to_a_cube_in_icechunk(tmp_path: Path):
    from support.pixels import LOCAL

    parser = VirtualTIFF(ifd=0)
    urls = []
    for i in range(2):
        path = tmp_path / f"{i}.tif"
        path.write_bytes(tiff(i))
        urls.append(path.as_uri())
    cube = repository(tmp_path)
    for i, options in enumerate([{}, {"append_dim": "time"}]):
        dataset = open_virtual_dataset(urls[i], registry=LOCAL, parser=parser)
        session = cube.writable_session("main")
        dataset.expand_dims(time=[i]).vz.to_icechunk(session.store, **options)
        session.commit("one file")
    stored = xr.open_zarr(cube.readonly_session("main").store, consolidated=False)
    for i in range(2):
        alone = xr.open_zarr(parser(urls[i], LOCAL))
        np.testing.assert_array_equal(stored["0"].sel(time=i), alone["0"])
    np.testing.assert_array_equal(stored.x, alone.x)
    assert stored.spatial_ref.attrs == without_transform(alone)


def test_kerchunk_has_the_coordinates():
    registry = in_memory({"a.tif": tiff(bands=3, planar=2)})
    dataset = open_virtual_dataset(
        "memory:///a.tif", registry=registry, parser=VirtualTIFF(ifd=0), loadable_variables=[]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        references = dataset.vz.to_kerchunk(format="dict")["refs"]
    for name in ("x", "y", "spatial_ref", "band"):
        # 2.8 writes a scalar's chunk without the number, where no reader looks: it reads as 0,
        # which is its value
        assert references[f"{name}/" if name == "spatial_ref" else f"{name}/0"]
    assert references["0/0.0.0"][0] == "memory:///a.tif"
