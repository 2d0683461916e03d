"""How the tests of the core read: bytes to directories, without an event loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.build import Directory, Entry, build
from support.warned import of_tiff
from virtual_tiff.tiff import (
    ImageFileDirectory,
    MemorySource,
    Tiff,
    TiffWarning,
    Variant,
    parse_header,
    read_tiff,
)

TESTDATA = Path(__file__).resolve().parents[2] / "testdata"

CORPUS = sorted(path.relative_to(TESTDATA).as_posix() for path in TESTDATA.glob("[ms]*/*.tif"))
"""Every file of the project's test data, by its path within `testdata/`."""

every_file = pytest.mark.parametrize("name", CORPUS)
"""Decorator: run the test, which takes `name`, once a file of the test data."""


def run[T](work: Coroutine[Any, Any, T]) -> T:
    """Run what never waits: memory gives its bytes at once, so no event loop is needed."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        work.close()
    message = "the coroutine waited for something"
    raise AssertionError(message)


def read(data: bytes, **options: Any) -> Tiff:
    """The directories of a file; `options` are those of `read_tiff`."""
    return run(read_tiff(MemorySource(data), **options))


def variant_of(byteorder: str, big: bool) -> Variant:
    """One of the four variants."""
    return parse_header(build([], byteorder=byteorder, big=big)).variant


def one_ifd(entries: Iterable[Entry], **options: Any) -> ImageFileDirectory:
    """The only directory of a file with these entries; `options` are those of `build`."""
    return read(build([Directory(list(entries))], **options)).ifds[0]


def corpus_ifds(name: str) -> list[ImageFileDirectory]:
    """Every directory of a file of the test data, SubIFDs too."""
    return list(read((TESTDATA / name).read_bytes()).walk())


@contextmanager
def no_warning() -> Iterator[None]:
    """Turn a `TiffWarning` into a failure: this file is in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", TiffWarning)
        yield


def warned(work: Callable[[], Any]) -> list[str]:
    """The messages of the `TiffWarning`s that something issues."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work()
    return [str(w.message) for w in of_tiff(caught)]
