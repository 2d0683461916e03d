"""The lock beside a local repository: its text, its place, and what fails."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.repository import locking
from virtual_tiff.publishing.repository.locking import LOCK, LOCK_SUFFIX, locked

fcntl = pytest.importorskip("fcntl", reason="locks of POSIX")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (numbers, no paths)


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")


def test_the_lock_says_who_holds_it_and_goes_with_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / f"cube{LOCK_SUFFIX}"
    lock.write_text("a longer text that another process has left here, which is not alive " * 9)
    with locked(tmp_path / "cube", "cube"):
        (line,) = lock.read_text().splitlines()
        assert line.startswith(f"process {os.getpid()} on {socket.gethostname()} since 2")
        assert line.endswith("+00:00")
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_fails_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path / "cube", "cube"):
        raise KeyError
    with locked(tmp_path / "cube", "cube"):
        assert (tmp_path / f"cube{LOCK_SUFFIX}").exists()


def test_a_lock_that_is_removed_by_hand_is_no_error(tmp_path: Path) -> None:
    with locked(tmp_path / "cube", "cube"):
        (tmp_path / f"cube{LOCK_SUFFIX}").unlink()


def test_the_second_is_told_the_first_line_of_the_first(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "cube", "cube"),
        pytest.raises(PublishError) as caught,
        locked(tmp_path / "cube", "the cube"),
    ):
        pass
    holder = f"process {os.getpid()} on {socket.gethostname()} since "
    assert str(caught.value).startswith(holder)
    assert str(caught.value).endswith(
        " is publishing to the cube; wait until it has ended, then start again with append"
        " (--append)"
    )


@pytest.mark.parametrize(
    ("text", "holder"),
    [
        ("", "another process is publishing"),
        ("\n", "another process is publishing"),
        (" a \nb", "a is publishing"),
        ("x" * 300, "x" * 200 + " is publishing"),
    ],
)
def test_the_text_of_the_lock_may_be_anything(text: str, holder: str, tmp_path: Path) -> None:
    with locked(tmp_path / "cube", "cube"):
        (tmp_path / f"cube{LOCK_SUFFIX}").write_text(text)
        with pytest.raises(PublishError, match=f"^{holder}"), locked(tmp_path / "cube", "cube"):
            pass


def test_a_lock_whose_text_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **options: Any) -> None:
        raise PermissionError

    with locked(tmp_path / "cube", "cube"):
        monkeypatch.setattr(Path, "read_text", refuse)
        with pytest.raises(PublishError, match=r"^another process"), locked(tmp_path / "cube", "c"):
            pass


def test_a_full_disk_has_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", refuse)
    with locked(tmp_path / "cube", "cube"):
        monkeypatch.undo()
        with pytest.raises(PublishError, match="is publishing"), locked(tmp_path / "cube", "cube"):
            pass
    assert not list(tmp_path.iterdir())


def test_other_users_may_lock_after_this_one(tmp_path: Path) -> None:
    """As far as they may write there: the text is not executable."""
    umask = os.umask(0o002)
    try:
        with locked(tmp_path / "cube", "cube"):
            assert (tmp_path / f"cube{LOCK_SUFFIX}").stat().st_mode & 0o777 == 0o664
    finally:
        os.umask(umask)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(errno.ENOLCK, "No locks available"),
            r"no locks \(No locks available\), and",
        ),
        (PermissionError(errno.EACCES, "denied"), "another process|process .* is publishing to c"),
        (KeyboardInterrupt(), None),
    ],
)
@needs_proc
def test_a_lock_that_cannot_be_had_leaves_no_open_file(
    error: BaseException, words: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = open_files()
    for _ in range(3):
        if words is None:
            with pytest.raises(KeyboardInterrupt), locked(tmp_path / "cube", "cube"):
                pass
        else:
            with pytest.raises(PublishError, match=words), locked(tmp_path / "cube", "cube"):
                pass
    assert open_files() == before


@needs_proc
def test_no_file_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one whose lock was another file's: its holder has removed it."""
    same, asked = os.path.samestat, []

    def removed_at_first(*files: os.stat_result) -> bool:
        asked.append(files)
        return len(asked) > 1 and same(*files)

    monkeypatch.setattr(os.path, "samestat", removed_at_first)
    before = open_files()
    with locked(tmp_path / "cube", "cube"):
        assert open_files() == before + 1
    assert open_files() == before
    assert len(asked) == 2


def test_a_lock_file_that_is_removed_before_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / f"cube{LOCK_SUFFIX}"
    lock_file, times = locking._lock, []

    def removed_at_first(file: int) -> None:
        times.append(file)
        if len(times) == 1:
            lock.unlink()
        lock_file(file)

    monkeypatch.setattr(locking, "_lock", removed_at_first)
    with locked(tmp_path / "cube", "cube"):
        assert len(times) == 2
        assert lock.read_text().startswith("process ")


@pytest.mark.parametrize("again", [True, False])
def test_a_parent_that_another_run_removes_is_made_again(
    again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no third one has made it again."""
    parent = tmp_path / "a" / "b"
    parent.mkdir(parents=True)
    opened, times = os.open, []

    def removed_at_first(*arguments: Any, **options: Any) -> int:
        times.append(arguments)
        if len(times) == 1:
            if again:
                raise FileNotFoundError
            parent.rmdir()
            parent.parent.rmdir()
        return opened(*arguments, **options)

    monkeypatch.setattr(os, "open", removed_at_first)
    with locked(parent / "cube", "cube"):
        assert [path.name for path in parent.iterdir()] == [f"cube{LOCK_SUFFIX}"]


def test_a_lock_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / f"cube{LOCK_SUFFIX}").mkdir()
    words = rf"^c: the lock file .*/cube{LOCK_SUFFIX} cannot be made: Is a directory$"
    with pytest.raises(PublishError, match=words), locked(tmp_path / "cube", "c"):
        pass


def test_a_folder_that_takes_no_files(tmp_path: Path) -> None:
    (tmp_path / f"cube{LOCK_SUFFIX}").symlink_to(tmp_path / "missing" / "folder")  # as /proc does
    with pytest.raises(PublishError, match="cannot be made: No such file or directory"):  # noqa: SIM117
        with locked(tmp_path / "cube", "c"):
            pass


def test_the_lock_is_within_where_the_parent_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cube").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK))
    with locked(tmp_path / "cube", "cube"):
        assert [path.name for path in (tmp_path / "cube").iterdir()] == [LOCK]
    assert list((tmp_path / "cube").iterdir()) == []
