"""`VirtualTIFF`: from a url to a virtual Zarr store, by VirtualiZarr's parser protocol."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from functools import partial
from typing import Any, Literal
from urllib.parse import quote, unquote

from obspec_utils.registry import ObjectStoreRegistry

from virtual_tiff.arrays import layouts
from virtual_tiff.arrays.axes import SampleOrder
from virtual_tiff.arrays.budget import Budget
from virtual_tiff.arrays.image import ImageArray, Options, charge, image_array
from virtual_tiff.arrays.layouts.ome_zarr_versions import OmeZarrVersion, group_in_version
from virtual_tiff.arrays.nodes import SET, Group, file_arrays, with_losses
from virtual_tiff.arrays.one_dataset import as_one_dataset
from virtual_tiff.arrays.selection.bounding_box import CrsInput
from virtual_tiff.arrays.selection.directories import can_be_left_out, exposed, warn_of_refused
from virtual_tiff.arrays.selection.selection import Selection
from virtual_tiff.arrays.series import without_padding
from virtual_tiff.manifest import manifest_group
from virtual_tiff.metadata.ome_xml import Ome, metadata_file, parse_ome
from virtual_tiff.metadata.slides import KnownSlide, description_of, slide_of
from virtual_tiff.sources.object_source import (
    BlockingObspecSource,
    ObspecSource,
    blocks_safely,
    run_blocking,
    source_of,
)
from virtual_tiff.sources.running import check_concurrency, in_parallel, run_to_end
from virtual_tiff.sources.sidecars import Beside, Parts, with_sidecars
from virtual_tiff.sources.urls import object_url, reference_of, resolve_reference, scheme_of
from virtual_tiff.store import CheckedManifestStore
from virtual_tiff.tiff import (
    BoundedSource,
    ByteSource,
    Limits,
    Loss,
    ReadAhead,
    Reading,
    SourceState,
    Tiff,
    TiffError,
    TruncatedError,
    read_tiff,
    redacted,
    scrubbed,
    secret_in,
    source_name,
    truncation,
    warn,
)

__all__ = ["VirtualTIFF"]


@dataclass(frozen=True)
class VirtualTIFF:
    """Make virtual Zarr stores from TIFFs: byte ranges, no pixels.

    Parameters
    ----------
    ifd
        The directory to expose: its number in the chain, or a path such as `"0/1"` for a
        SubIFD, whose array is `0.1`. None exposes all directories that describe images; one
        after the first that cannot be read is left out with a warning, as in GDAL.
    ifd_layout
        `"flat"`: all arrays in one group; arrays whose size or position differs from that of
        the first have their own dimension names. `"nested"`: a group for each array, for
        DataTree. `"pyramid"`: a group for each resolution, with the arrays `image` and, if the
        file has one, `mask`; the convention `multiscales` lists the levels. `"stack"`: the
        pages of one shape as one array `image` along `page`, those of an OME-TIFF along the
        axes of its XML, with the attributes of OME-Zarr 0.5.
    merge_strips
        Whether uncompressed strips that follow each other become chunks of 1 to 8 MiB (8 KiB to
        16 MiB, if no other size divides the rows of the image). False keeps one chunk for each
        strip, to stack the file with others whose strips are scattered.
    limits
        The most memory and requests that one file may need.
    samples
        `"first"`: an image with several samples for each pixel is (band, y, x). `"stored"`: if the
        samples of a pixel are stored together, it is (y, x, band), and needs no `transpose`.
    coordinates
        Whether the store has the arrays `x`, `y`, `band` and `spatial_ref`.
    bands
        The bands to expose, by number from 1 or by name. Only for planar files: if the samples
        of a pixel are stored together, each reference has all bands.
    overviews
        Whether overviews are exposed, or their numbers from 0, as rasterio's
        `overview_level`.
    window
        `(column_off, row_off, width, height)` in pixels of the full image. It is extended to
        whole blocks. Overviews and masks are cut in the same way.
    bbox
        `(left, bottom, right, top)` in the CRS of the file, or in `bbox_crs`; otherwise like
        `window`.
    bbox_crs
        The CRS of `bbox`, as pyproj takes it.
    exact
        Whether a window or a box that does not consist of whole blocks is an error.
    reading
        The bytes that are read at a time: by the first read, by later ones, and by guesses.
    page_axes
        `"named"`: in the layout `"stack"` the pages of ImageJ, MetaMorph, LSM, FluoView and
        tifffile are along the axes in their metadata: `t`, `c`, `z` and others, `s` for the
        samples of a pixel. `"page"`: along `page`, as those of any other file.
    ome_zarr
        The version of OME-Zarr's attributes of images, plates and wells: `"0.5"` or `"0.6"`.

    Raises
    ------
    ValueError
        If an option is not one of those allowed; it lists them.

    Examples
    --------
    >>> from obspec_utils.registry import ObjectStoreRegistry
    >>> from obstore.store import LocalStore
    >>> registry = ObjectStoreRegistry({"file://": LocalStore()})
    >>> store = VirtualTIFF(ifd=0)("file:///data/a.tif", registry)  # doctest: +SKIP
    """

    ifd: int | str | None = None
    ifd_layout: layouts.IfdLayout = "flat"
    _: KW_ONLY
    merge_strips: bool = True
    limits: Limits = field(default_factory=Limits)
    samples: SampleOrder = "first"
    coordinates: bool = True
    bands: int | str | Sequence[int | str] | None = None
    overviews: bool | Sequence[int] = True
    window: Any = None
    bbox: Sequence[float] | None = None
    bbox_crs: CrsInput = None
    exact: bool = False
    reading: Reading = field(default_factory=Reading)
    page_axes: Literal["named", "page"] = "named"
    ome_zarr: OmeZarrVersion = "0.5"
    _options: Options = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.ifd_layout not in layouts.LAYOUTS:
            allowed = ", ".join(map(repr, layouts.LAYOUTS))
            msg = f"ifd_layout must be one of {allowed}, not {self.ifd_layout!r}"
            raise ValueError(msg)
        if self.ifd is not None and not _is_path(self.ifd):
            msg = f'ifd must be None, a number from 0 on, or a path such as "0/1", not {self.ifd!r}'
            raise ValueError(msg)
        if self.ifd_layout == "stack" and self.ifd is not None:
            msg = (
                'ifd_layout="stack" takes all directories; it cannot be combined with '
                f"ifd={self.ifd!r}"
            )
            raise ValueError(msg)
        if self.page_axes not in ("named", "page"):
            msg = f"page_axes must be 'named' or 'page', not {self.page_axes!r}"
            raise ValueError(msg)
        if self.ome_zarr not in ("0.5", "0.6"):
            msg = f"ome_zarr must be '0.5' or '0.6', not {self.ome_zarr!r}"
            raise ValueError(msg)
        for name in ("merge_strips", "coordinates"):
            if not isinstance(getattr(self, name), bool):
                msg = f"{name} must be True or False, not {getattr(self, name)!r}"
                raise ValueError(msg)  # noqa: TRY004 (one class for all wrong options)
        if not isinstance(self.limits, Limits):
            msg = f"limits must be a virtual_tiff.Limits, not {self.limits!r}"
            raise ValueError(msg)  # noqa: TRY004
        if not isinstance(self.reading, Reading):
            msg = f"reading must be a virtual_tiff.Reading, not {self.reading!r}"
            raise ValueError(msg)  # noqa: TRY004
        if self.samples not in ("first", "stored"):
            msg = f"samples must be 'first' or 'stored', not {self.samples!r}"
            raise ValueError(msg)
        selection = Selection(**{name: getattr(self, name) for name in _SELECTION})
        for name in _SELECTION:  # in one form, so that equal parsers are equal
            object.__setattr__(self, name, getattr(selection, name))
        options = Options(
            limits=self.limits,
            merge_strips=self.merge_strips,
            samples=self.samples,
            selection=selection,
        )
        object.__setattr__(self, "_options", options)

    def __call__(self, url: str, registry: ObjectStoreRegistry[Any]) -> CheckedManifestStore:
        """Parse one TIFF; works in a script, a thread, and inside a running event loop.

        Parameters
        ----------
        url
            The url of the TIFF, with its scheme: `s3://…`, `https://…`, `file:///…`. After
            `file://`, `%XX` is decoded, as `Path.as_uri()` encodes it; other characters stand for
            themselves.
            See `virtual_tiff.sources.urls`.
        registry
            The stores, by the urls that they serve.

        Returns
        -------
        ManifestStore
            The store of byte ranges.

        Raises
        ------
        TiffError
            If the file cannot be read as its tags promise; see its subclasses.
        OSError
            If the store cannot give its bytes.
        ValueError
            If no store of the registry serves the url, or it has a password or signature.
        """
        store, path, reference = _resolve(url, registry)
        nodes, state = self._nodes_at_once(store, path, url)
        return _stored(nodes, state, reference, registry=registry)

    async def parse(self, url: str, registry: ObjectStoreRegistry[Any]) -> CheckedManifestStore:
        """Parse one TIFF; see `__call__` for parameters and errors.

        Parameters
        ----------
        url
            The url of the file.
        registry
            The stores, by the urls that they serve.

        Returns
        -------
        ManifestStore
            The store of byte ranges.
        """
        return (await self.parse_with_state(url, registry))[0]

    async def parse_with_state(
        self, url: str, registry: ObjectStoreRegistry[Any]
    ) -> tuple[CheckedManifestStore, SourceState]:
        """Parse one TIFF; return what its object was at that moment as well.

        Size, ETag and time are the base of drift checks: a reference is true of the object
        that was parsed, not of what lies there when the reference is committed.

        Parameters
        ----------
        url
            The url of the file.
        registry
            The stores, by the urls that they serve.

        Returns
        -------
        tuple of ManifestStore and SourceState
            The store, and the size, ETag and time of the file that it was made from.
        """
        store, path, reference = _resolve(url, registry)
        nodes, state = await self._nodes(partial(source_of, store), path, url)
        return _stored(nodes, state, reference, registry=registry), state

    def parse_object_sync(
        self,
        store: Any,  # noqa: ANN401 (duck-typed)
        path: str,
        *,
        url: str | None = None,
        sidecars: bool = False,
        raster_bands: Sequence[Mapping[str, Any]] = (),
    ) -> CheckedManifestStore:
        """Parse one object of a store, as `parse_object` does; works wherever `__call__` does.

        Parameters
        ----------
        store, path, url, sidecars
            As those of `parse_object`.

        Returns
        -------
        ManifestStore
            The store of byte ranges.
        """
        url = _reference_to_object(store, path, url)
        beside = Beside(files=sidecars, raster_bands=raster_bands)
        nodes, state = self._nodes_at_once(store, path, url, beside)
        return _stored(nodes, state, url, located=(store, path))

    async def parse_object(
        self,
        store: Any,  # noqa: ANN401 (duck-typed)
        path: str,
        *,
        url: str | None = None,
        sidecars: bool = False,
        raster_bands: Sequence[Mapping[str, Any]] = (),
    ) -> CheckedManifestStore:
        """Parse one object of a store, without a registry.

        Parameters
        ----------
        store
            A store of obstore, or another store with the ranged gets of obspec.
        path
            The path of the object in the store, not encoded.
        url
            The percent-encoded url of the object, for references and errors. By default the url is
            made from the bucket, host or directory of the store, if it is a store of obstore.
        sidecars
            Whether files beside it count as in GDAL: `.aux.xml`, world files, `.ovr` and `.msk`.
            They are of the first directory: with another `ifd`, and in the layout `"stack"`,
            they are left out.
        raster_bands
            `raster:bands` of the STAC asset, or its `bands`: the scale, offset, unit and nodata of
            each band, for values that the file does not have.

        Returns
        -------
        ManifestStore
            The store of byte ranges.

        Raises
        ------
        TiffError
            If the file cannot be read as its tags promise; see its subclasses.
        OSError
            If the store cannot give its bytes.
        ValueError
            If `url` is not a url, or has a password or signature, which all references would have;
            or if it is missing, and the store has no url.

        Examples
        --------
        >>> from obstore.store import S3Store
        >>> store = S3Store("archive", region="us-east-1")
        >>> await VirtualTIFF().parse_object(store, "2023/a.tif")  # doctest: +SKIP
        """
        url = _reference_to_object(store, path, url)
        beside = Beside(files=sidecars, raster_bands=raster_bands)
        nodes, state = await self._nodes(partial(source_of, store), path, url, beside=beside)
        return _stored(nodes, state, url, located=(store, path))

    async def parse_nodes(
        self,
        store: Any,  # noqa: ANN401 (duck-typed)
        path: str,
        *,
        url: str,
        of_set: bool = False,
    ) -> tuple[Group, SourceState]:
        """Parse one object of a store to plain data: metadata, byte ranges, the object's state.

        `parse_object` makes its store from this. Use it to write many files to one place: the
        data can be pickled, and no object of zarr or VirtualiZarr is made.

        With `of_set` a file of a multi-file OME-TIFF gives its part of the whole images, whatever
        the layout: see `virtual_tiff.arrays.layouts.page_stack.stack`, and `SET` of the group's
        attributes lists the files. Any other file is parsed as always.

        Parameters
        ----------
        store
            A store of obstore, or one with its methods.
        path
            The path of the object in the store.
        url
            The url of the object, for the references.
        of_set
            Whether the file is one of a multi-file OME-TIFF.

        Returns
        -------
        tuple of Group and SourceState
            The arrays and groups, and the size, ETag and time of the object.
        """
        return await self._nodes(partial(source_of, store), path, url, of_set=of_set)

    async def parse_many(
        self,
        urls: Iterable[str],
        registry: ObjectStoreRegistry[Any],
        *,
        concurrency: int = 128,
    ) -> list[CheckedManifestStore | TiffError | OSError | ValueError | RuntimeError]:
        """Parse many TIFFs at once.

        Parameters
        ----------
        urls
            Where the TIFFs are.
        registry
            The stores, by the urls that they serve.
        concurrency
            The number of files that are read at the same time. Most files take one request, so 128
            at 50 ms a request are 2,560 files a second, more than one processor can parse.

        Returns
        -------
        list
            One result for each url, in their order. If a file cannot be parsed, its result is the
            error, which names the url.
        """
        check_concurrency(concurrency)
        if isinstance(urls, str):
            msg = f"urls must be a list of urls: [{urls!r}]"
            raise ValueError(msg)  # noqa: TRY004 (one class for all wrong options)
        places = list(urls)
        results: list[Any] = [None] * len(places)

        async def work(numbered: tuple[int, str]) -> None:
            i, url = numbered
            try:
                results[i] = await self.parse(url, registry)
            except (TiffError, OSError, ValueError) as error:
                results[i] = error
            except Exception as error:  # noqa: BLE001 (the others are kept, whatever it is)
                results[i] = RuntimeError(redacted(f"{url}: {type(error).__name__}: {error}"))
                results[i].__cause__ = scrubbed(error)

        await in_parallel(enumerate(places), work, min(concurrency, len(places)))
        return results

    def _nodes_at_once(
        self,
        store: Any,  # noqa: ANN401 (duck-typed)
        path: str,
        url: str,
        beside: Beside | None = None,
    ) -> tuple[Group, SourceState]:
        """Do what `parse_nodes` does, in a script, a thread, or a running event loop."""
        if blocks_safely(store):
            blocking = partial(BlockingObspecSource, store)
            return run_blocking(self._nodes(blocking, path, url, beside=beside))
        return run_to_end(self._nodes(partial(ObspecSource, store), path, url, beside=beside))

    async def _nodes(
        self,
        source: Callable[[str, str], ByteSource],
        path: str,
        url: str,
        *,
        of_set: bool = False,
        beside: Beside | None = None,
    ) -> tuple[Group, SourceState]:
        token = source_name.set(url)
        try:
            tiff = await read_tiff(  # what was read is not held beyond it
                ReadAhead(BoundedSource(source(path, url), self.limits), self.reading),
                ifd=self.ifd,
                limits=self.limits,
            )
            parts = Parts()
            if beside is not None and (beside.files or beside.raster_bands):
                tiff, parts = await with_sidecars(
                    tiff,
                    replace(
                        beside,
                        parts=self.ifd is None and self.ifd_layout != "stack",
                        overviews=self.overviews is not False,
                    ),
                    partial(_beside, source, path, url),
                    name=posixpath.basename(path) or unquote(url.rpartition("/")[2]),
                    limits=self.limits,
                    reading=self.reading,
                )
            slide = None
            if self.ifd is None and self.ifd_layout in ("pyramid", "stack"):
                slide = slide_of([ifd for ifd in tiff.ifds if ifd.describes_image])
            if slide is not None:
                tiff = replace(tiff, ifds=without_padding(tiff.ifds, slide[1]))
            ome = None
            if of_set or self.ifd_layout == "stack":
                ome = await self._ome(tiff, partial(_beside, source, path, url))
            of_set = of_set and ome is not None and len(ome.files) > 1
            if not (of_set or self.ifd_layout == "stack"):
                group = self._group(tiff, slide, parts, url)
                return group_in_version(group, self.ome_zarr), tiff.state
            group = layouts.stack(
                tiff,
                self._budgeted(tiff),
                coordinates=self.coordinates,
                ome=ome,
                slide=slide,
                of_set=of_set,
                named=self.page_axes == "named",
            )
            if of_set and ome is not None:
                group = replace(group, attributes={**group.attributes, SET: list(ome.files)})
            return group_in_version(with_losses(group, tiff.losses), self.ome_zarr), tiff.state
        except TiffError as error:
            raise error.locate(url=url) from error.__cause__
        finally:
            source_name.reset(token)

    async def _ome(self, tiff: Tiff, beside: Callable[[str], ByteSource]) -> Ome | None:
        """Return what the OME-XML says, of the file or of the one that it names; None if none."""
        description = description_of(tiff.ifds[0]) if tiff.ifds else None
        if self.ifd_layout != "stack" and not _NAMES_FILES.search(description or ""):
            return None
        name = metadata_file(description)
        if name is not None:
            source = beside(name)
            bounded = BoundedSource(source, self.limits)
            try:
                (start,) = await bounded.read_ranges([(0, 2)])
                if bytes(start) in (b"II", b"MM"):
                    other = await read_tiff(bounded, ifd=0, limits=self.limits)
                    description = description_of(other.ifds[0])
                elif source.state is not None:
                    (text,) = await bounded.read_ranges([(0, source.state.size)])
                    description = bytes(text).decode("utf-8-sig")
            except (TiffError, OSError, ValueError):
                pass  # `parse_ome` says which file is missed
        return parse_ome(description, ifd="0", limits=self.limits)

    def _budgeted(self, tiff: Tiff) -> Options:
        return replace(self._options, budget=Budget(self.limits, tiff.state.size))

    def _group(self, tiff: Tiff, slide: KnownSlide | None, parts: Parts, url: str) -> Group:
        options = self._budgeted(tiff)
        directories = exposed(tiff, self._options.selection, all_of_them=self.ifd is None)
        images: list[ImageArray] = []
        refused: dict[str, TiffError] = {}
        for ifd, full in directories:
            try:
                charge(ifd, options)
                size = parts.sizes.get(ifd.path, tiff.state.size)
                image = image_array(ifd, full, file_size=size, options=options)
                if ifd.path in parts.names:
                    image = replace(image, url=_url_beside(url, parts.names[ifd.path]))
                images.append(image)
            except TiffError as error:
                error.locate(ifd=ifd.path)
                if self.ifd is not None or not can_be_left_out(error, ifd.path):
                    raise
                refused[ifd.path] = error
        if refused and not images:
            raise next(iter(refused.values()))
        warn_of_refused(refused)
        group = layouts.arrange(images, self.ifd_layout, coordinates=self.coordinates, slide=slide)
        # directories that are left out because the file ends, and that have no loss yet
        lost_before = {loss.ifd for loss in tiff.losses}
        losses = [*tiff.losses]
        losses += [
            Loss(ifd=path, what=f"a part of IFD {path}")
            for path, error in refused.items()
            if isinstance(error, TruncatedError) and path not in lost_before
        ]
        if losses:
            # a value that was lost by a directory that is not exposed is nothing to this group
            left_out = {ifd.path for ifd in tiff.walk()}
            left_out -= {ifd.path for pair in directories for ifd in pair if ifd is not None}
            losses = [loss for loss in losses if loss.ifd not in left_out]
        return with_losses(group, losses)


_NAMES_FILES = re.compile(r"<(?:\w+:)?(?:UUID|BinaryOnly)\b")
"""The elements of OME-XML that name other files."""


def _beside(source: Callable[[str, str], ByteSource], path: str, url: str, name: str) -> ByteSource:
    """Return the source of a file in the folder of another one."""
    return source(posixpath.join(posixpath.dirname(path), name), _url_beside(url, name))


def _url_beside(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{quote(name)}"


_SELECTION = [field.name for field in fields(Selection)]


def _stored(
    nodes: Group,
    state: SourceState,
    url: str,
    *,
    registry: ObjectStoreRegistry[Any] | None = None,
    located: tuple[Any, str] | None = None,
) -> CheckedManifestStore:
    if nodes.losses:
        warn(f"{url}: {truncation(nodes.losses, state.size)}; these parts cannot be read")
    nodes = as_one_dataset(nodes)
    objects = {}
    if located is not None:
        store, path = located
        objects[url] = located
        for other in {array.url for _, array in file_arrays(nodes)} - {None}:
            name = unquote(str(other).rpartition("/")[2])
            objects[str(other)] = store, posixpath.join(posixpath.dirname(path), name)
    return CheckedManifestStore(
        manifest_group(nodes, url),
        registry=registry,
        objects=objects or None,
        axes={path: array.axes for path, array in file_arrays(nodes)},
    )


def _resolve(url: str, registry: ObjectStoreRegistry[Any]) -> tuple[Any, str, str]:
    """Return the url's store, the object's path within it, and what references say."""
    _check_scheme(url)
    reference = reference_of(url)
    try:
        return *resolve_reference(reference, registry), reference
    except ValueError as error:
        served = ", ".join(f"{key.scheme}://{key.netloc}" for key in registry.map) or "none"
        msg = redacted(f"the registry has no store for {url}; it has stores for {served}")
        raise ValueError(msg) from scrubbed(error)


def _reference_to_object(store: Any, path: str, url: str | None) -> str:  # noqa: ANN401
    if url is None:
        url = object_url(store, path)
    _check_scheme(url)
    if secret := secret_in(url):
        msg = (
            f"{redacted(url)} has a {secret}, which would be stored in each reference; leave it out"
        )
        raise ValueError(msg)
    return url


def _check_scheme(url: str) -> None:
    if scheme_of(url) is None:
        msg = f"{redacted(url)!r} is not a url; write a local file as file:///its/absolute/path"
        raise ValueError(msg)


def _is_path(ifd: Sequence[str] | int | str) -> bool:
    if isinstance(ifd, bool):
        return False
    if isinstance(ifd, int):
        return ifd >= 0
    return isinstance(ifd, str) and all(part.isdecimal() for part in ifd.split("/"))
