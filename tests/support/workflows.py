"""What people do with virtual datasets, opened files and cubes: each a call, run and compared.

`tests/interoperability/test_workflows.py` runs all of them, and `scripts/make_workflows.py` makes
the table of docs/interoperability.md of them. Where another library's fault makes a call fail, the
row names the fault and our way round, which is run too; when the call begins to work, its test
fails.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import rasterio
import rioxarray  # noqa: F401 (the accessor)
import xarray as xr
import zarr
from numpy.typing import NDArray
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from rasterio.transform import from_origin
from virtualizarr import open_virtual_dataset, open_virtual_datatree, open_virtual_mfdataset

import virtual_tiff
from support import node
from virtual_tiff import VirtualTIFF, open_published, publish, to_kerchunk

__all__ = ["WORKFLOWS", "Workflow", "prepare"]

ROOT = Path(__file__).parents[2]
REGISTRY: Any = ObjectStoreRegistry({"file://": LocalStore()})
READERS = ROOT / "scripts" / "_zarr_readers.py"


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A call, and what it is to give."""

    kind: str
    """VirtualiZarr, xarray or client."""
    name: str
    """As the table shows it."""
    run: Callable[[Path], None] | None = None
    """Does it in a folder with the files of `prepare`, and fails if it gives other pixels."""
    test: str = ""
    """The test that does it, if it takes a browser or packages that may be absent."""
    fault: str = ""
    """Why the call fails: whose fault it is. `run` is then the way round."""
    fails: Callable[[Path], object] | None = None
    """The call that fails by it."""
    way: str = ""
    """The way round, or a remark."""


def prepare(folder: Path) -> None:
    """Write the files: scenes of two days, adjacent tiles, an image of RGB, floats, a mask."""
    for number in (0, 1):
        _cog(folder / f"{number}.tif", number, compress="lzw", predictor=2)
        _cog(folder / f"rgb{number}.tif", number, count=3, dtype="uint8", compress="deflate")
        at = (500_000 + 640 * number, 4_600_000)
        _cog(folder / f"tile{number}.tif", number, at=at, compress="deflate", driver="GTiff")
        # without overviews, for those that have a stack alone
        _cog(folder / f"plain{number}.tif", number, driver="GTiff", compress="zstd")
    _cog(folder / "float.tif", 5, dtype="float32", compress="deflate", predictor=3)


def _cog(
    path: Path,
    number: int,
    *,
    at: tuple[float, float] = (500_000, 4_600_000),
    count: int = 1,
    dtype: str = "uint16",
    driver: str = "COG",
    **options: Any,
) -> None:
    values = np.random.default_rng(number).integers(1, 250, (count, 64, 64)).astype(dtype)
    blocks = {"blocksize": 16} if driver == "COG" else {"blockxsize": 16, "blockysize": 16}
    with rasterio.open(
        path, "w", driver=driver, width=64, height=64, count=count, dtype=dtype,
        crs="EPSG:32632", transform=from_origin(*at, 10, 10), **blocks,
        **({"tiled": True} if driver == "GTiff" else {}), **options,
    ) as file:  # fmt: skip
        file.write(values)


def _pixels(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as file:
        bands: NDArray[Any] = file.read()
    return bands[0] if len(bands) == 1 else bands


def _same(found: Any, *paths: Path) -> None:
    expected = [_pixels(path) for path in paths]
    values = np.asarray(found)
    np.testing.assert_array_equal(values, expected[0] if len(paths) == 1 else np.stack(expected))


# ------------------------------------------------------------------------- VirtualiZarr


def _virtual(path: Path, **options: Any) -> xr.Dataset:
    found: xr.Dataset = open_virtual_dataset(
        path.as_uri(), registry=REGISTRY, parser=VirtualTIFF(**options)
    )
    return found


def _repository(folder: Path) -> icechunk.Repository:
    prefix = f"file://{folder}/"
    config = icechunk.RepositoryConfig.default()
    store = icechunk.local_filesystem_store(str(folder))
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
    return icechunk.Repository.create(
        icechunk.in_memory_storage(),
        config=config,
        authorize_virtual_chunk_access={prefix: icechunk.credentials.LocalFileSystemAccess},
    )


def _written(virtual: xr.Dataset, folder: Path) -> xr.Dataset:
    repository = _repository(folder)
    session = repository.writable_session("main")
    virtual.vz.to_icechunk(session.store)
    session.commit("written")
    return _open(repository.readonly_session("main").store)


def _open(store: Any) -> xr.Dataset:
    found: xr.Dataset = xr.open_zarr(store, chunks=None, consolidated=False)
    return found


def _two(folder: Path, name: str = "{}.tif") -> tuple[Path, Path]:
    return folder / name.format(0), folder / name.format(1)


def _open_virtual_dataset(folder: Path) -> None:
    _same(_written(_virtual(folder / "0.tif"), folder)["0"], folder / "0.tif")


def _open_virtual_mfdataset(folder: Path) -> None:
    paths = _two(folder)
    urls = [path.as_uri() for path in paths]
    virtual = open_virtual_mfdataset(
        urls, registry=REGISTRY, parser=VirtualTIFF(ifd=0), combine="nested", concat_dim="time"
    )
    _same(_written(virtual, folder)["0"], *paths)


def _open_virtual_datatree(folder: Path) -> None:
    path = folder / "0.tif"
    parser = VirtualTIFF(ifd_layout="nested")
    tree = open_virtual_datatree(path.as_uri(), registry=REGISTRY, parser=parser)
    repository = _repository(folder)
    session = repository.writable_session("main")
    tree.vz.to_icechunk(session.store)
    session.commit("written")
    store = repository.readonly_session("main").store
    _same(xr.open_zarr(store, group="0", chunks=None, consolidated=False)["0"], path)


def _concat(folder: Path) -> None:
    paths = _two(folder, "rgb{}.tif")
    virtual = xr.concat([_virtual(path, ifd=0) for path in paths], dim="time")
    _same(_written(virtual, folder)["0"], *paths)


def _combine_nested(folder: Path) -> None:
    paths = _two(folder)
    virtual = xr.combine_nested([_virtual(path, ifd=0) for path in paths], concat_dim="time")
    _same(_written(virtual, folder)["0"], *paths)


def _combine_by_coords(folder: Path) -> None:
    paths = _two(folder, "tile{}.tif")
    virtual: Any = xr.combine_by_coords([_virtual(path) for path in paths])
    found: Any = _written(virtual, folder)
    np.testing.assert_array_equal(found["0"], np.hstack([_pixels(path) for path in paths]))
    assert tuple(found.rio.bounds()) == (500_000, 4_599_360, 501_280, 4_600_000)


def _merge(folder: Path) -> None:
    paths = _two(folder)
    named = [_virtual(path, ifd=0).rename({"0": f"day{n}"}) for n, path in enumerate(paths)]
    found = _written(xr.merge(named), folder)
    for n, path in enumerate(paths):
        _same(found[f"day{n}"], path)


def _append(folder: Path) -> None:
    paths = _two(folder)
    repository = _repository(folder)
    for number, path in enumerate(paths):
        session = repository.writable_session("main")
        options = {"append_dim": "time"} if number else {}
        _virtual(path, ifd=0).expand_dims("time").vz.to_icechunk(session.store, **options)
        session.commit("written")
    _same(_open(repository.readonly_session("main").store)["0"], *paths)


def _kerchunk_json(folder: Path) -> None:
    path = folder / "plain0.tif"
    _virtual(path).vz.to_kerchunk(str(folder / "a.json"), format="json")
    _same(_by_engine(folder / "a.json"), path)


def _failing_parquet(folder: Path) -> object:
    virtual = _virtual(folder / "plain0.tif")
    return virtual.vz.to_kerchunk(str(folder / "refused.parq"), format="parquet")


def _our_parquet(folder: Path) -> None:
    path = folder / "plain0.tif"
    to_kerchunk(_virtual(path), folder / "a.parq", format="parquet")
    _same(_by_engine(folder / "a.parq"), path)


def _refused_kerchunk(folder: Path) -> object:
    return _virtual(folder / "float.tif").vz.to_kerchunk(format="dict")


def _our_kerchunk(folder: Path) -> None:
    to_kerchunk(_virtual(folder / "float.tif", ifd=0), folder / "own.json")
    _same(_by_engine(folder / "own.json"), folder / "float.tif")


def _rename_paths(folder: Path) -> None:
    path = folder / "0.tif"
    moved = folder / "moved" / "0.tif"
    moved.parent.mkdir(exist_ok=True)
    moved.write_bytes(path.read_bytes())
    virtual = _virtual(path, ifd=0).vz.rename_paths(
        lambda url: url.replace("/0.tif", "/moved/0.tif")
    )
    _same(_written(virtual, folder)["0"], path)


def _by_engine(references: Path) -> NDArray[Any]:
    import imagecodecs.numcodecs

    imagecodecs.numcodecs.register_codecs(verbose=False)
    with xr.open_dataset(str(references), engine="kerchunk", mask_and_scale=False) as dataset:
        return dataset["0"].values


# ------------------------------------------------------------------------------- xarray


def _to_netcdf(folder: Path) -> None:
    virtual_tiff.open(folder / "rgb0.tif").to_netcdf(folder / "a.nc")
    _same(xr.open_dataset(folder / "a.nc")["0"], folder / "rgb0.tif")


def _to_zarr(folder: Path) -> None:
    virtual_tiff.open(folder / "0.tif").to_zarr(folder / "a.zarr", mode="w")
    _same(xr.open_zarr(folder / "a.zarr")["0"], folder / "0.tif")


def _of_store(path: Path, **options: Any) -> xr.Dataset:
    return _open(VirtualTIFF(**options)(path.as_uri(), REGISTRY))


def _store_to_netcdf(folder: Path) -> object:
    return _of_store(folder / "0.tif").to_netcdf(folder / "refused.nc")


def _writable_to_netcdf(folder: Path) -> None:
    virtual_tiff.writable(_of_store(folder / "0.tif")).to_netcdf(folder / "b.nc")
    _same(xr.open_dataset(folder / "b.nc")["0"], folder / "0.tif")


def _chunks_auto(folder: Path) -> None:
    store = VirtualTIFF()((folder / "rgb0.tif").as_uri(), REGISTRY)
    _same(xr.open_zarr(store, chunks="auto", consolidated=False)["0"], folder / "rgb0.tif")
    paths = _two(folder, "rgb{}.tif")
    virtual_tiff.publish(paths, folder / "auto", concat="n")
    cube = virtual_tiff.open_published(folder / "auto")
    _same(xr.open_zarr(cube, chunks="auto", consolidated=False)["0"], *paths)


def _rio(folder: Path) -> None:
    dataset: Any = _of_store(folder / "0.tif")
    with rasterio.open(folder / "0.tif") as file:
        assert (dataset.rio.crs, dataset.rio.transform()) == (file.crs, file.transform)


def _odc(folder: Path) -> None:
    import odc.geo.xr  # noqa: F401 (the accessor)

    dataset: Any = _of_store(folder / "0.tif")
    with rasterio.open(folder / "0.tif") as file:
        assert dataset.odc.geobox.affine == file.transform
        assert dataset.odc.crs.epsg == file.crs.to_epsg()


def _dask(folder: Path) -> None:
    dataset = virtual_tiff.open(folder / "rgb0.tif", chunks={})
    _same(dataset["0"].data.compute(scheduler="threads"), folder / "rgb0.tif")


def _datatree(folder: Path) -> None:
    tree: Any = virtual_tiff.open(folder / "0.tif", ifd_layout="pyramid")
    _same(tree["0/image"], folder / "0.tif")


def _pickle(folder: Path) -> None:
    dataset = pickle.loads(pickle.dumps(virtual_tiff.open(folder / "0.tif")))
    _same(dataset["0"], folder / "0.tif")


# ------------------------------------------------------------------------------ clients


def _cube(folder: Path, name: str, **options: Any) -> Path:
    """Publish the two plain scenes as a stack, once for all clients."""
    target = folder / name
    if not target.exists():
        publish(
            _two(folder, "plain{}.tif"), target, concat="time", values={"time": [1, 2]}, **options
        )
    return target


def _array_of(store: Any) -> Any:
    return zarr.open_group(store, mode="r")["0"]


def _zarr_python(folder: Path) -> None:
    store = open_published(_cube(folder, "cube"))
    _same(_array_of(store)[...], *_two(folder, "plain{}.tif"))


def _xarray(folder: Path) -> None:
    _same(_open(open_published(_cube(folder, "cube")))["0"], *_two(folder, "plain{}.tif"))


def _icechunk(folder: Path) -> None:
    target = _cube(folder, "cube")
    repository = icechunk.Repository.open(
        icechunk.local_filesystem_storage(str(target)),
        authorize_virtual_chunk_access=dict.fromkeys(
            _containers(target), icechunk.credentials.LocalFileSystemAccess
        ),
    )
    store = repository.readonly_session("main").store
    _same(_array_of(store)[...], *_two(folder, "plain{}.tif"))


def _containers(target: Path) -> list[str]:
    config = icechunk.Repository.fetch_config(icechunk.local_filesystem_storage(str(target)))
    containers: Mapping[str, Any] = (config and config.virtual_chunk_containers) or {}
    return [each.url_prefix for each in containers.values()]


def _plain(folder: Path) -> Path:
    """Return a cube that all readers read, as files of Zarr."""
    target = folder / "plain.zarr"
    if not target.exists():
        cube = _cube(folder, "portable", portable="zarr-python,zarrs,zarrita,tensorstore,GDAL")
        return node.export_zarr(open_published(cube), target)
    return target


def _by(reader: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        request = {
            "store": str(_plain(folder)),
            "into": str(folder),
            "reads": [{"array": "0", "selection": [None] * 3}],
        }
        command = [sys.executable, str(READERS), reader]
        done = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout) == [None], done.stdout
        _same(np.load(folder / "0.npy"), *_two(folder, "plain{}.tif"))

    return run


def _zarrita(folder: Path) -> None:
    (found,) = node.read_many(_plain(folder), [("0", None)])
    _same(found, *_two(folder, "plain{}.tif"))


def _references(folder: Path) -> Path:
    target = folder / "cube.json"
    if not target.exists():
        to_kerchunk(open_published(_cube(folder, "cube")), target)
    return target


def _fsspec(folder: Path) -> None:
    from fsspec.implementations.reference import ReferenceFileSystem

    system = ReferenceFileSystem(
        fo=str(_references(folder)), remote_protocol="file", asynchronous=False
    )
    found = zarr.open_group(zarr.storage.FsspecStore.from_mapper(system.get_mapper()), mode="r")
    _same(np.asarray(found["0"]), *_two(folder, "plain{}.tif"))


def _engine(folder: Path) -> None:
    _same(_by_engine(_references(folder)), *_two(folder, "plain{}.tif"))


def _gdal(folder: Path) -> None:
    with rasterio.open(f'ZARR:"{_references(folder)}":/0') as dataset:
        _same(dataset.read(), *_two(folder, "plain{}.tif"))
        with rasterio.open(folder / "plain0.tif") as file:
            assert (dataset.crs, dataset.transform) == (file.crs, file.transform)


# ------------------------------------------------------------------------------ the table

_VIRTUALIZARR, _XARRAY, _CLIENT = "VirtualiZarr", "xarray", "client"
_MAPS = "tests/interoperability/test_maps.py"


def _rows(kind: str, rows: Mapping[str, Callable[[Path], None]]) -> tuple[Workflow, ...]:
    return tuple(Workflow(kind=kind, name=name, run=run) for name, run in rows.items())


WORKFLOWS: tuple[Workflow, ...] = (
    *_rows(
        _VIRTUALIZARR,
        {
            "`open_virtual_dataset`": _open_virtual_dataset,
            "`open_virtual_mfdataset`": _open_virtual_mfdataset,
            "`open_virtual_datatree`": _open_virtual_datatree,
            "`xr.concat` (RGB)": _concat,
            "`xr.combine_nested`": _combine_nested,
            "`xr.combine_by_coords` (adjacent tiles)": _combine_by_coords,
            "`xr.merge`": _merge,
            "`to_icechunk(append_dim=…)`": _append,
            "`to_kerchunk` as JSON": _kerchunk_json,
            "`rename_paths`": _rename_paths,
        },
    ),
    Workflow(
        kind=_VIRTUALIZARR,
        name="`to_kerchunk` (floats with predictor 3)",
        run=_our_kerchunk,
        fails=_refused_kerchunk,
        fault="VirtualiZarr 2.8 leaves the serializer out of references of Zarr v2, so that they"
        " would read as garbage; our arrays make it refuse",
        way="`virtual_tiff.to_kerchunk`",
    ),
    Workflow(
        kind=_VIRTUALIZARR,
        name="`to_kerchunk` as Parquet",
        run=_our_parquet,
        fails=_failing_parquet,
        fault="VirtualiZarr 2.8 calls the one chunk of a scalar, as `spatial_ref`, `spatial_ref/`"
        " and not `spatial_ref/0`, which kerchunk takes for the chunk of no array",
        way="`virtual_tiff.to_kerchunk`",
    ),
    *_rows(
        _XARRAY,
        {
            "`to_netcdf` (of `open`)": _to_netcdf,
            "`to_zarr` (of `open`)": _to_zarr,
            '`chunks="auto"`': _chunks_auto,
            "`ds.rio`": _rio,
            "`ds.odc`": _odc,
            "Dask": _dask,
            "`DataTree`": _datatree,
            "pickle": _pickle,
        },
    ),
    Workflow(
        kind=_XARRAY,
        name="`to_netcdf` (of `open_zarr`)",
        run=_writable_to_netcdf,
        fails=_store_to_netcdf,
        fault="netCDF has no attributes that are tables, such as `zarr_conventions`",
        way="`virtual_tiff.writable(ds)`",
    ),
    *_rows(
        _CLIENT,
        {
            "zarr-python, a cube": _zarr_python,
            "xarray, a cube": _xarray,
            "Icechunk's own API": _icechunk,
            "zarrs, Zarr files": _by("zarrs"),
            "tensorstore, Zarr files": _by("tensorstore"),
            "zarrita in Node, Zarr files": _zarrita,
            "fsspec and zarr, kerchunk": _fsspec,
            'xarray `engine="kerchunk"`': _engine,
            "GDAL, kerchunk": _gdal,
        },
    ),
    Workflow(
        kind=_CLIENT,
        name="zarrita and Icechunk's WASM in Chromium",
        test=f"{_MAPS}::test_pixels_of_a_cube_in_chromium",
    ),
    Workflow(
        kind=_CLIENT, name="OpenLayers", test=f"{_MAPS}::test_openlayers_shows_stacks_and_pyramids"
    ),
    Workflow(
        kind=_CLIENT, name="zarr-layer", test=f"{_MAPS}::test_maps_that_project[flat-zarr-layer]"
    ),
    Workflow(
        kind=_CLIENT, name="deck.gl-raster", test=f"{_MAPS}::test_maps_that_project[flat-deckgl]"
    ),
    Workflow(
        kind=_CLIENT,
        name="rio-tiler and titiler",
        test="tests/interoperability/test_servers.py",
    ),
)
