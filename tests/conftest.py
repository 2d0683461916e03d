"""Fixtures that several test modules share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.http import HttpServer
from support.s3 import S3, s3_server


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
