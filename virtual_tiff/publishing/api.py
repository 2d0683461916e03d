"""`publish` and `publish_async`: what users call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import icechunk

from virtual_tiff.publishing.engines import Parallel
from virtual_tiff.publishing.finding.lookups import Values
from virtual_tiff.publishing.options import PublishOptions
from virtual_tiff.publishing.planning.arrange import Layout
from virtual_tiff.publishing.planning.grid import Grid, Overlap
from virtual_tiff.publishing.planning.tile_grid import SNAP
from virtual_tiff.publishing.reading.workers import Progress, Truncated
from virtual_tiff.publishing.result import Published
from virtual_tiff.publishing.run import Publication
from virtual_tiff.sources.finding import REMOTE_SCHEMES
from virtual_tiff.sources.running import await_thread, run_to_end

__all__ = ["publish", "publish_async"]


def publish(  # noqa: PLR0913 (one keyword an option)
    sources: Any,  # noqa: ANN401 (names, dicts, whatever has to_dict)
    to: str | os.PathLike[str] | icechunk.Storage,
    *,
    concat: str | Sequence[str] | None = None,
    layout: Layout | None = None,
    time: str | None = None,
    variable: str | None = None,
    variable_name: str | None = None,
    values: Values | None = None,
    group: Values | None = None,
    order: Values | None = None,
    assets: str | Sequence[str] | None = None,
    append: bool = False,
    replace_changed: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
    truncated: Truncated = "refuse",
    branch: str = "main",
    tag: str | None = None,
    message: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
    container: str | Sequence[str] = (),
    save_access: bool = False,
    reference_as: Literal["https"] | None = None,
    remote_schemes: Sequence[str] = REMOTE_SCHEMES,
    concurrency: int = 64,
    parallel: Parallel = False,
    cache: str | os.PathLike[str] | Literal[False] | None = None,
    check: bool = False,
    portable: bool | str | Sequence[str] | None = None,
    inline_limit: int | None = None,
    per_scene: str | Sequence[str] = (),
    overlap: Overlap = "error",
    snap: float = SNAP,
    grid: Grid = "auto",
    nodata: float | None = None,
    any_compression: bool = False,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
    **parser_options: Any,  # noqa: ANN401 (VirtualTIFF checks them)
) -> Published:
    r"""Publish TIFFs as virtual arrays of an Icechunk repository, in one commit.

    Each reference carries the state of its source at the time when it was parsed: Icechunk
    refuses to read from a source that has changed since then. An interrupted run does not change
    the repository.

    Attributes of the files that differ become coordinates along a new dimension, if they are
    numbers or texts; others are left out, and listed in the result.

    Parameters
    ----------
    sources
        Paths, directories, globs, urls and prefixes, lists of them (`@list.txt`, `-`), and
        STAC items; or a document that declares a grid, as GDAL's VRT; see `find_files`.
    to
        A local path, `s3://bucket/prefix`, `gs://…`, `az://…` (with the credentials of the
        environment), `memory://`, or an `icechunk.Storage`. Without `append` it must hold no
        repository, or an empty one.
    concat
        A new dimension: the files are stacked along it, in the order of their coordinates or,
        without `time` and `values`, in the order of the sources. Or dimensions of the files
        (`"y"`, `("y", "x")`, `"band"`): the files are joined as tiles by their transforms, also
        rotated ones, or as bands in their order; every file but the last along a dimension must
        be a whole number of chunks long. Or several new dimensions, or both
        (`("time", "band", "y", "x")`): the new ones come first, in this order, and each needs
        coordinates; positions without a file are holes, which the result counts as `missing`.
        Files must have the same type, codecs, chunks, fill value, CRS, and all other attributes
        that decide the meaning of a stored number.
    layout
        `"stack"` (default with `concat`): one array, or one for each variable.
        `"group per file"` (default without `concat`): the name of a group is that of the file
        without suffix or, if two files have the same name, its path below their common directory.
        `"group per signature"`: files that can be stacked share a group: images of one position
        or, with `concat=("y", "x")`, tiles of one grid. `"group per variable"`.
        `"group per resolution"`: the groups are `10m`, `20m`, and so on; they have the same times,
        and the same numbers along other new dimensions.
    time, variable, values, assets
        The coordinates (`time="tag"`: the tag DateTime of the files), and the variable of a
        file. The name of a variable replaces `"0"`. For several
        new dimensions `values` is a mapping from their names to what gives the coordinates
        (a pattern, a list, a function, a CSV file, `"asset"`, `"tag"`, a STAC property), a pattern
        with groups of these names, as `r"_(?P<time>\d{8})_(?P<band>B\d\d)"`, or a CSV file
        whose header has url and these names; `time` gives those of the dimension time or t.
    variable_name
        The name of the array of a cube without variables, instead of `"0"`. `"auto"` takes what
        the names of the files have in common, or `data`, if `ifd_layout` is `"flat"`. With
        `append`, None and `"auto"` take the name in the repository.
    group
        One cube for each group of files, in one repository and one commit: a regular expression
        whose groups are the name, as `r"_T(?P<tile>\d\d[A-Z]{3})_"` (one with a `/` is searched in
        the path), the name of a STAC property, a function or a mapping of urls, or a CSV file with
        the columns url and group. Each group is arranged by itself. `append` remembers an
        expression or a property. Without `concat` it names the group of each file;
        `IMAGE/labels/NAME` is a label image of OME-Zarr.
    order
        The order of the files, which decides which of overlapping files is the first: the name of
        a STAC property, such as `"eo:cloud_cover"`, a function or a mapping of urls, a CSV file
        with the columns url and order, or a regular expression. The smallest value comes first.
        None is the order of the sources.
    append
        Whether to add new files to a repository that this function has published. Published files
        that are unchanged are skipped. If there is no repository, it is made.
    replace_changed
        Whether to write new references to files that have changed since they were published.
        Otherwise they are only reported.
    on_error
        `"raise"`: publish nothing if a file cannot be read. `"skip"`: leave out such files, files
        that cannot be stacked with most others (or with those that are published), and all but the
        first of several files with one position; `Published.failures` has the reasons.
    truncated
        How to publish a file that ends before its last block, directory or value of a tag.
        `"refuse"`: it is an error, like a file that cannot be read. `"missing"`: publish the rest;
        blocks that are lost, wholly or in part, are missing chunks, which read as the fill value.
        `"keep"`: refer to all blocks; reading a lost one fails. This is for files of writers that
        state too many bytes. The result counts the lost blocks.
    branch
        The branch of the commit; made if there is none.
    tag
        A tag for the commit, such as the name of a release: readers open it by
        `open_published(to, tag=…)`. A tag that exists is an error before anything is read. If
        nothing is new, the last commit gets the tag.
    message, metadata
        The message and further metadata of the commit.
    store_options
        obstore's options of the stores of the sources, such as `{"region": "us-west-2",
        "skip_signature": True}`. The region, the endpoint and whether requests are signed are saved
        in the repository; credentials and HTTP headers are not. With `append`, the default is the
        settings in the repository, and other settings are an error.
    container
        Url prefixes (or local folders) that the repository may refer to, such as `"s3://bucket/"`:
        a reader authorises each of them. The default is the common folder of all files of a bucket,
        up to the first folder whose name is a year, a date, a number or a tile. Files outside of
        the given prefixes get a prefix by this rule.
    save_access
        With `append`: whether to save settings of `store_options` that differ from those in the
        repository, such as a new endpoint, for all readers of these stores.
    reference_as
        `"https"`: refer to the objects of a public archive by https urls, which browsers can read,
        instead of `s3://`, `gs://` or `az://`. One request tests that this works, and then the
        files are read by these urls. Appends to the repository do the same.
    remote_schemes
        The schemes of urls that a remote list or STAC document may name; by default those of
        remote objects. Files of this machine are refused, unless `"file"` is added.
    concurrency
        Files that are read at the same time (by each worker, with `parallel`).
    parallel
        The workers that read files and write references. False: this process. A number: so many
        processes of this machine (a script must then call `publish` below
        `if __name__ == "__main__":`). `"dask"`: the Dask client of this process. An address: a new
        client of this Dask scheduler. `"lithops"`, or an executor of `concurrent.futures`. Workers
        write references if a run has more of them than one commit, and if they can open the
        repository, on a shared disk or in an object store. This process merges and commits. If a
        worker dies, its work is done again; if several workers die at one file, this is an error
        like others.
    cache
        A file in which directories are saved: a later run reads from it the files that are
        unchanged, by ETag or else by time and size. Several runs can share it. A file that is
        locked or not writable is not used, with a warning. None: a file of this run in the user's
        folder of caches (`virtual-tiff/runs` in `$XDG_CACHE_HOME` or `~/.cache`), with which a run
        to the same repository continues after one that was killed or has failed; it is removed
        after a successful run. False saves nothing.
    check
        Whether to read the first and the last chunk of each array before the commit. If one
        cannot be read, nothing is published.
    portable
        Whether to use only codecs and data types that zarr-python, zarrs and zarrita have:
        `bytes`, `zstd`, `numcodecs.zlib`; integers, float32 and float64. Names of readers, such as
        `"zarrs,tensorstore"`, ask for those that these readers have; docs/interoperability.md has
        their versions. Samples have the order of the file, (y, x, band). A short last strip is
        filled up and copied into the repository, unless enough bytes follow it in the file; a file
        that would have to be copied completely is an error. None: as the repository with `append`,
        else False.
    inline_limit
        With `portable`: the largest number of bytes of one array of one file that may be copied.
        None is 1 MiB, or 5 % of the bytes of the array in the file if that is more.
    per_scene
        With `concat` along a new dimension: `"gcps"` (ground control points) and `"rpcs"` become
        coordinates along it, with a text for each scene. Otherwise scenes that differ in them are
        an error. `append` remembers the option.
    overlap
        The file that is shown where two files overlap, with `concat` along `y` and `x`: the
        `"first"` or the `"last"` in their order (GDAL's VRT shows the last one). With `"error"` an
        overlap is an error. Whole blocks are shown, cropped at the seam.
    snap
        The distance from the common grid that a file may have, in pixels; `Published.shift` is the
        largest distance.
    grid
        Whether chunks may have several lengths. Tiles need this if they do not fill their chunks,
        overlap, or have blocks of different sizes. `"auto"` and `"regular"` write a regular grid or
        refuse the files; the error of `"auto"` says whether a rectilinear grid would work.
        `"rectilinear"` writes Zarr's rectilinear grid: zarr reads it after
        `zarr.config.set({"array.rectilinear_chunks": True})`; where blocks are cropped, a reader
        needs this package.
    nodata
        The nodata value of the cube, for files with different values: pixels with another nodata
        value then count as data. With None, different values are an error.
    any_compression
        Whether blocks with Deflate, with Zstandard and without compression may be in one array,
        instead of being an error. Its readers need this package, whose codec looks at the first
        bytes of a block.
    dry_run
        Whether to read and arrange the files, and to write nothing. The result lists what would be
        published, what would be left out and why, and the number of requests. The directories that
        were read are saved for the real run, as after an interruption.
    progress
        Called for each file that was read, and from time to time while files are looked for and
        references are written (`Progress.stage`).
    **parser_options
        Options of `VirtualTIFF`: `ifd`, `ifd_layout`, `overviews`, …

    Returns
    -------
    Published
        The commit, its arrays, and what was left out.

    Raises
    ------
    ValueError
        If an option is not one of those allowed, or a file is named twice.
    PublishError
        If files cannot be read (`failures` has the error of each) or cannot be stacked, or if `to`
        is in use. Nothing is written then.
    OSError
        If nothing matches, or a list cannot be read.
    KeyboardInterrupt
        After Ctrl-C; its text says what was saved, and how to continue.
    """
    options = PublishOptions(
        concat=concat,
        layout=layout,
        time=time,
        variable=variable,
        variable_name=variable_name,
        values=values,
        group=group,
        order=order,
        assets=assets,
        append=append,
        replace_changed=replace_changed,
        on_error=on_error,
        truncated=truncated,
        branch=branch,
        tag=tag,
        message=message,
        metadata=metadata,
        store_options=store_options,
        container=container,
        save_access=save_access,
        reference_as=reference_as,
        remote_schemes=remote_schemes,
        concurrency=concurrency,
        parallel=parallel,
        cache=cache,
        check=check,
        portable=portable,
        inline_limit=inline_limit,
        per_scene=per_scene,
        overlap=overlap,
        snap=snap,
        grid=grid,
        nodata=nodata,
        any_compression=any_compression,
        dry_run=dry_run,
        progress=progress,
        parser_options=parser_options,
    )
    publication = Publication.of(sources, to, options)
    with publication:
        try:
            run_to_end(publication.read())
            while publication.plan():
                run_to_end(publication.read_again())
            return publication.write()
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(publication.kept()) from interrupt


async def publish_async(
    sources: Any,  # noqa: ANN401
    to: str | os.PathLike[str] | icechunk.Storage,
    **options: Any,  # noqa: ANN401 (those of `publish`)
) -> Published:
    """Do what `publish` does, within a running event loop; see there for the options.

    Parameters
    ----------
    sources, to, options
        As those of `publish`.

    Returns
    -------
    Published
        The commit, its arrays, and what was left out.
    """
    publication = Publication.of(sources, to, PublishOptions.of(options))
    with publication:
        await publication.read()
        while await await_thread(publication.plan):
            await publication.read_again()
        return await await_thread(publication.write)
