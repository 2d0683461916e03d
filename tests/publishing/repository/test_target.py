"""The place of a repository: as a user names it, and what may be there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import icechunk
import pytest

from support.locations import locate
from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.repository import target
from virtual_tiff.publishing.repository.containers import containers_of
from virtual_tiff.publishing.repository.target import (
    Target,
    is_first_commit,
    save_containers,
    target_of,
)

CLOUD_SETTINGS = (
    *(
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT",
        "AWS_ENDPOINT_URL_S3",
    ),
    *("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"),
)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    icechunk.set_logs_filter("error")
    for name in CLOUD_SETTINGS:
        monkeypatch.delenv(name, raising=False)


# --------------------------------------------------------------------------------- names

S3 = "storage = icechunk.s3_storage(bucket='bucket', "
AZURE = "storage = icechunk.azure_storage(account='a', container='container', "
CODE: dict[str, tuple[str, dict[str, str], str]] = {
    "s3": ("s3://bucket/a/cube/", {}, S3 + "prefix='a/cube', from_env=True)"),
    "a region": (
        "s3://bucket/cube",
        {"AWS_REGION": "eu-west-1"},
        S3 + "region='eu-west-1', prefix='cube', from_env=True)",
    ),
    "a service": (
        "s3://bucket/cube",
        {"AWS_ENDPOINT_URL": "https://host"},
        S3 + "endpoint_url='https://host', allow_http=False, force_path_style=True,"
        " prefix='cube', from_env=True)",
    ),
    "a service without TLS": (
        "s3://bucket/cube",
        {"AWS_ENDPOINT_URL": "http://host:9000", "AWS_REGION": "x"},
        S3 + "region='x', endpoint_url='http://host:9000', allow_http=True,"
        " force_path_style=True, prefix='cube', from_env=True)",
    ),
    "gs": (
        "gs://bucket/a/cube",
        {"AWS_REGION": "x"},
        "storage = icechunk.gcs_storage(bucket='bucket', prefix='a/cube', from_env=True)",
    ),
    "az": (
        "az://container/a/cube",
        {"AZURE_STORAGE_ACCOUNT": "b", "AZURE_STORAGE_ACCOUNT_NAME": "a"},
        AZURE + "prefix='a/cube', from_env=True)",
    ),
    "memory": ("memory://", {}, "storage = ...  # in memory: use Published.repository"),
}


@pytest.mark.parametrize("how", CODE)
def test_readers_are_told_the_storage(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url, environment, code = CODE[how]
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    place = target_of(url)
    assert (place.name, place.code, place.path) == (url, code, None)
    assert isinstance(place.storage(), icechunk.Storage)


def test_memory_is_one_place() -> None:
    place = target_of("memory://")
    assert place.storage() is place.storage()


def test_a_storage_is_taken_as_it_is() -> None:
    storage = icechunk.in_memory_storage()
    place = target_of(storage)
    assert place.storage() is storage
    assert (place.name, place.path) == ("the storage", None)


@pytest.mark.parametrize(
    ("to", "path"),
    [
        ("a/../cube", "{cwd}/cube"),
        ("~/cube", "{home}/cube"),
        ("/x/y", "/x/y"),
        ("file:///x/a%20b", "/x/a b"),
        ("file:///~/cube", "/~/cube"),  # of a url a tilde is a character
    ],
)
def test_a_local_place(to: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    expected = path.format(cwd=tmp_path, home=tmp_path / "home")
    for given in (to, *([Path(to)] if "://" not in to else [])):
        place = target_of(given)
        assert place.path == Path(expected)
        assert place.code == f"storage = icechunk.local_filesystem_storage({expected!r})"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("s3://key:hush@bucket/cube", r"has a user name or password; leave it out: credentials c"),
        ("s3://bucket/cube?X-Amz-Signature=hush", "has a signature or token; leave it out"),
        ("https://host/cube", "to must be a local path, s3://.* or an icechunk.Storage, not https"),
        ("s3://bucket", "to must name a bucket and a prefix, as s3://bucket/cube, not s3://bucket"),
        ("gs://bucket//", "to must name a bucket and a prefix, as gs://bucket/cube"),
        ("s3:///cube", "to must name a bucket and a prefix"),
        ("az://container/cube", "az:// needs the name of the account in the environment: AZURE_S"),
    ],
)
def test_places_that_are_refused(to: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        target_of(to)
    assert "hush" not in str(caught.value)


# ---------------------------------------------------------------------------- what is there


def committed(storage: icechunk.Storage, branch: str = "main") -> icechunk.Repository:
    """A repository with a commit on a branch."""
    repository = icechunk.Repository.create(storage)
    if branch != "main":
        repository.create_branch(branch, repository.lookup_branch("main"))
    session = repository.writable_session(branch)
    session.commit("a commit", allow_empty=True)
    return repository


def test_a_new_repository_has_its_first_commit_alone() -> None:
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    assert is_first_commit(repository, repository.lookup_branch("main"))
    repository = committed(icechunk.in_memory_storage())
    assert not is_first_commit(repository, repository.lookup_branch("main"))


@pytest.mark.parametrize("append", [True, False])
def test_an_unused_place_has_nothing_to_append_to(append: bool, tmp_path: Path) -> None:
    folder = tmp_path / "cube"
    assert target_of(folder).opened(append=append) is None
    folder.mkdir()
    assert target_of(folder).opened(append=append) is None
    icechunk.Repository.create(icechunk.local_filesystem_storage(str(folder)))
    assert target_of(folder).opened(append=append) is None
    assert target_of(icechunk.in_memory_storage()).opened(append=append) is None


@pytest.mark.parametrize("branch", ["main", "other"])
@pytest.mark.parametrize("local", [True, False])
def test_a_repository_with_commits_is_appended_to(branch: str, local: bool, tmp_path: Path) -> None:
    folder = tmp_path / "cube"
    storage = icechunk.local_filesystem_storage(str(folder))
    committed(storage, branch)
    place = target_of(folder if local else storage)
    assert isinstance(place.opened(append=True), icechunk.Repository)
    with pytest.raises(PublishError, match=r"holds a repository; append to it \(append=True"):
        place.opened(append=False)


def test_files_that_are_no_repository(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(PublishError, match="file exists and is not a directory"):
        target_of(tmp_path / "file").opened(append=True)
    (tmp_path / "refs").mkdir()
    for append in (True, False):
        with pytest.raises(PublishError, match="exists and is not empty; name a new place, or st"):
            target_of(tmp_path).opened(append=append)


@pytest.mark.parametrize("name", ["chunks", "refs", "config.yaml", "virtual-tiff.lock"])
def test_a_repository_whose_making_was_interrupted_is_begun_anew(name: str, tmp_path: Path) -> None:
    cube = tmp_path / "cube"
    (cube / name).mkdir(parents=True)
    assert target_of(cube).opened(append=False) is None
    with target_of(cube).writing(()) as repository:
        assert repository.list_branches() == {"main"}
    assert target_of(cube).opened(append=False) is None


@pytest.mark.parametrize("begun", [True, False])
def test_other_files_in_the_storage_that_a_user_gives(begun: bool, tmp_path: Path) -> None:
    """No path is known of it: its objects are listed."""
    (tmp_path / "cube" / ("chunks" if begun else "notes")).mkdir(parents=True)
    (tmp_path / "cube" / ("chunks" if begun else "notes") / "a").write_text("text")
    place = target_of(icechunk.local_filesystem_storage(str(tmp_path / "cube")))
    if begun:
        with place.writing(()) as repository:
            assert repository.list_branches() == {"main"}
    else:
        with (
            pytest.raises(PublishError, match="the storage exists and is not empty"),
            place.writing(()),
        ):
            pass
        assert [path.name for path in (tmp_path / "cube").iterdir()] == ["notes"]


def test_another_publisher_has_made_a_repository_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def conflict(*_: Any, **options: Any) -> None:
        raise icechunk.ConflictError(None, None)

    monkeypatch.setattr(icechunk.Repository, "create", conflict)
    words = r"the storage: another publisher has made a repository there meanwhile; start again wi"
    with (
        pytest.raises(PublishError, match=words),
        target_of(icechunk.in_memory_storage()).writing(()),
    ):
        pass


# ------------------------------------------------------------------------------ writing


def test_a_new_repository_is_moved_to_its_place_in_the_end(tmp_path: Path) -> None:
    place = target_of(tmp_path / "a" / "cube")
    with place.writing(()) as repository:
        assert not (tmp_path / "a" / "cube").exists()
        repository.writable_session("main").commit("a commit", allow_empty=True)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["cube"]
    with place.writing(()) as repository:  # where it is
        assert (tmp_path / "a" / "cube").exists()
        assert len(list(repository.ancestry(branch="main"))) == 2


def test_a_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), target_of(tmp_path / "a" / "b" / "cube").writing(()):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def saved(storage: icechunk.Storage) -> list[str]:
    config = icechunk.Repository.fetch_config(storage)
    return sorted((config and config.virtual_chunk_containers) or {})


def test_containers_are_saved_beside_those_that_are_known() -> None:
    storage = icechunk.in_memory_storage()
    icechunk.Repository.create(storage)
    assert saved(storage) == []
    save_containers(storage, ())
    one, two = (containers_of(locate([f"gs://{name}/1.tif"], {}), {}) for name in "ab")
    save_containers(storage, one)
    save_containers(storage, two)
    assert saved(storage) == ["gs://a/", "gs://b/"]


def test_containers_that_others_overwrite_are_saved_five_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Icechunk replaces the whole configuration: another publisher's may lack ours each time."""
    storage = icechunk.in_memory_storage()
    icechunk.Repository.create(storage)
    monkeypatch.setattr(icechunk.Repository, "fetch_config", lambda _: None)
    asked = []
    opened = icechunk.Repository.open
    monkeypatch.setattr(
        icechunk.Repository, "open", lambda *args: asked.append(args) or opened(*args)
    )
    save_containers(storage, containers_of(locate(["gs://a/1.tif"], {}), {}))
    assert len(asked) == target._ATTEMPTS == 5


def test_the_place_of_a_target_without_a_path_needs_no_lock(tmp_path: Path) -> None:
    storage = icechunk.in_memory_storage()
    place = Target(name="n", storage=lambda: storage, code="")
    with place.writing(()), place.writing(()) as repository:
        assert repository.list_branches() == {"main"}
