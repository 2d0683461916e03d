"""Running coroutines: what a user reads if they fail, and Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from obspec_utils.registry import ObjectStoreRegistry

from support.http import HttpServer
from virtual_tiff import VirtualTIFF, publish, verify
from virtual_tiff.publishing import PublishError
from virtual_tiff.sources.object_source import store_error
from virtual_tiff.sources.running import await_thread, in_parallel, run_in_thread, run_to_end

TESTDATA = Path(__file__).parents[2] / "testdata"
SERIES = sorted((TESTDATA / "series").glob("*.tif"))


class BreaksError(Exception):
    """Of no class that is expected."""


async def broken(_: int) -> None:
    raise BreaksError from LookupError("why")


async def nested(_: int) -> None:
    await in_parallel(range(5), broken, 2)


@pytest.mark.parametrize("work", [broken, nested])
def test_the_first_error_of_several_is_raised_alone(work: Any) -> None:
    with pytest.raises(BreaksError) as caught:
        run_to_end(in_parallel(range(5), work, 3))
    assert isinstance(caught.value.__cause__, LookupError)
    assert not isinstance(caught.value.__context__, BaseExceptionGroup)


def test_errors_of_threads_are_raised() -> None:
    async def work() -> None:
        await await_thread(lambda: run_in_thread(broken(0)))

    with pytest.raises(BreaksError):
        run_to_end(work())


def test_groups_of_stores_are_told_by_their_first_error() -> None:
    group = ExceptionGroup("several", [ExceptionGroup("more", [FileNotFoundError("gone")])])
    error = store_error(group, "s3://bucket/a.tif")
    assert isinstance(error, FileNotFoundError)
    assert str(error) == "s3://bucket/a.tif: no such object (gone)"


async def fail(*_: Any, **__: Any) -> Any:
    message = "no error of a file"
    raise BreaksError(message)


def test_unexpected_errors_name_their_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VirtualTIFF, "_nodes", fail)
    with pytest.raises(PublishError) as caught:
        publish(SERIES[:2], "memory://")
    for path in SERIES[:2]:
        assert f"  {path}: BreaksError: no error of a file" in str(caught.value)


async def test_unexpected_errors_stand_in_the_place_of_their_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(VirtualTIFF, "parse", fail)
    (error,) = await VirtualTIFF().parse_many(["memory://a.tif"], ObjectStoreRegistry())
    assert isinstance(error, RuntimeError)
    assert str(error) == "memory://a.tif: BreaksError: no error of a file"


def stop(*_: Any) -> None:
    message = "enough"
    raise BreaksError(message)


def test_errors_of_callbacks_arrive_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(BreaksError, match="enough"):
        publish(SERIES, tmp_path / "cube", progress=stop)
    publish(SERIES, tmp_path / "cube")
    with pytest.raises(BreaksError, match="enough"):
        verify(tmp_path / "cube", progress=stop)


def test_options_that_a_store_refuses_arrive_as_they_are(
    http_server: HttpServer, tmp_path: Path
) -> None:
    url = http_server.put("a.tif", SERIES[0].read_bytes())
    publish(url, tmp_path / "cube")
    with pytest.raises(ValueError, match="no_such_option"):
        verify(tmp_path / "cube", store_options={"no_such_option": "1"})


# ------------------------------------------------------------------------------- Ctrl-C


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


CALL = """
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import HTTPStore
from virtual_tiff import VirtualTIFF
def call():
    store = HTTPStore.from_url(ROOT, client_options={"allow_http": True, "timeout": "2h"})
    VirtualTIFF()(f"{ROOT}/a.tif", ObjectStoreRegistry({ROOT: store}))
"""
IN_LOOP = """
import asyncio
async def main():
    call()
asyncio.new_event_loop().run_until_complete(main())
"""
PUBLISH = """
import virtual_tiff
virtual_tiff.publish(f"{PREFIX}{ROOT}/{NAME}", TO, store_options={"timeout": "2h"})
"""
PROGRAMS = {
    "a call": f"{CALL}\ncall()",
    "a call in a running loop": f"{CALL}\n{IN_LOOP}",
    "publish": f"PREFIX, NAME = '', 'a.tif'\n{PUBLISH}",
    "publish a list": f"PREFIX, NAME = '@', 'a.txt'\n{PUBLISH}",
    "publish a prefix": f"PREFIX, NAME = '', 'a/'\n{PUBLISH}",
}


OTHER_THREAD = """
import signal, threading, time
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
"""
"""Lets another thread than the main one take the signal, so that no wait of the main one ends."""
TAKERS = {"the main thread": "", "another thread": OTHER_THREAD}


def interrupted(silent: socket.socket, command: list[str]) -> tuple[int, str]:
    """Run a command, and interrupt it when it waits for the server."""
    # a shell's background job, as this process may be, ignores Ctrl-C, and so would its child
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, handler)
    silent.settimeout(1)
    while True:
        try:
            connection, _ = silent.accept()
            break
        except TimeoutError:
            assert process.poll() is None, process.communicate()
    with connection:
        connection.recv(1)  # its request is on the way: now it waits
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=600)  # the request has two hours
    return process.returncode, said


@pytest.mark.long
@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_ctrl_c_ends_a_read_of_a_server_that_does_not_answer(
    name: str, taker: str, silent: socket.socket, tmp_path: Path
) -> None:
    host, port = silent.getsockname()
    start = f"{TAKERS[taker]}\nROOT, TO = 'http://{host}:{port}', {str(tmp_path / 'cube')!r}\n"
    status, said = interrupted(silent, [sys.executable, "-c", start + PROGRAMS[name]])
    assert "KeyboardInterrupt" in said
    assert status != 0
    assert ("nothing was committed" in said) == name.startswith("publish")
    assert not (tmp_path / "cube").exists()


COMMANDS = [
    "info s3://bucket/a.tif",
    "info s3://bucket/prefix/",
    "info s3://bucket/*.tif",
    "info @{root}/a.txt",
    "info s3://bucket/repo",
    "publish s3://bucket/a.tif --to {folder}",
    "publish s3://bucket/*.tif --to {folder}",
    "publish {tif} --to s3://bucket/repo",
    "remove s3://bucket/repo a.tif",
    "verify s3://bucket/repo",
    "move s3://bucket/repo s3://a/ s3://b/",
    "export s3://bucket/repo {folder}",
    "export s3://bucket/a.tif {folder}",
    "access s3://bucket/repo",
    "access s3://bucket/repo --set request_payer=true",
    "log s3://bucket/repo",
    "expire s3://bucket/repo --older-than 30d",
    "gc s3://bucket/repo --older-than 30d",
]
"""Each makes a request before anything else."""


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_ends_a_command_at_once(
    command: str, silent: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = silent.getsockname()
    root, folder, cache = f"http://{host}:{port}", tmp_path / "out", tmp_path / "cache"
    for name, value in {
        "AWS_ENDPOINT_URL": root,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    names = {"root": root, "folder": folder, "tif": SERIES[0]}
    words = [word.format(**names) for word in command.split()]
    if words[0] == "publish":
        words += ["--cache", str(cache)]
    if words[0] not in ("access", "log", "expire", "gc") and str(SERIES[0]) not in words:
        words += ["--store-option", "timeout=2h"]
    status, said = interrupted(silent, [sys.executable, "-m", "virtual_tiff", *words])
    assert status == 130
    assert "interrupted" in said
    assert not folder.exists()
    if words[0] == "publish":
        assert f"files are kept in {cache}" in said
        assert "run the same command again" in said


async def test_a_cancelled_run_waits_for_no_thread() -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    blocked = socket.socketpair()
    task = loop.create_task(await_thread(lambda: blocked[0].recv(1)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    blocked[1].send(b"x")  # the thread ends, and nobody is told
    for one in blocked:
        one.close()
    assert not ended.is_set()
