"""The place of the repository, which must be unused or hold one to append to."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import icechunk

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.repository.batches import is_temporary
from virtual_tiff.publishing.repository.containers import (
    Container,
    access_to,
    config_with,
    saved_settings,
    with_headers,
)
from virtual_tiff.publishing.repository.locking import LOCK, locked
from virtual_tiff.publishing.repository.settings import suitable_settings
from virtual_tiff.sources.access import (
    CREDENTIALS,
    ENDPOINTS,
    check_settings,
    has_credentials,
    is_anonymous,
    is_true,
    kind_of,
    plain_options,
    with_settings,
)
from virtual_tiff.sources.locations import check_endpoint
from virtual_tiff.sources.running import interruptible
from virtual_tiff.sources.urls import local_path, scheme_of
from virtual_tiff.tiff import redacted, secret_in

__all__ = ["Target", "is_first_commit", "save_containers", "target_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The place of the repository."""

    name: str
    storage: Callable[[], icechunk.Storage]
    """Makes it; a local one makes its directory with it."""
    code: str
    """Python that makes it."""
    path: Path | None = None
    """The directory, of a local one."""
    identity: str = ""
    """The same text for the same place in each process; empty if it ends with this one."""

    @interruptible
    def opened(self, *, append: bool) -> icechunk.Repository | None:
        """Return the repository at the place, to be appended to; None if there is none yet.

        Files that do not belong to a repository are a PublishError; commits, too, where nothing is
        to be appended.
        """
        path = self.path
        if path is not None and not path.exists():
            return None
        if path is not None and not path.is_dir():
            msg = f"{self.name} exists and is not a directory"
            raise PublishError(msg)
        if path is not None and not any(path.iterdir()):
            return None
        storage = self.storage()
        if icechunk.Repository.exists(storage):
            repository = icechunk.Repository.open(storage)
            branches = (b for b in repository.list_branches() if not is_temporary(b))
            tips = map(repository.lookup_branch, branches)
            if all(is_first_commit(repository, tip) for tip in tips):
                return None
            if append:
                return repository
            msg = f"{self.name} holds a repository; append to it (append=True), or name a new place"
            raise PublishError(msg)
        if path is not None:
            self._check_unused(storage)
        return None

    def _check_unused(self, storage: icechunk.Storage) -> None:
        """Refuse a place with other files than those of a repository that was begun."""
        if self.path is not None:
            names = {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else set()
        else:
            names = {one.key.partition("/")[0] for one in storage.list_objects_metadata()}
        if not names <= _BEGUN:
            msg = (
                f"{self.name} exists and is not empty; name a new place, or start again if another"
                " publisher is making a repository there"
            )
            raise PublishError(msg)

    @contextmanager
    def writing(
        self,
        containers: Sequence[Container],
        splits: Mapping[str, int] | None = None,
    ) -> Iterator[icechunk.Repository]:
        """Open the repository for writing, made if it does not exist, with `splits` of manifests.

        A new local repository is made beside its place and moved there when the block has
        ended: a block that fails, or is killed, leaves the place as it was, and anything that
        another publisher has made there meanwhile is not touched. Only the holder of the lock
        makes the directory beside, so one that exists was left by a run that was killed.

        Raises
        ------
        PublishError
            If another publisher writes there, or has made something there meanwhile.
        """
        path = self.path
        if path is None:
            yield self._opened_for_writing(self.storage(), containers, splits)
            return
        with _parents_of(path, self.name), locked(path, self.name):
            if not _is_free(path):
                yield self._opened_for_writing(self.storage(), containers, splits)
                return
            new = path.with_name(path.name + _NEW_SUFFIX)
            shutil.rmtree(new, ignore_errors=True)
            try:
                storage = icechunk.local_filesystem_storage(str(new))
                yield self._opened_for_writing(storage, containers, splits)
                self._move(new, path)
            finally:
                shutil.rmtree(new, ignore_errors=True)

    def _move(self, new: Path, path: Path) -> None:
        try:
            if path.is_dir():  # an empty one
                new.chmod(stat.S_IMODE(path.stat().st_mode))
                path.rmdir()
            new.rename(path)
        except OSError as error:
            msg = (
                f"{self.name}: another program has made something there meanwhile"
                f" ({error.strerror}); nothing was published; name a new place"
            )
            raise PublishError(msg) from error

    def _opened_for_writing(
        self,
        storage: icechunk.Storage,
        containers: Sequence[Container],
        splits: Mapping[str, int] | None,
    ) -> icechunk.Repository:
        """Open the repository, made if it does not exist.

        The containers are saved now, and not after the commit: a repository whose
        containers are not used reads as before, one that lacks them does not.
        """
        access = access_to(containers)
        if not icechunk.Repository.exists(storage):
            config = config_with(containers, splits=splits)
            create = partial(icechunk.Repository.create, storage, config, access)
            try:
                try:
                    create()
                except icechunk.InvalidInputError:  # its place is not empty
                    self._check_unused(storage)
                    create(check_clean_root=False)
            except icechunk.ConflictError as error:
                msg = (
                    f"{self.name}: another publisher has made a repository there meanwhile;"
                    " start again with append (--append), or name a new place"
                )
                raise PublishError(msg) from error
        else:
            save_containers(storage, containers)
        # of this process; it is not saved
        config = with_headers(icechunk.RepositoryConfig(caching=_CACHING), containers)
        return icechunk.Repository.open(storage, config, access)


_CACHING = icechunk.CachingConfig(num_chunk_refs=200_000)
"""Icechunk keeps the manifests that it has written, by default up to gigabytes of them."""


def save_containers(storage: icechunk.Storage, containers: Sequence[Container]) -> None:
    """Save the containers that a repository lacks or has otherwise, and suitable settings.

    Icechunk replaces the whole configuration, whatever another publisher has saved since it
    was read; so this is done before a commit, and once more after it.
    """
    for _ in range(_ATTEMPTS):
        saved = icechunk.Repository.fetch_config(storage)
        known = dict(saved.virtual_chunk_containers or {}) if saved is not None else {}
        lacking = [c for c in containers if c.prefix not in known]
        lacking += [c for c in containers if c.renewed and _differs(c, known.get(c.prefix))]
        settings = suitable_settings(storage, saved.storage if saved is not None else None)
        if settings is None and not lacking:
            return
        config = config_with(lacking, saved if known else None)
        if settings is not None:
            config.storage = settings
        icechunk.Repository.open(storage, config, access_to(containers)).save_config()


def _differs(container: Container, known: icechunk.VirtualChunkContainer | None) -> bool:
    prefix = container.prefix
    return known is not None and (
        saved_settings(prefix, container.store) != saved_settings(prefix, known.store)
    )


_ATTEMPTS = 5


def _is_free(path: Path) -> bool:
    """Whether a new repository can be moved there: in place of nothing, or an empty directory."""
    if not os.access(path.parent, os.W_OK) or path.is_mount():
        return False
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


@contextmanager
def _parents_of(path: Path, name: str) -> Iterator[None]:
    """Make the directories above; if the block fails, remove those that this has made.

    Only empty ones: another publisher may have put something there meanwhile.
    """
    made: list[Path] = []
    try:
        for folder in reversed(path.parents):
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            except OSError as error:
                if folder.is_dir():  # as / and others say, in place of that they exist
                    continue
                msg = f"{name}: {folder} cannot be made: {error.strerror}"
                raise PublishError(msg) from error
            made.append(folder)
        yield
    except BaseException:
        with suppress(OSError):
            for folder in reversed(made):
                folder.rmdir()
        raise


_NEW_SUFFIX = ".virtual-tiff.new"
"""The suffix of the directory beside a local repository in which it is made."""

_BEGUN = {
    *("chunks", "config.yaml", "manifests", "overwritten", "refs", "snapshots", "transactions"),
    LOCK,
}
"""The files of a repository whose making was interrupted: Icechunk writes `repo` last."""


def is_first_commit(repository: icechunk.Repository, snapshot: str) -> bool:
    """Whether a commit is the empty one with which Icechunk makes a repository."""
    return len(list(islice(repository.ancestry(snapshot_id=snapshot), 2))) == 1


def target_of(
    to: str | os.PathLike[str] | icechunk.Storage, store_options: Mapping[str, Any] | None = None
) -> Target:
    """Return the place that a user names; nothing is made or looked at yet.

    Its store has its settings and credentials of obstore's options, and else of the environment.
    """
    if isinstance(to, icechunk.Storage):
        code = "storage = ...  # the one that it was published to"
        identity = "" if "in-memory" in str(to) else str(to)
        return Target(name="the storage", storage=lambda: to, code=code, identity=identity)
    name = os.fspath(to)
    scheme = scheme_of(name)
    if secret := secret_in(name):
        msg = (
            f"{redacted(name)} has a {secret}; leave it out: credentials come from the environment"
        )
        raise ValueError(msg)
    if scheme == "memory":
        memory = icechunk.in_memory_storage()
        code = "storage = ...  # in memory: use Published.repository"
        return Target(name=name, storage=lambda: memory, code=code)
    if scheme in _CLOUDS:
        return _cloud_target(name, str(scheme), plain_options(store_options or {}))
    if not name or scheme not in (None, "file"):
        msg = (
            "to must be a local path, s3://…, gs://…, az://…, memory:// or an icechunk.Storage,"
            f" not {redacted(name) or 'an empty name'}"
        )
        raise ValueError(msg)
    path = local_path(name).resolve()
    return Target(
        name=name,
        storage=partial(icechunk.local_filesystem_storage, str(path)),
        code=f"storage = icechunk.local_filesystem_storage({str(path)!r})",
        path=path,
        identity=str(path),
    )


def _cloud_target(name: str, scheme: str, options: Mapping[str, Any]) -> Target:
    bucket, _, prefix = name.partition("://")[2].partition("/")
    if not bucket or not prefix.strip("/"):
        msg = f"to must name a bucket and a prefix, as {scheme}://bucket/cube, not {name}"
        raise ValueError(msg)
    kind = kind_of(name)
    check_endpoint(options)  # it is a part of the code for readers
    known = with_settings(options, kind)
    check_settings(known, kind)
    endpoint = known.get(ENDPOINTS[kind])
    plain = scheme_of(str(endpoint)) == "http"
    settings: dict[str, Any] = {"bucket": bucket}
    if kind == "s3":
        settings |= {"region": known["region"]} if "region" in known else {}
        if endpoint is not None:
            path_style = not is_true(known.get("virtual_hosted_style_request"))
            settings |= {"endpoint_url": endpoint, "allow_http": plain}
            settings |= {"force_path_style": path_style}
        settings |= {"requester_pays": True} if is_true(known.get("request_payer")) else {}
    elif endpoint is not None:
        settings["config"] = {ENDPOINTS[kind]: endpoint} | ({"allow_http": "true"} if plain else {})
    if kind == "az":
        if "account_name" not in known:
            name_of_variable = "AZURE_STORAGE_ACCOUNT_NAME"
            msg = f"az:// needs the name of the account in the environment: {name_of_variable}"
            raise ValueError(msg)
        settings = {"account": known["account_name"], "container": bucket} | settings
        del settings["bucket"]
    settings |= {"prefix": prefix.strip("/")}
    secrets = {a: options[key] for key, a in CREDENTIALS[kind].items() if key in options}
    # the environment may say of the files alone that they are public: keys are for the repository
    unsigned = is_true(options.get("skip_signature"))
    unsigned |= not secrets and is_anonymous(options, kind) and not has_credentials(kind)
    access = {"anonymous": True} if unsigned else secrets or {"from_env": True}
    code = {"anonymous": True} if unsigned else {"from_env": True}
    function = _CLOUDS[scheme]
    arguments = ", ".join(f"{key}={value!r}" for key, value in (settings | code).items())
    return Target(
        name=name,
        storage=lambda: getattr(icechunk, function)(**settings, **access),
        code=f"storage = icechunk.{function}({arguments})",
        identity=f"{function} {arguments}",
    )


_CLOUDS = {"s3": "s3_storage", "gs": "gcs_storage", "az": "azure_storage"}
"""Icechunk's functions that make the storage of a cloud."""
