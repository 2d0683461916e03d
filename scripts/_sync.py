"""Fill ``testdata/external`` with the TIFFs that other projects test with.

Shared by the ``sync_*.py`` scripts, each of which is a table and a call of `main`. The
files come from the network (an archive, or a list of URLs) or, with ``--from``, from a
folder. What a run has written is kept: a run that was cut off is completed by the next
one, and a complete one leaves a marker, ``.sync.json``, that saves the next all work.

Exit status: 0 where all is there and right, 1 where it is not (the files that did
arrive are kept), 2 for bad arguments or an unreachable network.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.request import urlopen

EXTERNAL = Path(__file__).resolve().parent.parent / "testdata" / "external"
"""The folder that git ignores: each corpus has its own folder below it."""

MARKER = ".sync.json"
SUFFIXES = (".tif", ".tiff", ".btf")
BYTE_ORDERS = (b"II", b"MM")

MAX_DOWNLOAD = 500_000_000
MAX_UNPACKED = 1_000_000_000
"""Limits on what a host may make us store, far above what the corpora need."""

NO_NETWORK = "Where there is no network, copy from a folder: --from DIR"

TIMEOUT = 30.0
"""Seconds without a byte after which a host counts as unreachable."""
PROGRESS_STEP = 10_000_000
"""Bytes between two lines about a download."""


class SyncError(Exception):
    """The files, or the archive that holds them, are not what they should be."""


class UsageError(Exception):
    """Nothing can be done: bad arguments, or no network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Where files come from and what to expect of them."""

    name: str
    """The folder below `EXTERNAL`."""
    archive: str = ""
    """URL of a tar.gz file with one folder at its top, as GitHub makes them."""
    subfolder: str = ""
    """The folder of the archive to take, below that at its top; "" for all."""
    urls: Mapping[str, str] = field(default_factory=dict)
    """Instead of an archive: from a file name to the URL it comes from."""
    minimum: int = 1
    """So many files there must be."""
    damaged: frozenset[str] = frozenset()
    """Paths of files that are no TIFFs, on purpose: kept, and counted apart."""

    @property
    def source(self) -> str:
        """What the files come from, in one line."""
        if self.archive:
            return self.archive
        digest = sha256("\n".join(f"{n} {u}" for n, u in self.urls.items()).encode())
        return f"{len(self.urls)} urls, sha256 {digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file of a source."""

    path: str
    """Where it belongs below the folder of the corpus, with slashes."""
    size: int | None
    """In bytes; None where only the download will tell."""
    open: Callable[[], IO[bytes]]


# ------------------------------------------------------------------------- sources


def safe_path(name: str) -> str:
    """Return a path that stays below the folder it is joined to, or raise."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        reason = f"unsafe path {name!r}: nothing of this source was unpacked"
        raise SyncError(reason)
    return path.as_posix()


def is_tiff_name(name: str) -> bool:
    """Tell whether a file name ends as those of TIFFs do."""
    return name.lower().endswith(SUFFIXES)


def folder_items(folder: Path) -> list[Item]:
    """Return the TIFFs below a local folder, in order of their paths."""
    return [
        Item(
            path=path.relative_to(folder).as_posix(),
            size=path.stat().st_size,
            open=partial(opened_file, path),
        )
        for path in sorted(folder.rglob("*"))
        if is_tiff_name(path.name) and path.is_file()
    ]


def opened_file(path: Path) -> IO[bytes]:
    """Return the content of a local file."""
    return path.open("rb")


def archive_items(archive: tarfile.TarFile, subfolder: str) -> Iterator[Item]:
    """Yield the TIFFs of an archive, without its top folder and the subfolder.

    Raises
    ------
    SyncError
        Where a TIFF has an unsafe path, or all members, wanted or not, are together
        larger than `MAX_UNPACKED`.
    """
    below = PurePosixPath(subfolder).parts
    total = 0
    for member in archive:
        total += member.size
        if total > MAX_UNPACKED:
            reason = f"the archive unpacks to more than {MAX_UNPACKED} bytes"
            raise SyncError(reason)
        # Only regular files: a link could point anywhere.
        if not member.isfile() or not is_tiff_name(member.name):
            continue
        parts = safe_path(member.name).split("/")[1:]
        path = "/".join(parts[len(below) :])
        if path and tuple(parts[: len(below)]) == below:
            content = partial(opened_member, archive, member)
            yield Item(path=path, size=member.size, open=content)


def opened_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    """Return the content of a regular file in an archive."""
    content = archive.extractfile(member)
    if content is None:
        reason = f"{member.name} is no regular file"
        raise OSError(reason)
    return content


@contextmanager
def opened_archive(corpus: Corpus) -> Iterator[list[Item]]:
    """Download the archive of a corpus to a temporary file and list its TIFFs."""
    with tempfile.TemporaryFile() as file:
        try:
            with urlopen(corpus.archive, timeout=TIMEOUT) as response:
                copy_stream(response, file, label=corpus.name)
        except (OSError, HTTPException) as error:
            reason = f"cannot download {corpus.archive}: {error}. {NO_NETWORK}"
            raise UsageError(reason) from error
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:gz") as archive:
                yield list(archive_items(archive, corpus.subfolder))
        except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
            reason = f"cannot unpack {corpus.archive}: {error}"
            raise SyncError(reason) from error


def url_items(urls: Mapping[str, str]) -> list[Item]:
    """Return one item a URL; nothing is requested before an item is opened."""
    return [
        Item(path=name, size=None, open=partial(urlopen, url, timeout=TIMEOUT))
        for name, url in urls.items()
    ]


def opened_source(corpus: Corpus, folder: Path | None) -> AbstractContextManager[list[Item]]:
    """Return the files of the folder, of the archive, or of the URLs."""
    if folder is not None:
        return nullcontext(folder_items(folder))
    if corpus.archive:
        return opened_archive(corpus)
    return nullcontext(url_items(corpus.urls))


# ------------------------------------------------------------------------- writing


def copy_stream(source: IO[bytes], to: IO[bytes], *, label: str) -> int:
    """Copy a stream, tell of its progress on stderr, and return its size.

    Raises
    ------
    OSError
        Where it ends before the Content-Length it announced, or exceeds
        `MAX_DOWNLOAD`.
    """
    total = 0
    while data := source.read(1 << 20):
        total += len(data)
        if total > MAX_DOWNLOAD:
            reason = f"more than {MAX_DOWNLOAD} bytes"
            raise OSError(reason)
        to.write(data)
        if total // PROGRESS_STEP > (total - len(data)) // PROGRESS_STEP:
            print(f"{label}: {total / 1e6:.0f} MB", file=sys.stderr)
    announced = getattr(source, "headers", {}).get("Content-Length")
    if announced is not None and total != int(announced):
        reason = f"{total} bytes came, {announced} were announced"
        raise OSError(reason)
    return total


def write_item(item: Item, to: Path) -> None:
    """Write one file: to a temporary name first, so that no half file is left."""
    to.parent.mkdir(parents=True, exist_ok=True)
    temporary = to.with_name(f".{to.name}.part")
    try:
        with item.open() as source, temporary.open("wb") as file:
            size = copy_stream(source, file, label=item.path)
        if item.size is not None and size != item.size:
            reason = f"{size} bytes came, {item.size} were expected"
            raise OSError(reason)
        temporary.replace(to)
    finally:
        temporary.unlink(missing_ok=True)


def is_there(item: Item, path: Path) -> bool:
    """Tell whether an earlier run has written a file.

    No half file has its final name, so the size tells enough. Of a URL it is unknown
    before the download; there, what is no TIFF may be some host's error page.
    """
    if not path.is_file():
        return False
    if item.size is None:
        return is_tiff(path)
    return path.stat().st_size == item.size


def write_items(items: Iterable[Item], to: Path, *, again: bool) -> dict[str, str]:
    """Write the files that are missing, or all of them again.

    Parameters
    ----------
    items : iterable of Item
        The files.
    to : Path
        The folder of the corpus.
    again : bool
        Whether files that are there in the right size are written too.

    Returns
    -------
    dict
        From the path of a file that could not be written to the reason.
    """
    failures = {}
    for item in items:
        if is_there(item, to / item.path) and not again:
            continue
        try:
            write_item(item, to / item.path)
        except (OSError, HTTPException) as error:
            failures[item.path] = str(error)
    return failures


# ------------------------------------------------------------------- verification


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_list(files: Mapping[str, str]) -> str:
    """Return the SHA-256 of the list that ``sha256sum`` would print."""
    return sha256("".join(f"{d}  {path}\n" for path, d in files.items()).encode())


def hashes(to: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of those of the files that exist, in order of path."""
    return {
        path: sha256((to / path).read_bytes()) for path in sorted(paths) if (to / path).is_file()
    }


def complaints(corpus: Corpus, to: Path, files: Iterable[str]) -> list[str]:
    """Return a line for each way in which the files are not what was expected."""
    lines = []
    paths = list(files)
    if len(paths) < corpus.minimum:
        lines.append(f"{len(paths)} files, at least {corpus.minimum} were expected")
    odd = [p for p in paths if p not in corpus.damaged and not is_tiff(to / p)]
    return lines + [f"{path}: no TIFF, and not known as damaged on purpose" for path in odd]


def is_tiff(path: Path) -> bool:
    """Tell whether a file begins with one of TIFF's byte orders."""
    with path.open("rb") as file:
        return file.read(2) in BYTE_ORDERS


def read_marker(to: Path) -> dict[str, Any]:
    """Return what the marker in a folder says: nothing where there is none."""
    try:
        marker = json.loads((to / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) else {}


def is_complete(marker: Mapping[str, Any], source: str, to: Path) -> bool:
    """Tell whether a marker is of this source and every file as it says."""
    files = marker.get("files")
    return (
        isinstance(files, dict)
        and marker.get("source") == source
        and marker.get("sha256") == sha256_of_list(files)
        and hashes(to, files) == files
    )


# -------------------------------------------------------------------- command line


def sync(corpus: Corpus, to: Path, folder: Path | None, *, force: bool) -> int:
    """Bring a folder up to date and print one line; return the exit status."""
    source = corpus.source if folder is None else f"folder {folder.as_posix()}"
    marker = read_marker(to)
    if not force and is_complete(marker, source, to):
        print(f"{corpus.name}: nothing to do, {to} is complete")
        return 0
    # A marker that does not hold is that of another source, or of files that were
    # changed since: neither shows in the sizes. Without one, a run was cut off.
    with opened_source(corpus, folder) as items:
        failures = write_items(items, to, again=force or bool(marker))
    files = hashes(to, (item.path for item in items))
    if failures and not files:
        path, first = next(iter(failures.items()))
        reason = f"nothing came; {path}: {first}. {NO_NETWORK}"
        raise UsageError(reason)
    lines = [f"{path}: {reason}" for path, reason in failures.items()]
    return report(corpus, source, to, files, lines + complaints(corpus, to, files))


def report(
    corpus: Corpus, source: str, to: Path, files: Mapping[str, str], lines: list[str]
) -> int:
    """Print what is wrong and a summary; write the marker where nothing is wrong."""
    marker = {
        "source": source,
        "count": len(files),
        "damaged_on_purpose": sum(path in corpus.damaged for path in files),
        "bytes": sum((to / path).stat().st_size for path in files),
        "sha256": sha256_of_list(files),
        "files": files,
    }
    for line in lines:
        print(f"{corpus.name}: {line}", file=sys.stderr)
    if lines:
        (to / MARKER).unlink(missing_ok=True)
    else:
        text = json.dumps(marker, indent=2) + "\n"
        (to / MARKER).write_text(text, encoding="utf-8")
    print(
        f"{corpus.name}: {marker['count']} files, {marker['bytes']} bytes, "
        f"{marker['damaged_on_purpose']} damaged on purpose, "
        f"{len(lines)} complaints, in {to}"
    )
    return 1 if lines else 0


def checked_folder(folder: Path, to: Path) -> Path:
    """Return a folder to copy from, or raise where that would make no sense."""
    if not folder.is_dir():
        reason = f"--from {folder}: no such folder"
        raise UsageError(reason)
    here, there = folder.resolve(), to.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        reason = f"--from {folder}: one of it and {to} holds the other"
        raise UsageError(reason)
    return folder


def main(corpus: Corpus, arguments: Sequence[str] | None = None) -> int:
    """Run the command line of one corpus; return the exit status."""
    parser = argparse.ArgumentParser(description=f"Fill {EXTERNAL.name}/{corpus.name}.")
    parser.add_argument(
        "--from",
        dest="folder",
        type=Path,
        metavar="DIR",
        help="copy the *.tif, *.tiff and *.btf below DIR instead of downloading",
    )
    parser.add_argument("--to", type=Path, default=EXTERNAL / corpus.name, metavar="DIR")
    parser.add_argument(
        "--force", action="store_true", help="write all files again, even if complete"
    )
    options = parser.parse_args(arguments)
    try:
        folder = options.folder and checked_folder(options.folder, options.to)
        return sync(corpus, options.to, folder, force=options.force)
    except UsageError as error:
        print(f"{corpus.name}: {error}", file=sys.stderr)
        return 2
    except SyncError as error:
        print(f"{corpus.name}: {error}", file=sys.stderr)
        return 1
