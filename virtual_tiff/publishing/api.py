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

    Each reference carries the state of its source as it was when it was parsed: Icechunk
    refuses to read from a source that has changed since then. An interrupted run leaves the
    repository as it was.

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
        A new dimension: the files are stacked along it, in the order of their coordinates
        or, without `time` and `values`, their own. Or dimensions that the files have (`"y"`,
        `("y", "x")`, `"band"`): they are put together as tiles by their transforms, rotated
        ones too, or as bands in their order; every file but the last along a dimension must be
        a whole number of chunks long. Or several new dimensions, or both
        (`("time", "band", "y", "x")`): the new ones stand first, in this order, and each needs
        coordinates; positions without a file are holes, which the result counts as `missing`.
        Files must agree in type, codecs, chunks, fill value, CRS and
        whatever else decides what a stored number means.
    layout
        `"stack"` (default with `concat`): one array, or one a variable. `"group per file"`
        (default without): called by the file's name without suffix or, where two files
        share one, by its path below their common directory. `"group per signature"`: files
        that fit on each other share a group, and are stacked there: images of one place or, with
        `concat=("y", "x")`, tiles of one grid. `"group per variable"`. `"group per resolution"`:
        called `10m`, `20m`, and so on; they have the same times, and the same numbers along other
        new dimensions.
    time, variable, values, assets
        What the coordinates are (`time="tag"`: the files' own DateTime), and which variable
        a file is of; see `Placement.of`. A variable's name takes the place of `"0"`. For several
        new dimensions `values` is a mapping from their names to what gives the coordinates
        (a pattern, a list, a function, a CSV file, `"asset"`, `"tag"`, a STAC property), a pattern
        with groups of these names, as `r"_(?P<time>\d{8})_(?P<band>B\d\d)"`, or a CSV file
        whose header has url and these names; `time` gives those of the dimension time or t.
    variable_name
        The name of the variable of files that have none: that of the array of a cube, in the place
        of `"0"`. `"auto"` takes what the names of the files have in common, or `data`, where
        `ifd_layout` is `"flat"`. With `append`, None and `"auto"` take the name that the
        repository has.
    group
        One cube for each group of files, in one repository and one commit: a regular expression
        whose groups are the name, as `r"_T(?P<tile>\d\d[A-Z]{3})_"` (one with a `/` is searched in
        the path), the name of a STAC property, a function or a mapping of urls, or a CSV file with
        the columns url and group. Each group is arranged by itself. `append` remembers an
        expression or a property. Without `concat` it names the group of each file;
        `IMAGE/labels/NAME` is a label image of OME-Zarr.
    order
        The order of the files, which decides where overlapping ones have a first and a last: the
        name of a STAC property, as `"eo:cloud_cover"`, a function or a mapping of urls, a CSV file
        with the columns url and order, or a regular expression. The least comes first. None is
        the order of the sources.
    append
        Add what is new to a repository that was published by this function, after what is
        there; what is there and unchanged is skipped. Without a repository it is made.
    replace_changed
        Also write new references of files that have changed since they were published; else
        they are only reported.
    on_error
        `"raise"`: publish nothing if a file cannot be read. `"skip"`: publish the others, and leave
        out, too, the files that cannot be stacked with most others (or with what is published),
        and all but the first of those that have one position; `Published.failures` says why.
    truncated
        How to publish a file that ends before its last block, directory or value of a tag.
        `"refuse"`: it is an error, as a file that cannot be read. `"missing"`: publish what it
        has; the blocks that it has lost, wholly or in part, are missing chunks, which read as
        the fill value. `"keep"`: refer to all blocks; reading a lost one fails. It is for
        writers that state too many bytes. The result counts what is lost.
    branch
        The branch of the commit; made if there is none.
    tag
        A tag for the commit, as the name of a release: readers open it by
        `open_published(to, tag=…)`. One that exists is an error before anything is read. If
        nothing is new, the last commit gets it.
    message, metadata
        Of the commit.
    store_options
        obstore's options of the sources' stores, as `{"region": "us-west-2",
        "skip_signature": True}`. Region, endpoint and whether to sign are saved in the
        repository, credentials and HTTP headers are not. With `append`, settings that are left out
        are those that the repository has saved; others than these are an error.
    container
        Url prefixes (or local folders) that the repository may refer to, as `"s3://bucket/"`: a
        reader authorises each of them. By default it is the folder that all files of a bucket have
        in common, up to the first one that is named after a year, a date, a number or a tile.
        Files outside of those given get one by this rule.
    save_access
        With `append`: save for readers the settings that `store_options` have and the repository
        has otherwise, as a new endpoint, for all its references to these stores.
    reference_as
        `"https"`: refer to the objects of a public archive by https urls, which browsers follow
        too, in place of `s3://`, `gs://` or `az://`. They are read by these urls at once, after one
        request that shows that it works. Appends to the repository do the same.
    remote_schemes
        The schemes of urls that a list or a STAC document may name which is remote itself; by
        default those of remote objects. Files of this machine are refused, unless `"file"` is
        added.
    concurrency
        Files that are read at the same time (by each worker, with `parallel`).
    parallel
        Where files are read and references are written. False is this process; a number is that
        of processes that are started on this machine (a script must then call `publish` below
        `if __name__ == "__main__":`); `"dask"` is the client of this process, and the address of
        a Dask scheduler a new one; `"lithops"`; or an executor of `concurrent.futures`, for
        instance that of a Dask client. Workers write references where a run has more of them
        than one commit, and where they can open the repository, as one of a shared disk or an
        object store. This process merges and commits. What a worker that dies has done is done
        again; a file of which several workers die is an error as others.
    cache
        A file for what was read: a next run takes from there what has not changed since, by
        ETag or else time and size. Several runs can share it. One that is locked or cannot
        be written to is not used, with a warning. None is a file of this run in the user's folder
        of caches (`$XDG_CACHE_HOME` or `~/.cache`, and `virtual-tiff/runs` there), by which a run
        to the same repository goes on after one that was killed or has failed; it is removed when
        a run has ended well. False keeps nothing.
    check
        Whether to read the first and the last chunk of each array before the commit. If one
        cannot be read, nothing is published.
    portable
        Whether to use only codecs and data types that zarr-python, zarrs and zarrita have:
        `bytes`, `zstd`, `numcodecs.zlib`; integers, float32 and float64. Names of readers, as
        `"zarrs,tensorstore"`, ask for those that these have; see docs/interoperability.md for
        the versions. Samples are as they are
        stored, (y, x, band). A short last strip is copied into the repository, filled up, where
        the file does not go on behind it; a file that would have to be copied as a whole is an
        error. None is what `append` finds, and False of a new repository.
    inline_limit
        With `portable`: most bytes of one array of one file that may be copied; None is 1 MiB,
        or 5 % of what the array takes in the file if that is more.
    per_scene
        With `concat` along a new dimension: what of `"gcps"` (ground control points) and
        `"rpcs"` becomes a coordinate of texts along it, one a scene, which also may be equal.
        Otherwise scenes that differ in them are an error. `append` remembers it.
    overlap
        Which of two files is shown where they overlap, with `concat` along `y` and `x`:
        `"first"` or `"last"` in their order, as GDAL's VRT shows the last one; `"error"` refuses
        them. Whole blocks are shown, cropped at the seam.
    snap
        Pixels by which a file may be off the common grid; the result has the largest distance,
        `shift`.
    grid
        Whether chunks may have several lengths, as tiles need that do not fill their chunks, that
        overlap, or that have blocks of different sizes. `"auto"` and `"regular"` write a regular
        grid or refuse the files; the error of `"auto"` says if a rectilinear one would do.
        `"rectilinear"` writes Zarr's rectilinear grid: zarr reads it after
        `zarr.config.set({"array.rectilinear_chunks": True})`; where blocks are cropped, a reader
        needs this package.
    nodata
        The nodata value of the whole, for files that do not agree in theirs: pixels that are
        nodata by another value then count as data. None demands that they agree.
    any_compression
        Whether blocks of Deflate, of Zstandard and uncompressed ones may be in one array, in the
        place of an error: its readers need this package, whose codec looks at their first bytes.
    dry_run
        Whether to read and arrange the files, and to write nothing: the result says what would be
        published, what would be left out and why, and how many requests were made. What was read
        is kept for the run itself, as after an interruption.
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
        If files cannot be read (it has the error of each) or cannot be stacked, or
        `to` is in use. Nothing is left behind then.
    OSError
        If nothing matches, or a list cannot be read.
    KeyboardInterrupt
        After Ctrl-C; its text says what was kept, and how to go on.
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
