"""`publish`, step by step.

Find the files, parse them all, lay out the arrays (stacked, or a group a file), and only
then write.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

import icechunk

from virtual_tiff.locations import Location, Source, locate
from virtual_tiff.parser import VirtualTIFF
from virtual_tiff.publishing.arrange import apart, stacked
from virtual_tiff.publishing.containers import access_to, containers_of
from virtual_tiff.publishing.files import parse_all, run, warn_of_unknown_times
from virtual_tiff.publishing.published import Published
from virtual_tiff.publishing.readers import how_to_open, readers_need
from virtual_tiff.publishing.repository import read_back, write
from virtual_tiff.publishing.target import target_of

__all__ = ["publish"]


def publish(  # noqa: PLR0913 (one keyword an option)
    sources: Source | Iterable[Source],
    to: str | os.PathLike[str] | icechunk.Storage,
    *,
    concat: str | None = None,
    branch: str = "main",
    message: str | None = None,
    store_options: Mapping[str, Any] | None = None,
    concurrency: int = 64,
    check: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **parser_options: Any,  # noqa: ANN401 (VirtualTIFF checks them)
) -> Published:
    """Publish TIFFs as virtual arrays of a new Icechunk repository, in one commit.

    Each reference carries the time of its source as it was when it was parsed: Icechunk
    refuses to read from a source that has changed since then.

    Parameters
    ----------
    sources
        Paths, globs and urls.
    to
        A new local path, `s3://bucket/prefix` (with the credentials of the environment),
        `memory://`, or an `icechunk.Storage` without a repository or with an empty one.
    concat
        Stack the files along a new first dimension of this name, in their order. They must
        agree in shape, data type, codecs, chunks and fill value; coordinate arrays must be
        equal and are written once. Attributes that are the same in all files are kept, the
        others are left out. None makes a group of each file: called by its name without
        suffix or, where two files share one, by its path below their common directory.
    branch
        The branch of the commit; made if it is not `main`.
    message
        Of the commit.
    store_options
        obstore's options of the sources' stores, as `{"region": "us-west-2",
        "skip_signature": True}`. Region, endpoint and whether to sign are saved in the
        repository, credentials are not.
    concurrency
        Files that are read at the same time.
    check
        Whether to open the repository afterwards and read the first and the last chunk of
        each array.
    progress
        Called with the number of files read, and of all files.
    **parser_options
        Options of `VirtualTIFF`: `ifd`, `ifd_layout`, `merge_strips`, `limits`.

    Raises
    ------
    ValueError
        If an option is not one of those allowed.
    PublishError
        If files cannot be read (it has the error of each) or do not fit on each other, or
        `to` is in use. Nothing is left behind then.
    OSError
        If a glob matches no file.
    """
    parser = _parser(parser_options)
    _check_options(concat=concat, branch=branch, concurrency=concurrency)
    single = isinstance(sources, (str, os.PathLike))
    named: Iterable[Source] = [sources] if single else sources  # type: ignore[list-item,assignment]
    locations = locate(named, store_options)
    target = target_of(to)
    _check_sources(locations)
    containers = containers_of(locations, store_options or {})
    target.check_unused()
    files = run(parse_all(parser, locations, concurrency, progress))
    warn_of_unknown_times(files)
    plan = apart(files) if concat is None else stacked(files, concat)
    how = f"in {len(files)} groups" if concat is None else f"stacked along {concat}"
    snapshot = write(target, plan, containers, branch, message or f"{len(files)} TIFFs {how}")
    repository = icechunk.Repository.open(
        target.storage(), authorize_virtual_chunk_access=access_to(containers)
    )
    if check:
        read_back(repository, snapshot, plan)
    return Published(
        snapshot=snapshot,
        branch=branch,
        files=len(files),
        arrays=tuple(plan.arrays()),
        containers=tuple(container.prefix for container in containers),
        left_out=plan.left_out,
        readers_need=readers_need(plan),
        how_to_open=how_to_open(target, containers, branch, plan),
        repository=repository,
    )


def _parser(options: Mapping[str, Any]) -> VirtualTIFF:
    allowed = sorted(option.name for option in fields(VirtualTIFF) if option.init)
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        msg = f"{', '.join(unknown)}: no such option; those of the parser are {', '.join(allowed)}"
        raise ValueError(msg)
    return VirtualTIFF(**options)


def _check_options(*, concat: str | None, branch: str, concurrency: int) -> None:
    if concat is not None and (not isinstance(concat, str) or not concat):
        msg = f"concat must be None or the name of the new dimension, not {concat!r}"
        raise ValueError(msg)
    if not isinstance(branch, str) or not branch:
        msg = f"branch must be a name, not {branch!r}"
        raise ValueError(msg)
    if not isinstance(concurrency, int) or concurrency < 1:
        msg = f"concurrency must be a positive integer, not {concurrency!r}"
        raise ValueError(msg)


def _check_sources(locations: Sequence[Location]) -> None:
    """Refuse what cannot be referred to, before anything is read."""
    if not locations:
        msg = "there are no sources"
        raise ValueError(msg)
    for location in locations:
        parts = urlsplit(location.url)
        if parts.query or parts.username:
            msg = f"{location.url}: a signature or password would be stored in each reference"
            raise ValueError(msg)
    counts = Counter(location.url for location in locations)
    twice = [url for url, count in counts.items() if count > 1]
    if twice:
        msg = f"named more than once: {', '.join(twice)}"
        raise ValueError(msg)
