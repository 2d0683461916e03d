"""Datasets of xarray: opened by one line, with missing values, and ready to be written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import xarray as xr
from xarray.backends.common import BackendArray
from xarray.backends.zarr import FillValueCoder
from xarray.core import indexing

from virtual_tiff.parser import VirtualTIFF
from virtual_tiff.sources.finding import SourceFile, find_files
from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import Photometric

__all__ = ["masked", "open", "writable"]


def open(  # noqa: A001, PLR0913 (as rasterio's and xarray's; options by name)
    name: str | os.PathLike[str] | Mapping[str, Any],
    *,
    masked: bool = False,
    chunks: Any = None,  # noqa: ANN401 (xarray's)
    sidecars: bool | None = None,
    asset: str | None = None,
    raster_bands: bool | Sequence[Mapping[str, Any]] = False,
    store_options: Mapping[str, Any] | None = None,
    **options: Any,  # noqa: ANN401 (the parser's)
) -> xr.Dataset | xr.DataTree:
    """Open one TIFF in xarray; pixels are read when they are asked for.

    Parameters
    ----------
    name
        A path or a url: `"scene.tif"`, `"s3://bucket/scene.tif"`, `"https://host/scene.tif"`; or
        a STAC item: its path, its url or a dict.
    masked
        Whether mask, alpha and nodata are missing values; see `masked`.
    chunks
        As xarray's: None reads by xarray alone, `"auto"` and others by Dask.
    sidecars
        Whether files beside the TIFF count, as in GDAL: `scene.tif.aux.xml` above the tags, the
        world file `scene.tfw` where there is no transform, the overviews `scene.tif.ovr` and the
        mask `scene.tif.msk` where the file has none. None reads those of local files; of remote
        ones each costs a request. They belong to the file's first image.
    asset
        The key of the asset, if the STAC item has several TIFFs.
    raster_bands
        Scale, offset, unit and nodata of the bands, where the file says nothing: True takes
        `raster:bands` (or `bands`) of the STAC asset; a list has one mapping for each band.
    store_options
        obstore's options of the file's store, such as `{"skip_signature": True}`.
    options
        Those of `VirtualTIFF`. By default overviews are left out; `ifd_layout="nested"` and
        `"pyramid"` give a tree.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        A tree for the layouts that have groups. A dataset can be written by `to_netcdf` and
        `to_zarr` as it is; a tree by `writable`.

    Raises
    ------
    TiffError
        If the file cannot be read as its tags promise.
    OSError
        If its bytes cannot be read.
    ValueError
        If the name is of several files, or an option is wrong.

    Examples
    --------
    >>> import virtual_tiff
    >>> ds = virtual_tiff.open("scene.tif")  # doctest: +SKIP
    """
    assets = None if asset is None else [asset]
    files = list(
        find_files([name], store_options=store_options, assets=assets, for_references=True)
    )
    if len(files) != 1:
        called = os.fspath(name) if isinstance(name, str | os.PathLike) else "the STAC item"
        advice = "give the name of one"
        if any(file.asset for file in files):
            keys = ", ".join(file.asset.key for file in files if file.asset)
            advice = f"say which by asset=, one of {keys}"
        msg = f"{called} names {counted(len(files), 'file')}; {advice}"
        raise ValueError(msg)
    location = files[0].location
    if sidecars is None:
        sidecars = location.url.startswith("file:")
    if raster_bands is True:
        raster_bands = _raster_bands(files[0])
    layout = options.get("ifd_layout", "flat")
    grouped = layout in ("nested", "pyramid")
    if not grouped and layout == "flat" and options.get("ifd") is None:
        options = {"overviews": False} | options
    store = VirtualTIFF(**options).parse_object_sync(
        location.store,
        location.path,
        url=location.url,
        sidecars=sidecars and bool(location.path),  # a url with a query is of one object alone
        raster_bands=raster_bands or (),
    )
    settings: Any = {"consolidated": False, "zarr_format": 3, "chunks": chunks}
    opened: xr.Dataset | xr.DataTree
    if grouped:
        opened = xr.open_datatree(store, engine="zarr", **settings)  # type: ignore[arg-type]
    else:
        opened = _savable(xr.open_zarr(store, **settings))
    return _masked(opened) if masked else opened


def _raster_bands(file: SourceFile) -> Sequence[Mapping[str, Any]]:
    """Return what the STAC asset of a file says of its bands."""
    properties = {} if file.asset is None else file.asset.properties
    bands = properties.get("raster:bands") or properties.get("bands")
    if not bands:
        what = "the file is named by no STAC item" if file.asset is None else "the asset has none"
        msg = f"raster_bands=True takes raster:bands of a STAC asset, and {what}"
        raise ValueError(msg)
    return list(bands)


# ---- missing values


def masked(data: xr.Dataset | xr.DataTree) -> xr.Dataset | xr.DataTree:
    """Return data where pixels that a mask, alpha or nodata leaves out are NaN.

    As rioxarray's `masked=True` does: the mask of an image counts, without one its nodata value,
    without that its alpha band, which stays as it is itself. Nothing is read before it is asked
    for, with Dask and without. Integers become floats.

    Parameters
    ----------
    data
        A dataset or a tree of a store of `VirtualTIFF`, or of a published cube.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        The same kind as `data`.
    """
    return _masked(data)


def _masked(data: xr.Dataset | xr.DataTree) -> xr.Dataset | xr.DataTree:
    if isinstance(data, xr.DataTree):
        return cast("xr.DataTree", data.map_over_datasets(cast("Any", _masked)))
    changed = {}
    for name, variable in data.data_vars.items():
        if _is_mask(variable) or variable.dtype.kind not in "iufc":
            continue
        valid = _valid(name, data)
        if valid is not None:
            changed[name] = _where(variable.variable, *valid)
    return data.assign(changed)


def _is_mask(array: xr.DataArray) -> bool:
    return bool(array.attrs.get("photometric_interpretation") == Photometric.Mask)


def _valid(name: Hashable, data: xr.Dataset) -> tuple[xr.Variable, Any] | None:
    """Return what says which pixels of an image are valid, and how; None if all are.

    It is a mask and None, the image and its nodata value, or an alpha band and the bands' axis.
    """
    image = data[name]
    for other in data.data_vars.values():
        if other.name != name and other.ndim >= 2 and _is_mask(other):
            mask = _along(image, other.variable)
            if mask is not None:
                return mask, None
    if "_FillValue" in image.encoding or "missing_value" in image.encoding:
        return None  # xarray has done it
    fill = image.attrs.get("_FillValue")
    if fill is not None:
        if isinstance(fill, str | bytes | list):  # as Zarr v3 has it
            fill = FillValueCoder.decode(fill, image.dtype)
        return image.variable, np.asarray(fill, image.dtype)[()]
    colours = image.coords.get("colorinterp")
    listed = image.attrs.get("colorinterp") if colours is None else colours.values.tolist()
    if isinstance(listed, list) and "alpha" in listed:
        number = listed.index("alpha")
        for band in image.dims:
            if str(band).startswith("band") and image.sizes[band] == len(listed):
                return image.variable.isel({band: number}), _Alpha(str(band), number)
    return None


def _along(image: xr.DataArray, mask: xr.Variable) -> xr.Variable | None:
    """Return a mask with the dimensions of an image; None if it is one of another size.

    A mask may have a sample for each band, along dimensions of its own.
    """
    bands = {n: d for d, n in image.sizes.items() if str(d).startswith("band")}
    dimensions = [
        bands.get(n, d) if d not in image.dims and str(d).startswith("band") else d
        for d, n in mask.sizes.items()
    ]
    if not set(dimensions) <= set(image.dims):
        return None
    return xr.Variable(dimensions, mask._data, mask.attrs)  # noqa: SLF001 (`data` would load it)


@dataclass(frozen=True, slots=True)
class _Alpha:
    """Which band of an image is alpha, and stays as it is."""

    dimension: str
    number: int


def _where(image: xr.Variable, says: xr.Variable, how: Any) -> xr.Variable:  # noqa: ANN401
    """Return a variable that is NaN where another one says so, lazily."""
    if xr.namedarray.pycompat.is_chunked_array(image._data):  # noqa: SLF001 (`data` would load it)
        return _missing_where(image, says, how)
    lazy = indexing.LazilyIndexedArray(_MaskedArray(image, says, how))
    return xr.Variable(image.dims, lazy, image.attrs, _without_codecs(image.encoding))


def _missing_where(image: xr.Variable, says: xr.Variable, how: Any) -> xr.Variable:  # noqa: ANN401
    kind = np.dtype(_promoted(image.dtype))
    if isinstance(how, _Alpha | None):
        missing = says == 0
    else:
        missing = says.isnull() if how != how else says == how  # noqa: PLR0124 (NaN)
    if isinstance(how, _Alpha):
        numbers = xr.Variable(how.dimension, np.arange(image.sizes[how.dimension]))
        missing = missing & (numbers != how.number)
    attributes = {k: v for k, v in image.attrs.items() if k != "_FillValue"}
    kept: xr.Variable = image.astype(kind).where(~missing)  # type: ignore[no-untyped-call]
    result = kept.transpose(*image.dims)
    return xr.Variable(image.dims, result._data, attributes, _without_codecs(image.encoding))  # noqa: SLF001


def _promoted(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a type that has NaN, as xarray's and rioxarray's rule."""
    if dtype.kind not in "iu":
        return dtype
    return np.dtype("f4") if dtype.itemsize <= 2 else np.dtype("f8")


class _MaskedArray(BackendArray):
    """An image whose pixels are read, and masked, when they are asked for."""

    def __init__(self, image: xr.Variable, says: xr.Variable, how: Any) -> None:  # noqa: ANN401
        self._image, self._says, self._how = image, says, how
        self.shape = image.shape
        self.dtype = _promoted(image.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401 (numpy's)
        support = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._part)

    def _part(self, key: tuple[Any, ...]) -> Any:  # noqa: ANN401 (numpy's)
        # integers are slices of one, so that dimensions stay, and are dropped at the end
        slices = {
            d: slice(k, k + 1) if isinstance(k, int | np.integer) else k
            for d, k in zip(self._image.dims, key, strict=True)
        }
        image = self._image.isel(slices)
        says = image
        if self._says is not self._image:
            says = self._says.isel({d: slices[d] for d in self._says.dims})
        how = self._how
        if isinstance(how, _Alpha):
            bands = np.arange(self.shape[self._image.dims.index(how.dimension)])
            here = bands[slices[how.dimension]].tolist()
            how = _Alpha(how.dimension, here.index(how.number) if how.number in here else -1)
        values = _missing_where(image.load(), says.load(), how).values
        dropped = tuple(0 if isinstance(k, int | np.integer) else slice(None) for k in key)
        return values[dropped]


# ---- writing

_OF_STORES = {
    *("chunks", "preferred_chunks", "chunksizes", "shards", "compressors", "filters"),
    *("serializer", "compressor", "fill_value", "object_codec"),
}
"""Names in `encoding` that say how a file is stored, not what its numbers mean."""


def _without_codecs(encoding: Mapping[Any, Any]) -> dict[Any, Any]:
    return {name: value for name, value in encoding.items() if name not in _OF_STORES}


def writable(data: xr.Dataset | xr.DataTree) -> xr.Dataset | xr.DataTree:
    """Return data that `to_zarr` and `to_netcdf` can write.

    The codecs of TIFFs read and do not write, and attributes that are lists or tables of others
    are no attributes of netCDF. So the codecs are left out of each variable's encoding, and such
    attributes become texts of JSON. Names of attributes that netCDF reserves or refuses, such as
    `NAME` and those with a slash, are changed. All else stays: values, coordinates, nodata, scale.

    Parameters
    ----------
    data
        A dataset or a tree of a store of `VirtualTIFF`, or of a published cube.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        The same kind as `data`.

    Examples
    --------
    >>> virtual_tiff.writable(ds).to_netcdf("scene.nc")  # doctest: +SKIP
    """
    if isinstance(data, xr.DataTree):
        return cast("xr.DataTree", data.map_over_datasets(cast("Any", writable)))
    changed = data.copy()
    changed.attrs = _plain(data.attrs)
    for name, variable in data.variables.items():
        changed[name].attrs = _plain(variable.attrs)
        changed[name].encoding = _without_codecs(variable.encoding)
    changed.encoding = {}
    return changed


def _savable(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset that no longer says how a store of Zarr keeps it.

    It has the sizes of chunks, by which Dask's are chosen, and no `zarr_conventions`: a list of
    tables, which says of a store how its attributes are read.
    """
    changed = data.copy()

    def plain(attributes: Mapping[Any, Any]) -> dict[Any, Any]:
        return _plain({name: v for name, v in attributes.items() if name != "zarr_conventions"})

    changed.attrs = plain(data.attrs)
    for variable in changed.variables.values():
        variable.attrs = plain(variable.attrs)
        chunks = variable.encoding.get("preferred_chunks")
        kept = {} if chunks is None else {"preferred_chunks": chunks}
        variable.encoding = _without_codecs(variable.encoding) | kept
    changed.encoding = {}
    return changed


def _plain(attributes: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return attributes as netCDF has them: numbers, texts, and lists of one kind of them.

    A file may name an attribute as it likes, as `NAME` of a band; names that netCDF has for
    itself, or refuses, are changed.
    """
    return {
        _name_in_netcdf(name): value if _is_plain(value) else json.dumps(value)
        for name, value in attributes.items()
    }


def _name_in_netcdf(name: Any) -> Any:  # noqa: ANN401 (an attribute's; mostly a text)
    if not isinstance(name, str):
        return name
    if name in _NAMES_OF_NETCDF:
        return f"{name}_"
    plain = re.sub(r"[/\x00-\x1f\x7f]", "_", name).strip()
    return plain.encode()[:_LONGEST_NAME].decode(errors="ignore").strip() or "_"


_LONGEST_NAME = 255
"""Bytes of a name in netCDF (NC_MAX_NAME, with its end)."""

_NAMES_OF_NETCDF = {
    *("CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "DIMENSION_LABELS"),
    *("_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict", "_NCProperties"),
}
"""Attributes of HDF5's dimensions and of netCDF-4 itself."""


def _is_plain(value: Any) -> bool:  # noqa: ANN401 (JSON)
    if isinstance(value, list | tuple):
        kinds = {str if isinstance(each, str) else type(each) for each in value}
        numbers = kinds <= {int, float}
        return bool(value) and (kinds == {str} or numbers)
    return not isinstance(value, bool | dict | None)
