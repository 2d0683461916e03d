"""Tags, the history of a repository in words, and the space of what is old."""

from __future__ import annotations

import json
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr

from virtual_tiff import open_published
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import (
    PublishError,
    collect_garbage,
    expire,
    log,
    publish,
)
from virtual_tiff.publishing.repository import batches
from virtual_tiff.publishing.repository.locking import locked

TESTDATA = Path(__file__).parents[3] / "testdata"
SERIES = sorted((TESTDATA / "series").glob("*.tif"))


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Copies of the series, which a test may change."""
    (tmp_path / "files").mkdir()
    return [Path(shutil.copy2(path, tmp_path / "files")) for path in SERIES]


def repository_of(place: Path) -> icechunk.Repository:
    return icechunk.Repository.open(icechunk.local_filesystem_storage(str(place)))


def ids(place: Path) -> list[str]:
    return [info.id for info in repository_of(place).ancestry(branch="main")]


def values(place: Path, **which: Any) -> Any:
    group = zarr.open_group(open_published(place, **which), mode="r")
    array: Any = group["0"]
    return np.asarray(array[...])


# ---- tags


@pytest.mark.long
def test_a_tag_opens_the_commit_after_later_ones(paths: list[Path], tmp_path: Path) -> None:
    cube = tmp_path / "cube"
    first = publish(paths[:2], cube, concat="n", tag="v1")
    before = values(cube)
    publish(paths, cube, append=True, tag="v2")
    assert repository_of(cube).lookup_tag("v1") == first.snapshot
    assert len(values(cube, tag="v2")) == 3
    np.testing.assert_array_equal(values(cube, tag="v1"), before)


@pytest.mark.long
def test_a_tag_that_exists_is_refused_before_files_are_read(
    paths: list[Path], tmp_path: Path
) -> None:
    cube = tmp_path / "cube"
    publish(paths[:2], cube, concat="n", tag="v1")
    with pytest.raises(PublishError, match="the tag 'v1' exists already; give another name"):
        publish([tmp_path / "nowhere.tif"], cube, append=True, tag="v1")


@pytest.mark.long
def test_where_nothing_is_new_the_last_commit_gets_the_tag(
    paths: list[Path], tmp_path: Path
) -> None:
    cube = tmp_path / "cube"
    published = publish(paths, cube, concat="n")
    assert not publish(paths, cube, append=True, tag="v1").new
    assert repository_of(cube).lookup_tag("v1") == published.snapshot


@pytest.mark.long
def test_a_tag_that_cannot_be_created_does_not_hide_the_commit(
    paths: list[Path], tmp_path: Path
) -> None:
    """Icechunk never lets the name of a deleted tag be used again."""
    cube = tmp_path / "cube"
    publish(paths[:2], cube, concat="n", tag="v1")
    repository_of(cube).delete_tag("v1")
    with pytest.raises(PublishError, match=r"are published as [0-9A-Z]{20}, but the tag 'v1'"):
        publish(paths, cube, append=True, tag="v1")
    assert len(values(cube)) == 3


# ---- log


@pytest.mark.long
def test_the_history_says_what_each_run_did(paths: list[Path], tmp_path: Path) -> None:
    cube = tmp_path / "cube"
    publish(paths[:2], cube, concat="n", tag="v1", message="the first two")
    publish(paths, cube, append=True, metadata={"author": "Ada"})
    paths[0].write_bytes(paths[0].read_bytes()[::-1] + b"x")
    shutil.copyfile(SERIES[1], paths[0])
    publish(paths, cube, append=True, replace_changed=True)
    history = log(cube)
    assert [(c.added, c.replaced, c.arrays) for c in history.commits] == [
        (0, 1, 1),
        (1, 0, 1),
        (2, 0, 1),
        (None, None, None),
    ]
    assert [c.id for c in history.commits] == ids(cube)
    replaced, appended, first, _ = history.commits
    assert (first.tags, first.message, first.branches) == (("v1",), "the first two", ())
    assert (replaced.branches, appended.metadata) == (("main",), {"author": "Ada"})
    assert (history.branches, history.tags, history.left) == (("main",), ("v1",), ())
    assert log(cube, limit=2).commits == history.commits[:2]


def test_commits_of_batches_are_counted_with_their_run(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_OF_A_BATCH", 4)
    cube = tmp_path / "cube"
    published = publish(paths, cube, concat="n", message="all")
    commits = log(cube).commits
    assert len(commits) == 2
    assert (commits[0].id, commits[0].message, commits[0].added) == (published.snapshot, "all", 3)
    assert commits[0].parts == len(ids(cube)) - 2 > 0


def test_branches_of_killed_runs_are_shown(
    paths: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cube = tmp_path / "cube"
    published = publish(paths, cube, concat="n")
    name = f"_virtual_tiff/{published.snapshot}/0123abcd/main"
    repository_of(cube).create_branch(name, published.snapshot)
    history = log(cube)
    assert [left.name for left in history.left] == [name]
    assert history.branches == ("main",)
    assert main(["log", str(cube)]) == 0
    assert f"temporary branch {name}, last written to" in capsys.readouterr().out


def test_the_log_of_another_program(tmp_path: Path) -> None:
    storage = icechunk.local_filesystem_storage(str(tmp_path / "cube"))
    repository = icechunk.Repository.create(storage)
    session = repository.writable_session("main")
    zarr.create_group(session.store)
    session.commit("by hand", metadata={"station": 7})
    commit, root = log(tmp_path / "cube").commits
    assert (commit.version, commit.added, commit.metadata) == (None, None, {"station": 7})
    assert (root.version, dict(root.metadata)) == (None, {})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"branch": "x"}, "the repository has no branch 'x'; it has main"),
        ({"limit": 0}, "limit must be"),
    ],
)
def test_wrong_options_of_log(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "cube")))
    with pytest.raises(ValueError, match=words):
        log(tmp_path / "cube", **options)


def test_the_command_log(
    paths: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cube = tmp_path / "cube"
    published = publish(paths, cube, concat="n", tag="v1", metadata={"author": "Ada"})
    assert main(["log", str(cube), "--limit", "1"]) == 0
    head, message, facts = capsys.readouterr().out.splitlines()
    assert head.endswith(f"  {published.snapshot}  (main, tag v1)")
    assert message == "    3 TIFFs along n"
    assert facts.startswith("    3 files added, 1 array written, virtual-tiff ")
    assert facts.endswith(", author=Ada")
    assert main(["log", str(cube), "--json"]) == 0
    history = json.loads(capsys.readouterr().out)
    assert history == json.loads(json.dumps(log(cube).to_json()))
    assert history["commits"][0]["added"] == 3
    assert main(["log", str(tmp_path / "nowhere")]) == 1


# ---- expire and gc


@pytest.fixture
def grown(paths: list[Path], tmp_path: Path) -> Path:
    """A repository of three commits, the second of which has a tag."""
    cube = tmp_path / "grown"
    publish(paths[:1], cube, concat="n")
    publish(paths[:2], cube, append=True, tag="v1")
    publish(paths, cube, append=True)
    return cube


def size(place: Path) -> int:
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


@pytest.mark.long
def test_what_is_old_goes_and_what_has_a_name_stays(grown: Path) -> None:
    newest, tagged, oldest, root = ids(grown)
    before, release = values(grown), values(grown, tag="v1")
    soon = datetime.now(UTC) + timedelta(seconds=1)
    time.sleep(0.01)
    planned = expire(grown, older_than=soon, dry_run=True)
    assert (planned.snapshots, planned.dry_run) == ((oldest,), True)
    assert ids(grown) == [newest, tagged, oldest, root]  # nothing has changed
    done = expire(grown, older_than=soon, force=True)
    assert (done.snapshots, done.manifests, done.bytes) == (
        planned.snapshots,
        planned.manifests,
        planned.bytes,
    )
    assert ids(grown) == [newest, tagged, root]
    planned_garbage = collect_garbage(grown, older_than=soon, dry_run=True)
    full = size(grown)
    garbage = collect_garbage(grown, older_than=soon, force=True)
    assert garbage.snapshots == planned_garbage.snapshots == 1
    assert garbage.manifests == planned_garbage.manifests >= done.manifests > 0
    assert garbage.bytes == planned_garbage.bytes >= done.bytes > 0
    assert size(grown) < full
    np.testing.assert_array_equal(values(grown), before)
    np.testing.assert_array_equal(values(grown, tag="v1"), release)
    with pytest.raises(ValueError, match="the repository has no snapshot"):
        open_published(grown, snapshot=oldest)


@pytest.mark.long
def test_what_expires_is_what_icechunk_expires(grown: Path) -> None:
    repository = repository_of(grown)
    times = {info.id: info.written_at for info in repository.ancestry(branch="main")}
    newest, tagged, *_ = times
    repository.create_branch("dev", tagged)
    for limit in (times[newest], times[tagged]):
        planned = expire(repository, older_than=limit, dry_run=True).snapshots
        assert set(planned) == repository.expire_snapshots(limit) - {tagged}


@pytest.mark.long
def test_an_append_after_expiration_and_gc_knows_all_files(grown: Path, paths: list[Path]) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    expire(grown, older_than=soon, force=True)
    collect_garbage(grown, older_than=soon, force=True)
    again = publish(paths, grown, append=True)
    assert (again.new, again.unchanged) == (False, 3)


@pytest.mark.long
@pytest.mark.parametrize("function", [expire, collect_garbage])
def test_less_than_a_day_is_refused_without_force(function: Any, grown: Path) -> None:
    commits = ids(grown)
    for older_than in (timedelta(hours=23), datetime.now(UTC) - timedelta(hours=23)):
        with pytest.raises(ValueError, match=r"less than a day ago.*force=True"):
            function(grown, older_than=older_than)
    with pytest.raises(ValueError, match="must have a time zone"):
        function(grown, older_than=datetime(2026, 1, 1))  # noqa: DTZ001
    function(grown, older_than=timedelta(hours=25))
    assert ids(grown) == commits


@pytest.mark.long
@pytest.mark.parametrize("function", [expire, collect_garbage])
def test_a_local_repository_that_is_written_to_is_refused(function: Any, grown: Path) -> None:
    with locked(grown, "another"), pytest.raises(PublishError, match="is publishing to"):
        function(grown, older_than=timedelta(days=2))
    with locked(grown, "another"):
        function(grown, older_than=timedelta(days=2), dry_run=True)


@pytest.mark.long
def test_commands(grown: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    assert main(["expire", str(grown), "--older-than", soon, "--dry-run"]) == 0
    expired, freed, undone = capsys.readouterr().out.splitlines()
    assert expired.startswith("would expire: 1 commit before ")
    assert freed.startswith("gc can then free ")
    assert undone == "this cannot be undone; to keep a commit, give it a tag first"
    assert main(["expire", str(grown), "--older-than", soon]) == 2
    assert "less than a day ago" in capsys.readouterr().err
    assert main(["expire", str(grown), "--older-than", soon, "--force", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["snapshots"]) == 1
    assert main(["gc", str(grown), "--older-than", soon, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("would free ")
    assert main(["gc", str(grown), "--older-than", soon, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["snapshots"] == 1
    assert main(["gc", str(grown), "--older-than", "2w"]) == 0
    assert capsys.readouterr().out.startswith("freed 0 bytes: 0 commits, 0 manifests, 0 chunks")


@pytest.mark.parametrize("age", ["yesterday", "3", "3m", "-3d", "2026-13-01"])
def test_ages_that_are_none(age: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", "cube", f"--older-than={age}"]) == 2
    assert "must be an age, as 30d, 12h or 8w" in capsys.readouterr().err
