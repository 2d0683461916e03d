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
from urllib.parse import unquote, urlsplit

import icechunk

from virtual_tiff.locations import s3_setting, scheme_of
from virtual_tiff.publishing.containers import Container, access_to, config_with
from virtual_tiff.publishing.errors import PublishError

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

    def check_unused(self) -> None:
        """Refuse what holds something already.

        Raises
        ------
        PublishError
            If there are commits, or files that are none of a repository.
        """
        if self.path is not None and not self.path.exists():
            return
        if self.path is not None and not self.path.is_dir():
            msg = f"{self.name} exists and is no directory"
            raise PublishError(msg)
        if self.path is not None and not any(self.path.iterdir()):
            return
        if self._holds_repository():
            if _is_empty(icechunk.Repository.open(self.storage())):
                return
            msg = f"{self.name} holds a repository; appending is not possible yet, name a new place"
            raise PublishError(msg)
        if self.path is not None:
            msg = f"{self.name} exists and is not empty; name a new place"
            raise PublishError(msg)

    def open(self, containers: Sequence[Container]) -> icechunk.Repository:
        """Open the repository for writing, made if it does not exist."""
        storage = self.storage()
        exists = icechunk.Repository.exists(storage)
        make = icechunk.Repository.open if exists else icechunk.Repository.create
        repository = make(storage, config_with(containers), access_to(containers))
        repository.save_config()
        return repository

    def _holds_repository(self) -> bool:
        return icechunk.Repository.exists(self.storage())

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


def _is_empty(repository: icechunk.Repository) -> bool:
    """Whether a repository was made and never written to."""
    if repository.list_branches() != {"main"}:
        return False
    return len(list(islice(repository.ancestry(branch="main"), 2))) == 1


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
    if scheme == "memory":
        memory = icechunk.in_memory_storage()
        code = "storage = ...  # in memory: use Published.repository"
        return Target(name=name, storage=lambda: memory, code=code)
    if scheme == "s3":
        return _s3_target(name)
    if scheme not in (None, "file"):
        msg = f"to must be a local path, s3://…, memory:// or an icechunk.Storage, not {name}"
        raise ValueError(msg)
    path = Path(unquote(urlsplit(name).path) if scheme else name).expanduser().resolve()
    return Target(
        name=name,
        storage=partial(icechunk.local_filesystem_storage, str(path)),
        code=f"storage = icechunk.local_filesystem_storage({str(path)!r})",
        path=path,
    )


def _s3_target(name: str) -> Target:
    bucket, _, prefix = name.partition("://")[2].partition("/")
    if not bucket or not prefix.strip("/"):
        msg = f"to must name a bucket and a prefix, as s3://bucket/cube, not {name}"
        raise ValueError(msg)
    settings: dict[str, Any] = {
        "bucket": bucket,
        "prefix": prefix.strip("/"),
        "from_env": True,
    }
    region, endpoint = s3_setting({}, "region"), s3_setting({}, "endpoint")
    if region is not None:
        settings["region"] = region
    if endpoint is not None:
        plain = scheme_of(endpoint) == "http"
        settings |= {"endpoint_url": endpoint, "allow_http": plain, "force_path_style": True}
    arguments = ", ".join(f"{key}={value!r}" for key, value in settings.items())
    return Target(
        name=name,
        storage=lambda: icechunk.s3_storage(**settings),
        code=f"storage = icechunk.s3_storage({arguments})",
    )
