"""`virtual-tiff publish`: its options, its progress, its report."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from virtual_tiff.cli.common import (
    LEFT_CHANGED,
    LEFT_OUT,
    add_common,
    add_quiet,
    key_and_value,
    print_line,
    progress_bar,
    quiet_icechunk,
    sizes_text,
)
from virtual_tiff.cli.words import in_options
from virtual_tiff.text.numbers import counted, human_size, listed
from virtual_tiff.tiff import redacted

if TYPE_CHECKING:
    from virtual_tiff.publishing import Progress, Published, PublishedArray

__all__ = ["add_publish"]

_PASSED = (
    *("concat", "time", "variable", "group", "order", "append", "replace_changed"),
    *("on_error", "truncated", "branch", "tag", "message", "concurrency", "parallel"),
    *("check", "portable", "inline_limit", "per_scene", "overlap", "snap", "grid", "nodata"),
    *("any_compression", "container", "save_access", "reference_as", "dry_run"),
    *("ifd", "ifd_layout", "page_axes", "ome_zarr", "merge_strips", "overviews", "coordinates"),
)
"""Options that `publish` takes under the same names."""

_PASSED_IF_GIVEN = ("bands", "window", "bbox", "bbox_crs", "samples", "exact", "remote_schemes")
"""The same, of those that have no default here: `--portable` wants other samples, for instance."""


_LAYOUTS = (
    *("stack", "group-per-file", "group-per-variable", "group-per-resolution"),
    "group-per-signature",
)


def add_publish(commands: Any) -> None:  # noqa: ANN401 (argparse's)
    """Add the command to those of argparse."""
    command = commands.add_parser(
        "publish",
        help="publish TIFFs in an Icechunk repository",
        description="Write references to TIFFs into a new Icechunk repository, or one that exists,"
        " in one commit, and print the Python code that opens it.",
    )
    command.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="a path, directory, glob, url or prefix; @list.txt or - for a list of them; a STAC"
        " item or collection of items; a VRT, a tile index or a table of tiles; a companion of"
        " OME-TIFFs (.companion.ome)",
    )
    command.add_argument(
        "--to",
        metavar="REPO",
        required=True,
        help="a local path, or s3://bucket/prefix, gs://…, az://…",
    )
    _add_arrangement(command.add_argument_group("arrangement of the files"))
    _add_files(command.add_argument_group("choice of the files"))
    _add_options_of_parser(command.add_argument_group("content of each file"))
    _add_repository(command.add_argument_group("repository and readers"))
    run = command.add_argument_group("run and output")
    _add_run(run)
    add_common(command, _run, run)


def _add_arrangement(group: Any) -> None:  # noqa: ANN401 (a group of argparse)
    """Add the options that say which arrays the files become."""
    option = group.add_argument
    option(
        "--concat",
        metavar="DIM",
        help="stack the files along this new dimension, or join them along dimensions that they"
        " have, as y,x, or both, as time,band,y,x; without it each file becomes a group",
    )
    option(
        "--layout",
        choices=_LAYOUTS,
        type=lambda text: text.replace(" ", "-"),
        metavar="LAYOUT",
        help="stack, group-per-file, group-per-variable, group-per-resolution (called 10m and so"
        " on, with shared times), or group-per-signature (with --concat: files that can be stacked"
        " share a group)",
    )
    option(
        "--time",
        help="where times come from: tag (the files' DateTime), datetime (of STAC items), or a"
        " pattern that finds them in the names, as '(\\d{8})' or '(\\d{4}-\\d\\d-\\d\\d)'",
    )
    option(
        "--values",
        action="append",
        metavar="[DIM=]VALUES",
        help="coordinates: a CSV file with the columns url and value, a pattern, asset (the key of"
        " the STAC asset), or the name of a STAC property. For several new dimensions DIM=… for"
        " each, a pattern with groups called as they are, '_(?P<time>\\d{8})_(?P<band>B\\d\\d)', or"
        " a CSV file with the columns url and their names",
    )
    option(
        "--variable",
        help="a pattern whose groups give the variable of a file, as '(?P<band>B\\d\\d)\\.tif';"
        " or asset, for the key of the STAC asset",
    )
    option(
        "--variable-name",
        metavar="NAME",
        help="the name of the array of a cube (default: what the names of the files have in common,"
        " or data)",
    )
    option(
        "--group",
        help="make a cube for each group, which a pattern finds in the names, as"
        " '_T(\\d\\d[A-Z]{3})_'; or a"
        " CSV file with the columns url and group, or the name of a STAC property",
    )
    option(
        "--order",
        help="the order of the files, which decides which of two overlapping ones comes first: the"
        " name of a STAC property, as eo:cloud_cover, a pattern, or a CSV file with the columns url"
        " and order (default: the order of the sources)",
    )
    option(
        "--overlap",
        choices=("error", "first", "last"),
        default="error",
        help="with --concat y,x: which of two overlapping files is shown: first or last in their"
        " order, as GDAL's VRT shows the last one; error (default) refuses them",
    )
    option(
        "--snap",
        type=float,
        default=0.01,
        metavar="PIXELS",
        help="how far a file may lie off the common grid (default: 0.01)",
    )
    option(
        "--grid",
        choices=("auto", "regular", "rectilinear"),
        default="auto",
        help="auto (default) and regular: write a regular chunk grid or refuse the files;"
        " rectilinear: write chunks of several lengths where tiles need them, which zarr reads"
        " after zarr.config.set({'array.rectilinear_chunks': True})",
    )
    option(
        "--per-scene",
        metavar="NAMES",
        default="",
        help="gcps, rpcs, or gcps,rpcs: keep the ground control points or rational polynomials of"
        " each scene as coordinates along the new dimension",
    )
    option(
        "--nodata",
        type=float,
        metavar="NUMBER",
        help="the nodata value of the arrays, for files whose nodata values differ",
    )
    option(
        "--any-compression",
        action="store_true",
        help="allow blocks of Deflate, of Zstandard and uncompressed ones in one array; its"
        " readers need this package",
    )


def _add_files(group: Any) -> None:  # noqa: ANN401 (a group of argparse)
    """Add the options that say which files are published, and what errors do."""
    option = group.add_argument
    option(
        "--asset",
        action="append",
        metavar="KEY",
        help="the key of an asset of STAC items; may be repeated",
    )
    option(
        "--remote-schemes",
        metavar="NAMES",
        type=lambda text: tuple(text.split(",")),
        help="schemes of the urls that a remote list or STAC document may name, as https,s3"
        " (default: those of all remote objects; file allows files of this machine too)",
    )
    option(
        "--append",
        action="store_true",
        help="add the files that are new, and skip those that are published already",
    )
    option(
        "--replace-changed",
        action="store_true",
        help="with --append: publish files again that have changed",
    )
    option(
        "--on-error",
        choices=("raise", "skip"),
        default="raise",
        help="at a file that cannot be read, that cannot be stacked with most others, or that has"
        " the position of another one: raise (default), or skip it and publish the others",
    )
    option(
        "--truncated",
        choices=("refuse", "missing", "keep"),
        default="refuse",
        help="files that end before their last block: refuse (default), missing (publish them;"
        " lost blocks read as the fill value) or keep (publish references to all blocks)",
    )


def _add_repository(group: Any) -> None:  # noqa: ANN401 (a group of argparse)
    """Add the options of the commit, and of those who read it."""
    option = group.add_argument
    option("--branch", default="main", help="the branch (default: main)")
    option(
        "--tag", help="a tag for the commit, as the name of a release; one that exists is refused"
    )
    option("--message", help="the message of the commit")
    option(
        "--metadata",
        metavar="KEY=VALUE",
        type=key_and_value,
        action="append",
        default=[],
        help="metadata of the commit; may be repeated",
    )
    option(
        "--portable",
        nargs="?",
        metavar="READERS",
        const=True,
        type=lambda text: text or True,
        help="use only codecs that these readers have, as zarrs,zarrita, of zarr-python, zarrs,"
        " zarrita, tensorstore and GDAL (without names: the first three); short last strips are"
        " copied, and files that would have to be copied as a whole are refused",
    )
    option(
        "--inline-limit",
        metavar="BYTES",
        type=int,
        help="with --portable: how much of an array of a file may be copied (default: 1 MiB, or"
        " 5 %% of the array)",
    )
    option(
        "--container",
        metavar="PREFIX",
        action="append",
        default=[],
        help="a url prefix that the repository may refer to, as s3://bucket/, which readers"
        " authorise; may be repeated (default: the folder of all files of a bucket, up to one that"
        " is named after a year, a date, a number or a tile)",
    )
    option(
        "--reference-as",
        choices=("https",),
        help="refer to the objects of a public archive, which are named as s3://, gs:// or az://,"
        " by https urls, which browsers follow too; appends do the same",
    )
    option(
        "--save-access",
        action="store_true",
        help="with --append: save the settings of --store-option, such as a new endpoint, in"
        " place of those of the repository; without it a difference is an error",
    )


def _add_run(group: Any) -> None:  # noqa: ANN401 (a group of argparse)
    """Add the options that say how the work is done."""
    option = group.add_argument
    option(
        "--concurrency",
        type=int,
        default=64,
        help="how many files are read at the same time (default: 64)",
    )
    option(
        "--parallel",
        metavar="WORKERS",
        type=_workers,
        default=False,
        help="a number of processes of this machine, the address of a Dask scheduler, as"
        " tcp://host:8786, or lithops: its workers read the files and write references (default:"
        " this process)",
    )
    option(
        "--cache",
        metavar="FILE",
        help="a file that keeps what was read, by url and ETag (default: one of this run in"
        " ~/.cache, with which the next run continues if this one is interrupted)",
    )
    option("--no-cache", action="store_true", help="keep nothing of what was read")
    option("--check", action="store_true", help="read a part of each array back before the commit")
    option(
        "--dry-run",
        action="store_true",
        help="read and arrange the files, write nothing, and say what would be published and"
        " what would be left out; the next run reads no file again",
    )
    option(
        "--json",
        action="store_true",
        help="print the result as JSON, for programs, in place of the Python code",
    )
    much = group.add_mutually_exclusive_group()
    add_quiet(much, "print only the Python code that opens the repository")
    much.add_argument("-v", "--verbose", action="store_true", help="print each file that is read")


def _workers(text: str) -> int | str:
    """Read the value of `--parallel`, for argparse."""
    if text.isdecimal():
        return int(text)
    if text in ("dask", "lithops") or "://" in text:
        return text
    msg = (
        "the value must be a number of processes, the address of a Dask scheduler, as"
        f" tcp://host:8786, or lithops, not {text!r}"
    )
    raise argparse.ArgumentTypeError(msg)


def _numbers[T: (int, float)](kind: Callable[[str], T]) -> Callable[[str], list[T]]:
    """Return a function that reads numbers between commas, for argparse."""

    def read(text: str) -> list[T]:
        try:
            return [kind(number) for number in text.split(",")]
        except ValueError:
            whole = "whole numbers" if kind is int else "numbers"
            msg = f"the value must be {whole} with commas between them, not {text!r}"
            raise argparse.ArgumentTypeError(msg) from None

    return read


def _add_options_of_parser(group: Any) -> None:  # noqa: ANN401 (a group of argparse)
    """Add the options of `VirtualTIFF`, which say what of each file is published, and how."""
    option = group.add_argument
    option("--ifd", help="publish only this directory: 0, or 0/1 for a SubIFD")
    option(
        "--ifd-layout",
        choices=("flat", "nested", "pyramid", "stack"),
        default="flat",
        help="how the directories of a file are arranged (default: flat)",
    )
    option(
        "--page-axes",
        choices=("named", "page"),
        default="named",
        help="the axes of the pages of ImageJ, MetaMorph, LSM, FluoView and tifffile in the layout"
        " stack: named (default: t, c, z and others, as their metadata name them) or page",
    )
    option(
        "--ome-zarr",
        choices=("0.5", "0.6"),
        default="0.5",
        help="the version of OME-Zarr's attributes (default: 0.5)",
    )
    overviews = group.add_mutually_exclusive_group()
    overviews.add_argument(
        "--overviews",
        metavar="LEVELS",
        type=_numbers(int),
        default=True,
        help="publish only these overviews, as 0,1; 0 is the largest one (default: all)",
    )
    overviews.add_argument(
        "--no-overviews", dest="overviews", action="store_false", help="leave out overviews"
    )
    option(
        "--bands",
        metavar="BANDS",
        type=lambda text: [int(one) if one.isdecimal() else one for one in text.split(",")],
        help="publish only these bands, by number from 1 or by name, as 4,3,2 or red,nir; only"
        " for files that store each band separately (INTERLEAVE=BAND)",
    )
    option(
        "--window",
        metavar="COLUMN,ROW,WIDTH,HEIGHT",
        type=_numbers(int),
        help="publish only this part of each file, in pixels, extended to whole blocks",
    )
    option(
        "--bbox",
        metavar="LEFT,BOTTOM,RIGHT,TOP",
        type=_numbers(float),
        help="publish only this part of each file, in the units of its CRS (or of --bbox-crs),"
        " extended to whole blocks; files that lie outside are left out and counted",
    )
    option("--bbox-crs", metavar="CRS", help="the CRS of --bbox, as EPSG:4326 (needs pyproj)")
    option(
        "--exact",
        action="store_true",
        help="refuse a window or a box that does not end where blocks do",
    )
    option(
        "--samples",
        choices=("first", "stored"),
        help="the order of dimensions where the samples of a pixel lie together: first (default:"
        " band, y, x) or stored (y, x, band)",
    )
    option(
        "--no-coordinates",
        dest="coordinates",
        action="store_false",
        help="leave out the arrays x, y, band and spatial_ref",
    )
    option(
        "--no-merge-strips",
        dest="merge_strips",
        action="store_false",
        help="make each strip a chunk; otherwise small uncompressed strips are merged",
    )


def _run(options: argparse.Namespace) -> int:
    from virtual_tiff.publishing import publish  # noqa: PLC0415 (takes long to load)
    from virtual_tiff.sources.urls import about_file  # noqa: PLC0415

    if options.to.startswith("memory:"):
        msg = "a repository in memory ends with this command; name a path"
        raise ValueError(msg)
    quiet_icechunk()
    with progress_bar(quiet=options.quiet or options.verbose, task="finding files") as update:

        def show_progress(now: Progress) -> None:
            """Show the stage of the run, or, with `--verbose`, each file that was read."""
            failed = f", {now.failed} failed" if now.failed else ""
            note = f"{now.references:,} references, {human_size(now.bytes)}{failed}"
            if update is not None:
                note = "" if now.stage == "finding" else note
                total = now.total or None
                update(completed=now.files, total=total, note=note, task=_STAGES[now.stage])
            elif options.verbose and now.stage == "reading":
                counts = f"{now.files:,} of {now.total:,} files, {note}"
                print(f"virtual-tiff: read {redacted(now.last)}: {counts}", file=sys.stderr)

        published = publish(
            options.files,
            options.to,
            values=_values(options.values, (options.concat or "").split(",")),
            layout=options.layout and options.layout.replace("-", " "),
            assets=options.asset,
            variable_name=options.variable_name or (None if options.variable else "auto"),
            metadata=dict(options.metadata),
            store_options=dict(options.store_option),
            cache=False if options.no_cache else options.cache,
            progress=None if options.quiet else show_progress,
            **{name: value for name in _PASSED_IF_GIVEN if (value := getattr(options, name))},
            **{name: getattr(options, name) for name in _PASSED},
        )
    if published.new_containers:
        print(
            "virtual-tiff: warning: new container, which readers have to authorise from now on (the"
            f" code printed here does): {', '.join(published.new_containers)}",
            file=sys.stderr,
        )
    for name, error in published.failures.items():
        text = in_options(error, options.names, wrong_use=False)
        print_line("error", about_file(redacted(name), text))
    if published.changed and options.quiet:  # else the summary names all
        count, urls = counted(len(published.changed), "file"), listed(published.changed)
        text = f"changed since publication, and left as published (see --replace-changed): {count}"
        print(f"virtual-tiff: error: {text}: {urls}", file=sys.stderr)
    if not options.quiet:  # to stderr: stdout holds a Python program and nothing else
        print("\n".join(_summary(published, options)), file=sys.stderr)
    if options.json:
        print(json.dumps(published.to_json(), indent=2))
    elif not options.dry_run:
        print(published.how_to_open)
    if published.changed:
        return LEFT_CHANGED
    return LEFT_OUT if published.failures else 0


def _values(texts: list[str] | None, dimensions: list[str]) -> str | dict[str, str] | None:
    """Return what `--values` gives, by dimension where the texts name them."""
    from virtual_tiff.publishing.finding.patterns import is_pattern  # noqa: PLC0415 (see _run)

    if texts is None:
        return None
    named = dict(text.split("=", 1) for text in texts if text.partition("=")[0] in dimensions)
    # along one dimension, `time=(\d{8})` is a pattern for names such as time=20230101.tif
    if len(texts) == 1 and (not named or (len(dimensions) == 1 and is_pattern(texts[0]))):
        return texts[0]
    if len(named) < len(texts):
        msg = "several --values must each name another dimension of --concat, as time=…"
        raise ValueError(msg)
    return named


_STAGES = {
    "finding": "finding files",
    "reading": "reading directories",
    "writing": "writing references",
    "committing": "committing",
}

_MOST_LISTED = 50
"""Arrays, or truncated files, that the summary lists."""


def _summary(published: Published, options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines that say what was published."""
    size = f"{counted(published.files, 'file')} with {counted(published.references, 'reference')}"
    if options.dry_run and published.new:
        yield f"dry run: nothing was written. It would publish {size} to {options.to}"
        yield from _costs(published)
    elif published.new:
        yield f"published {size} to {options.to}: {published.branch} is now {published.snapshot}"
    else:
        yield f"nothing is new: {published.branch} of {options.to} is still {published.snapshot}"
    yield from _arrays_summary(published)
    yield from _files_summary(published)
    yield from _grid_summary(published)
    yield from _unplaced(published, (options.concat or "").split(","))
    if published.readers_need:
        yield f"readers need, besides icechunk and xarray: {', '.join(published.readers_need)}"
    if options.check and not options.dry_run:
        yield "read back: the first and the last chunk of each array"
    if not (options.json or options.dry_run):
        yield "open it with"


def _arrays_summary(published: Published) -> Iterator[str]:
    """Yield the lines that say which arrays the cube has."""

    def copied(counts: Published | PublishedArray) -> str:
        return f"{counted(counts.inlined, 'block')} copied ({human_size(counts.inlined_bytes)})"

    for array in published.arrays[:_MOST_LISTED]:
        sizes = sizes_text(array.dimensions, array.shape)
        inlined = f", {copied(array)}" if array.inlined else ""
        yield f"  {array.path}  {array.data_type} ({sizes}){inlined}"
    if len(published.arrays) > _MOST_LISTED:
        yield f"  and {counted(len(published.arrays) - _MOST_LISTED, 'more array')}"
    if published.portable:
        what = copied(published) if published.inlined else "no block was copied"
        *others, last = published.portable_readers
        names = f"{', '.join(others)} and {last} read" if others else f"{last} reads"
        yield f"portable: {names} it; {what}"


def _files_summary(published: Published) -> Iterator[str]:
    """Yield the lines that say which files were left out, or left as they were."""
    if published.failures:
        count = counted(len(published.failures), "file")
        yield f"left out, because of the errors above: {count}"
    if published.outside:
        count, names = counted(len(published.outside), "file"), listed(published.outside)
        yield f"left out, because they lie outside of the window or the box: {count}: {names}"
    if published.truncated:
        count = counted(len(published.truncated), "file")
        yield f"truncated: {count}, with {counted(published.lost, 'block')} lost:"
        shown = list(published.truncated.items())[:_MOST_LISTED]
        yield from (f"  {name}: {words}" for name, words in shown)
    if published.unchanged:
        yield f"published before and unchanged: {counted(published.unchanged, 'file')}"
    for url in published.changed:
        yield f"changed since it was published, and left as it was (see --replace-changed): {url}"
    if published.replaced:
        yield f"changed, and published again: {counted(len(published.replaced), 'file')}"


def _costs(published: Published) -> Iterator[str]:
    """Yield what it takes to read the files, and where they are."""
    if published.requests is not None and published.bytes_read is not None:
        requests = counted(published.requests, "request")
        now = f"{human_size(published.bytes_read)} of the files, by {requests}"
        yield f"  read by now: {now if published.requests else 'all files, by an earlier run'}"
    yield f"  readers authorise {listed(published.containers)}"


def _unplaced(published: Published, dimensions: list[str]) -> Iterator[str]:
    """Yield the new dimensions along which the files have no coordinates, and what gives some."""
    from virtual_tiff.publishing.finding.lookups import is_time  # noqa: PLC0415 (see _run)

    placed = {array.path.rpartition("/")[2] for array in published.coordinates}
    for name in dimensions:
        if not published.new or name in ("y", "x", "band", "") or name in placed:
            continue
        if is_time(name):
            options = (
                "--time tag takes the files' DateTime, --time '(\\d{4}-?\\d\\d-?\\d\\d)'"
                " dates in their names"
            )
        else:
            options = f"--values {name}=PATTERN takes them from the files' names"
        yield f"{name} has no coordinates, so it counts the files: {options}"


def _grid_summary(published: Published) -> Iterator[str]:
    """Yield the lines that say what of the files the arrays do not show, or not exactly."""
    if published.missing:
        yield f"positions without a file, which read as the fill value: {published.missing:,}"
    if published.covered:
        yield f"hidden below other files: {counted(published.covered, 'file')}"
    if published.shift > 0.001:
        yield f"largest distance of a file from the common grid: {published.shift:.3g} pixels"
    for path, why in published.dropped.items():
        yield f"overview left out because it does not fit: {path}: {why}"
    for path, names in published.left_out.items():
        yield f"attributes left out because they differ: {path or '/'}: {', '.join(names)}"
