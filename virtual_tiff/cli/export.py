"""`virtual-tiff export`: its options, its report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from virtual_tiff.cli.common import add_common, add_quiet, quiet_icechunk
from virtual_tiff.sources.urls import file_path, scheme_of
from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import printable

__all__ = ["add_export"]

_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".gtiff")


def add_export(commands: Any) -> None:  # noqa: ANN401 (argparse's)
    """Add the command to those of argparse."""
    command = commands.add_parser(
        "export",
        help="write kerchunk references to a TIFF or a published repository",
        description="Write kerchunk references to the byte ranges of a TIFF or of a published"
        " repository, for fsspec, xarray and GDAL. An array whose codecs the format cannot name is"
        " refused. The lines of Python that open the references are printed.",
    )
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a TIFF, as a path or a url that ends in .tif, .tiff, .btf, .tf8 or .gtiff, or a"
        " repository, as a local directory or s3://bucket/prefix",
    )
    command.add_argument("to", metavar="OUT", help="the file to write; for Parquet a folder")
    command.add_argument(
        "--format",
        choices=("json", "parquet"),
        help="the form of the references (default: parquet if OUT ends in .parq or .parquet, else"
        " json)",
    )
    command.add_argument(
        "--zarr-format",
        type=int,
        choices=(2, 3),
        default=2,
        help="the metadata's format: 2 is read by most (default); 3 has all codecs, and GDAL and"
        ' xarray\'s engine "kerchunk" do not read it',
    )
    command.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--branch", help="of a repository: the branch (default: main)")
    which.add_argument("--tag", help="of a repository: the tag")
    which.add_argument("--snapshot", metavar="ID", help="of a repository: the commit")
    command.add_argument("--ifd", help="of a TIFF: the directory (default: all)")
    command.add_argument(
        "--layout",
        choices=("flat", "nested", "pyramid", "stack"),
        help="of a TIFF: how its directories are arranged (default: flat)",
    )
    add_quiet(command, "print nothing")
    add_common(command, _run)


def _run(options: argparse.Namespace) -> int:
    from virtual_tiff.interoperability.kerchunk import to_kerchunk  # noqa: PLC0415 (takes long to load)

    store = _tiff(options) if _is_tiff(options.source) else _repository(options)
    in_parquet = options.to.endswith((".parq", ".parquet"))
    exported = to_kerchunk(
        store,
        options.to,
        format=options.format or ("parquet" if in_parquet else "json"),
        zarr_format=options.zarr_format,
        overwrite=options.overwrite,
    )
    if not options.quiet:
        counts = ", ".join(
            (
                counted(exported.arrays, "array"),
                counted(exported.references, "reference"),
                f"{counted(exported.inlined, 'chunk')} within",
            )
        )
        print(printable(f"exported to {exported.path}: {counts}"))
        print(f"\n{exported.how_to_open}")
    return 0


def _is_tiff(name: str) -> bool:
    if scheme_of(name) in (None, "file"):
        return not Path(file_path(name)).is_dir()
    return name.partition("?")[0].lower().endswith(_SUFFIXES)


def _tiff(options: argparse.Namespace) -> Any:  # noqa: ANN401 (a store)
    from virtual_tiff.parser import VirtualTIFF  # noqa: PLC0415 (takes long to load)
    from virtual_tiff.sources.finding import find_files  # noqa: PLC0415
    from virtual_tiff.sources.running import interruptible  # noqa: PLC0415

    for name in ("branch", "tag", "snapshot"):
        if getattr(options, name) is not None:
            msg = f"--{name} is an option of repositories, and {options.source} is a TIFF"
            raise ValueError(msg)
    store_options = dict(options.store_option)
    found = find_files([options.source], store_options=store_options, for_references=True)
    files = interruptible(list)(found)
    if len(files) != 1:
        msg = f"{options.source} names {counted(len(files), 'file')}; give one"
        raise ValueError(msg)
    location = files[0].location
    number = options.ifd
    parser = VirtualTIFF(
        ifd=int(number) if number is not None and number.isdecimal() else number,
        ifd_layout=options.layout or "flat",
    )
    return parser.parse_object_sync(location.store, location.path, url=location.url)


def _repository(options: argparse.Namespace) -> Any:  # noqa: ANN401 (a store)
    from virtual_tiff.publishing.repository.opening import open_published  # noqa: PLC0415

    for name in ("ifd", "layout"):
        if getattr(options, name) is not None:
            msg = f"--{name} is an option of TIFFs, and {options.source} is taken for a repository"
            raise ValueError(msg)
    quiet_icechunk()
    return open_published(
        options.source,
        branch=options.branch,
        tag=options.tag,
        snapshot=options.snapshot,
        store_options=dict(options.store_option),
    )
