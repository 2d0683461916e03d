"""A server that sends no ETag: a file rewritten at the same size is told by its time alone.

Compared with what GDAL reads of the bytes that are served.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest

from support.http import HttpServer
from support.scenes import dataset_of, dated, pixels, read
from virtual_tiff import verify
from virtual_tiff.publishing import publish

BEFORE, AFTER = 1_700_000_000, 1_700_000_001
"""A second apart: a header has no parts of seconds."""
OPTIONS: dict[str, Any] = {"concat": "time", "time": "tag"}


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


@pytest.fixture
def states(tmp_path: Path) -> dict[str, Path]:
    """A file, the same file rewritten at its size, and the file of the next day."""
    files = {
        "before": dated(tmp_path / "before.tif", "2023-01-01", 1, compress="none"),
        "after": dated(tmp_path / "after.tif", "2023-01-01", 2, compress="none"),
        "next day": dated(tmp_path / "next.tif", "2023-01-02", 3, compress="none"),
    }
    assert files["before"].stat().st_size == files["after"].stat().st_size
    assert (pixels(files["before"]) != pixels(files["after"])).any()
    return files


@pytest.fixture
def server(http_server: HttpServer) -> HttpServer:
    http_server.etags = "none"
    return http_server


def put(server: HttpServer, states: dict[str, Path], state: str, modified: float) -> list[str]:
    """Serve one state of the first file, and the second file as it always is."""
    return [
        server.put("a.tif", states[state].read_bytes(), modified=modified),
        server.put("b.tif", states["next day"].read_bytes(), modified=BEFORE),
    ]


@pytest.mark.parametrize(
    ("state", "modified", "changed"),
    [("before", BEFORE, False), ("after", AFTER, True), ("before", AFTER, True)],
    ids=["left alone", "rewritten", "written again with its bytes"],
)
def test_a_time_tells_that_a_file_was_rewritten(
    server: HttpServer, states: dict[str, Path], state: str, modified: float, *, changed: bool
) -> None:
    storage = icechunk.in_memory_storage()
    publish(put(server, states, "before", BEFORE), storage, **OPTIONS)
    urls = put(server, states, state, modified)
    expected = (urls[0],) if changed else ()
    again = publish(urls, storage, append=True, **OPTIONS)
    assert (again.new, again.changed, again.unchanged) == (False, expected, 2 - changed)
    found = verify(storage)
    assert (found.counts["changed"], found.counts["unchanged"]) == (int(changed), 2 - changed)
    if changed:
        with pytest.raises(icechunk.IcechunkError, match="has changed"):
            read(again)
    replaced = publish(urls, storage, append=True, replace_changed=True, **OPTIONS)
    assert replaced.replaced == expected
    np.testing.assert_array_equal(
        read(replaced), np.stack([pixels(states[state]), pixels(states["next day"])])
    )
    assert verify(storage).ok


def test_without_time_too_a_file_is_read_again(server: HttpServer, states: dict[str, Path]) -> None:
    """Nothing tells whether it is the same file, so that nobody takes it for the same."""
    server.times = False
    storage = icechunk.in_memory_storage()
    publish(put(server, states, "before", BEFORE), storage, **OPTIONS)
    urls = put(server, states, "after", BEFORE)
    again = publish(urls, storage, append=True, **OPTIONS)
    assert (again.changed, again.unchanged) == (tuple(urls), 0)
    assert verify(storage).counts["unknown"] == 2
    replaced = publish(urls, storage, append=True, replace_changed=True, **OPTIONS)
    np.testing.assert_array_equal(
        read(replaced), np.stack([pixels(states["after"]), pixels(states["next day"])])
    )


@pytest.mark.parametrize(
    ("times", "state", "modified", "gets"),
    [
        (True, "before", BEFORE, 0),
        (True, "after", AFTER, 1),
        (False, "after", BEFORE, 2),
    ],
    ids=["left alone", "rewritten", "rewritten, without times"],
)
def test_a_cache_gives_no_record_of_a_rewritten_file(
    server: HttpServer,
    states: dict[str, Path],
    tmp_path: Path,
    *,
    times: bool,
    state: str,
    modified: float,
    gets: int,
) -> None:
    """The day of the rewritten file is another, so that an old record would show."""
    server.times = times
    later = states["before"].read_bytes().replace(b"2023:01:01", b"2022:12:31")
    assert b"2022:12:31" in later
    cache = tmp_path / "cache.sqlite"
    publish(put(server, states, "before", BEFORE), "memory://", cache=cache, **OPTIONS)
    if state == "after":
        states[state].write_bytes(later)
    urls = put(server, states, state, modified)
    server.requests.clear()
    published = publish(urls, "memory://", cache=cache, **OPTIONS)
    day = "2022-12-31" if state == "after" else "2023-01-01"
    assert str(dataset_of(published)["time"].values[0])[:10] == day
    assert server.gets == gets
