"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
import zarr

from support.http import HttpServer
from support.s3 import S3, s3_server

_COMPILED = pytest.StashKey[str]()
"""The folder of the session's compiled modules."""


def pytest_configure(config: pytest.Config) -> None:
    """Leave out what takes long where all tests are asked for, and share compiled modules.

    Where PYTHONDONTWRITEBYTECODE is set, as in many containers, each of some hundred processes
    compiles all that it imports, and starts in four seconds instead of one. The session's own
    folder respects the variable's purpose: nothing is written beside the sources.
    """
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.markexpr:
        config.option.markexpr = "not long"  # a file or a test that is named runs whole
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        folder = tempfile.mkdtemp(prefix="pytest-compiled-")
        os.environ["PYTHONPYCACHEPREFIX"] = config.stash[_COMPILED] = folder


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the compiled modules, in the process that made the folder."""
    if folder := config.stash.get(_COMPILED, None):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def _own_caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let runs keep what they have read in the session's folder, and not in the user's."""
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        os.environ[name] = str(tmp_path_factory.mktemp("caches"))


@pytest.fixture
def rectilinear() -> Iterator[None]:
    """zarr reads arrays with chunks of several lengths."""
    with zarr.config.set({"array.rectilinear_chunks": True}):
        yield


@pytest.fixture
def http_server() -> Iterator[HttpServer]:
    """An empty server; fill it with `put`, slow it with `latency`."""
    with HttpServer() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """One bucket for the session: moto takes seconds to start. Use keys of your own."""
    with s3_server() as server:
        yield server
