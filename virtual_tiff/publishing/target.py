"""Where the repository is to be, which must be unused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import icechunk

from virtual_tiff.locations import check_endpoint, s3_setting
from virtual_tiff.publishing.containers import Container, access_to, config_with
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.tiff.redaction import redacted, secret_in
from virtual_tiff.urls import file_path, scheme_of

__all__ = ["Target", "target_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the repository is to be."""

    name: str
    storage: Callable[[], icechunk.Storage]
    """Makes it; a local one makes its directory with it."""
    code: str
    """Python that makes it."""
    path: Path | None = None
    """The directory, of a local one."""

    def opened(self, *, append: bool) -> icechunk.Repository | None:
        """Return the repository that there is, to be appended to; None if there is none yet.

        Raises
        ------
        PublishError
            If there are files that are none of a repository; or commits, and nothing is to
            be appended.
        """
        path = self.path
        if path is not None and not path.exists():
            return None
        if path is not None and not path.is_dir():
            msg = f"{self.name} exists and is no directory"
            raise PublishError(msg)
        if path is not None and not any(path.iterdir()):
            return None
        if icechunk.Repository.exists(self.storage()):
            repository = icechunk.Repository.open(self.storage())
            if _is_empty(repository):
                return None
            if append:
                return repository
            msg = (
                f"{self.name} holds a repository; append to it (append=True, --append), or name"
                " a new place"
            )
            raise PublishError(msg)
        if path is not None and not {entry.name for entry in path.iterdir()} <= _BEGUN:
            msg = f"{self.name} exists and is not empty; name a new place"
            raise PublishError(msg)
        return None

    def open(self, containers: Sequence[Container]) -> icechunk.Repository:
        """Open the repository for writing, made if it does not exist.

        The containers are saved now, and not after the commit: a repository whose
        containers are not used reads as before, one that lacks them does not.
        """
        storage = self.storage()
        if not icechunk.Repository.exists(storage):
            repository = icechunk.Repository.create(
                storage, config_with(containers), access_to(containers)
            )
        else:
            saved = icechunk.Repository.fetch_config(storage)
            known = dict(saved.virtual_chunk_containers or {}) if saved is not None else {}
            config = config_with(containers, saved if known else None)
            repository = icechunk.Repository.open(storage, config, access_to(containers))
        repository.save_config()
        return repository

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Remove what was made if the block fails."""
        path = self.path
        if path is None or (path.is_dir() and any(path.iterdir())):
            yield  # elsewhere, or an empty repository: a next attempt may use it
            return
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        try:
            yield
        except BaseException:
            shutil.rmtree(missing[-1] if missing else path, ignore_errors=True)
            if not missing:
                path.mkdir()
            raise


_BEGUN = {"chunks", "config.yaml", "manifests", "overwritten", "refs", "snapshots", "transactions"}
"""What there is of a repository whose making was interrupted: Icechunk writes `repo` last."""


def _is_empty(repository: icechunk.Repository) -> bool:
    """Whether a repository was made and never written to."""
    return all(
        len(list(islice(repository.ancestry(branch=branch), 2))) == 1
        for branch in repository.list_branches()
    )


def target_of(to: str | os.PathLike[str] | icechunk.Storage) -> Target:
    """Return the place that a user names; nothing is made or looked at yet.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(to, icechunk.Storage):
        code = "storage = ...  # the one that it was published to"
        return Target(name="the storage", storage=lambda: to, code=code)
    name = os.fspath(to)
    scheme = scheme_of(name)
    if what := secret_in(name):
        msg = f"{redacted(name)} has a {what}; credentials are taken from the environment"
        raise ValueError(msg)
    if scheme == "memory":
        memory = icechunk.in_memory_storage()
        code = "storage = ...  # in memory: use Published.repository"
        return Target(name=name, storage=lambda: memory, code=code)
    if scheme in _CLOUDS:
        return _cloud_target(name, str(scheme))
    if scheme not in (None, "file"):
        msg = (
            "to must be a local path, s3://…, gs://…, az://…, memory:// or an icechunk.Storage,"
            f" not {redacted(name)}"
        )
        raise ValueError(msg)
    path = Path(file_path(name))
    path = (path if scheme else path.expanduser()).resolve()
    return Target(
        name=name,
        storage=partial(icechunk.local_filesystem_storage, str(path)),
        code=f"storage = icechunk.local_filesystem_storage({str(path)!r})",
        path=path,
    )


def _cloud_target(name: str, scheme: str) -> Target:
    bucket, _, prefix = name.partition("://")[2].partition("/")
    if not bucket or not prefix.strip("/"):
        msg = f"to must name a bucket and a prefix, as {scheme}://bucket/cube, not {name}"
        raise ValueError(msg)
    function, settings = _CLOUDS[scheme](bucket)
    settings |= {"prefix": prefix.strip("/"), "from_env": True}
    arguments = ", ".join(f"{key}={value!r}" for key, value in settings.items())
    return Target(
        name=name,
        storage=lambda: getattr(icechunk, function)(**settings),
        code=f"storage = icechunk.{function}({arguments})",
    )


def _s3(bucket: str) -> tuple[str, dict[str, Any]]:
    check_endpoint({})  # it is a part of the code for readers
    settings: dict[str, Any] = {"bucket": bucket}
    region, endpoint = s3_setting({}, "region"), s3_setting({}, "endpoint")
    if region is not None:
        settings["region"] = region
    if endpoint is not None:
        plain = scheme_of(endpoint) == "http"
        settings |= {"endpoint_url": endpoint, "allow_http": plain, "force_path_style": True}
    return "s3_storage", settings


def _google(bucket: str) -> tuple[str, dict[str, Any]]:
    return "gcs_storage", {"bucket": bucket}


def _azure(container: str) -> tuple[str, dict[str, Any]]:
    names = ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
    account = next((os.environ[name] for name in names if os.environ.get(name)), None)
    if account is None:
        msg = f"az:// needs the name of the account in the environment: {names[0]}"
        raise ValueError(msg)
    return "azure_storage", {"account": account, "container": container}


_CLOUDS: dict[str, Callable[[str], tuple[str, dict[str, Any]]]] = {
    "s3": _s3,
    "gs": _google,
    "az": _azure,
}
