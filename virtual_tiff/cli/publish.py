"""`virtual-tiff publish`: its options, its progress, its report."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtual_tiff.publishing import Progress, Published, PublishedArray

__all__ = ["add_publish", "key_and_value"]

_EVERY = 5.0
"""Seconds between two lines of progress in a log."""


def key_and_value(text: str) -> tuple[str, str]:
    """Read an option of the form KEY=VALUE, for argparse."""
    key, sign, value = text.partition("=")
    if not key or not sign:
        msg = "it is not KEY=VALUE"  # and may be a secret, so it is not shown
        raise argparse.ArgumentTypeError(msg)
    return key, value


_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--concat",
        {
            "metavar": "DIM",
            "help": "stack the files along this new dimension, or put them together along those"
            " that they have, as y,x; otherwise each becomes a group",
        },
    ),
    (
        "--layout",
        {
            "help": "stack, group per file, group per signature (with --concat: files that fit"
            " share a group), group per variable"
        },
    ),
    (
        "--time",
        {
            "help": "where times are from: tag (the files' DateTime); datetime (of STAC items); or"
            " a pattern in the name, as '(?P<time>\\d{8})'"
        },
    ),
    (
        "--values",
        {"help": "coordinates: a CSV file with the columns url and value, or a pattern"},
    ),
    (
        "--variable",
        {
            "help": "a pattern whose groups are the variable of a file, as"
            " '(?P<band>B\\d\\d)\\.tif'; or asset, the key of the STAC asset"
        },
    ),
    ("--asset", {"action": "append", "metavar": "KEY", "help": "of STAC items; may be repeated"}),
    (
        "--append",
        {"action": "store_true", "help": "add what is new, and skip what is published already"},
    ),
    (
        "--replace-changed",
        {"action": "store_true", "help": "with --append: refer to changed files anew"},
    ),
    (
        "--remote-schemes",
        {
            "metavar": "NAMES",
            "type": lambda text: tuple(text.split(",")),
            "help": "schemes of what a remote list or STAC document may name, as https,s3"
            " (default: all of remote objects; add file for files of this machine)",
        },
    ),
    ("--on-error", {"default": "raise", "help": "raise (default), or skip: publish the others"}),
    (
        "--truncated",
        {
            "default": "refuse",
            "help": "files that end before their last block: refuse (default), missing (publish"
            " them; lost blocks read as the fill value) or keep (refer to all blocks)",
        },
    ),
    ("--ifd", {"help": "only this directory: 0, or 0/1 for a SubIFD"}),
    ("--ifd-layout", {"default": "flat", "help": "flat (default), nested, pyramid or stack"}),
    (
        "--no-overviews",
        {"dest": "overviews", "action": "store_false", "help": "leave overviews out"},
    ),
    (
        "--no-coordinates",
        {
            "dest": "coordinates",
            "action": "store_false",
            "help": "no arrays x, y, band and spatial_ref",
        },
    ),
    (
        "--no-merge-strips",
        {"dest": "merge_strips", "action": "store_false", "help": "keep one chunk a strip"},
    ),
    ("--branch", {"default": "main", "help": "(default: main)"}),
    ("--message", {"help": "of the commit"}),
    (
        "--metadata",
        {
            "metavar": "KEY=VALUE",
            "type": key_and_value,
            "action": "append",
            "default": [],
            "help": "of the commit; may be repeated",
        },
    ),
    (
        "--concurrency",
        {"type": int, "default": 64, "help": "files that are read at once (default: 64)"},
    ),
    (
        "--cache",
        {"metavar": "FILE", "help": "for what was read, by url and ETag (default: in ~/.cache)"},
    ),
    ("--no-cache", {"action": "store_true", "help": "keep nothing of what was read"}),
    (
        "--portable",
        {
            "action": "store_true",
            "default": None,
            "help": "only codecs that zarr-python, zarrs and zarrita have; short last strips are"
            " copied, and what would have to be copied as a whole is refused",
        },
    ),
    (
        "--inline-limit",
        {
            "metavar": "BYTES",
            "type": int,
            "help": "with --portable: most that is copied of one array of a file (default: 1 MiB,"
            " or 5 %% of the array)",
        },
    ),
    (
        "--per-scene",
        {
            "metavar": "NAMES",
            "default": "",
            "help": "gcps, rpcs or both, as gcps,rpcs: keep the ground control points and rational"
            " polynomials of each scene as coordinates along the new dimension",
        },
    ),
    (
        "--check",
        {"action": "store_true", "help": "read a part of each array back before the commit"},
    ),
    ("--quiet", {"action": "store_true", "help": "print the Python that opens it alone"}),
)


_PASSED = (
    *("concat", "layout", "time", "values", "variable", "append", "replace_changed"),
    *("on_error", "truncated", "branch", "message", "concurrency", "check"),
    *("portable", "inline_limit", "per_scene"),
    *("ifd", "ifd_layout", "merge_strips", "overviews", "coordinates"),
)
"""Options that `publish` takes under the same names."""


def add_publish(commands: Any, add_common: Callable[..., None]) -> None:  # noqa: ANN401
    """Add the command.

    Parameters
    ----------
    commands
        argparse's.
    add_common
        Adds the options that all commands have, and says what runs.
    """
    command = commands.add_parser(
        "publish",
        help="TIFFs to an Icechunk repository",
        description="Make an Icechunk repository of references to TIFFs (or add to one), in one"
        " commit, and print the Python that opens it.",
    )
    command.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="a path, directory, glob, url or prefix; @list.txt or - for a list of them; a STAC"
        " item or collection of items",
    )
    command.add_argument(
        "--to",
        metavar="REPO",
        required=True,
        help="a local path, or s3://bucket/prefix, gs://…, az://…",
    )
    for name, settings in _OPTIONS:
        command.add_argument(name, **settings)
    add_common(command, run)


def run(options: argparse.Namespace) -> int:
    """Publish, and say what was done."""
    from virtual_tiff.publishing import publish  # noqa: PLC0415

    if options.to.startswith("memory:"):
        msg = "a repository in memory ends with this command; name a path"
        raise ValueError(msg)
    if "ICECHUNK_LOG" not in os.environ:
        import icechunk  # noqa: PLC0415

        icechunk.set_logs_filter("error")  # it warns of each local repository
    with _progress(quiet=options.quiet) as progress:
        published = publish(
            options.files,
            options.to,
            assets=options.asset,
            metadata=dict(options.metadata),
            store_options=dict(options.store_option),
            cache=None if options.no_cache else options.cache or _default_cache(),
            progress=progress,
            **({"remote_schemes": options.remote_schemes} if options.remote_schemes else {}),
            **{name: getattr(options, name) for name in _PASSED},
        )
    for name, error in published.failures.items():
        print(f"virtual-tiff: error: {name}: {error}", file=sys.stderr)
    if not options.quiet:
        print("\n".join(_summary(published, options)), file=sys.stderr)
    print(published.how_to_open)
    return 0


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "virtual-tiff" / "parsed.sqlite"


# ------------------------------------------------------------------------------- report


def _summary(published: Published, options: argparse.Namespace) -> Iterator[str]:
    """Yield what goes to stderr: stdout holds a Python program and nothing else."""
    if published.new:
        yield (
            f"published {_files(published.files)} with {published.references} references to"
            f" {options.to}: {published.branch} is now {published.snapshot}"
        )
    else:
        yield f"nothing is new: {published.branch} of {options.to} is still {published.snapshot}"
    for array in published.arrays[:_SHOWN]:
        sizes = ", ".join(
            f"{name}: {size}" for name, size in zip(array.dimensions, array.shape, strict=True)
        )
        copied = f", {_copied(array)}" if array.inlined else ""
        yield f"  {array.path}  {array.data_type} ({sizes}){copied}"
    if len(published.arrays) > _SHOWN:
        yield f"  and {len(published.arrays) - _SHOWN} more arrays"
    if published.portable:
        what = _copied(published) if published.inlined else "nothing was copied"
        yield f"portable: zarr-python, zarrs and zarrita read it; {what}"
    yield from _remarks(published)
    if published.readers_need:
        yield f"readers need beside icechunk and xarray: {', '.join(published.readers_need)}"
    if options.check:
        yield "read back: the first and the last chunk of each array"
    yield "open it with"


def _copied(found: Published | PublishedArray) -> str:
    blocks = "block" if found.inlined == 1 else "blocks"
    return f"{found.inlined} {blocks} copied ({_size(found.inlined_bytes)})"


_SHOWN = 50


def _remarks(published: Published) -> Iterator[str]:
    if published.failures:
        yield f"skipped, as they cannot be read: {_files(len(published.failures))}"
    if published.truncated:
        blocks = f"{published.lost:,} block" + ("" if published.lost == 1 else "s")
        yield f"truncated: {_files(len(published.truncated))}, which lost {blocks}:"
        shown = list(published.truncated.items())[:_SHOWN]
        yield from (f"  {name}: {words}" for name, words in shown)
    if published.unchanged:
        yield f"published before and unchanged: {_files(published.unchanged)}"
    for url in published.changed:
        yield f"changed since it was published, see --replace-changed: {url}"
    if published.replaced:
        yield f"changed, and referred to anew: {_files(len(published.replaced))}"
    if published.missing:
        yield f"places without a file, which read as the fill value: {published.missing}"
    for path, names in published.left_out.items():
        yield f"left out, as the files differ in them: {path or '/'}: {', '.join(names)}"


def _files(count: int) -> str:
    return f"{count} file" + ("" if count == 1 else "s")


# ----------------------------------------------------------------------------- progress


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show a bar on a terminal, now and then a line in a log; give what moves it."""
    if quiet:
        yield None
        return
    try:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import MofNCompleteColumn, TextColumn  # noqa: PLC0415
        from rich.progress import Progress as Bar  # noqa: PLC0415
    except ImportError:
        yield _Lines()
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (*Bar.get_default_columns(), MofNCompleteColumn(), TextColumn("{task.fields[what]}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading directories", total=None, what="")
        yield lambda now: bar.update(task, completed=now.files, total=now.total, what=_what(now))


class _Lines:
    """Prints a line when some seconds have passed."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, now: Progress) -> None:
        if time.monotonic() - self._last >= _EVERY:
            self._last = time.monotonic()
            text = f"read {now.files} of {now.total} files, {_what(now)}"
            print(f"virtual-tiff: {text}", file=sys.stderr, flush=True)


def _what(now: Progress) -> str:
    failed = f", {now.failed} failed" if now.failed else ""
    return f"{now.references} references, {_size(now.bytes)}{failed}"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"
