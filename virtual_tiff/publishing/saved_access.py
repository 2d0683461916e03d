"""`access`: how readers of a repository reach its sources, shown and changed.

Region, endpoint, account, style of urls, whether requests are signed and who pays are saved in the
configuration of a repository, by container. They are no part of a commit: a change holds for all
snapshots at once, and can be changed back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import icechunk

from virtual_tiff.publishing.errors import PublishError, icechunk_errors
from virtual_tiff.publishing.repository.containers import (
    Container,
    renewed,
    saved_containers,
    saved_settings,
    wanted_prefix,
)
from virtual_tiff.publishing.repository.opening import Place, repository_at
from virtual_tiff.publishing.repository.settings import remarks_on
from virtual_tiff.publishing.repository.target import save_containers, target_of
from virtual_tiff.sources.access import (
    CREDENTIALS,
    check_settings,
    given_settings,
    kind_of,
    plain_options,
)
from virtual_tiff.sources.locations import check_endpoint

__all__ = ["Access", "ContainerAccess", "access", "set_access"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerAccess:
    """A container of a repository: a url prefix, and how readers reach what is below it."""

    prefix: str
    """The prefix of the urls that it holds."""
    settings: Mapping[str, Any]
    """By obstore's names: `region`, `endpoint`, `skip_signature`, `request_payer`, … ; empty for
    files and web servers."""
    credentials: str
    """Python code for the credentials that a reader needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How readers of a repository reach its sources."""

    containers: tuple[ContainerAccess, ...]
    """The settings of each container."""
    remarks: tuple[str, ...] = ()
    """What is wrong with the settings of the repository itself, in words."""
    changed: tuple[str, ...] = ()
    """Prefixes of the containers that `set_access` has changed."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        names = ("prefix", "settings", "credentials")
        return {
            "containers": [{n: getattr(each, n) for n in names} for each in self.containers],
            "remarks": list(self.remarks),
            "changed": list(self.changed),
        }


def access(repository: Place) -> Access:
    """Return how readers of a published repository reach its sources.

    Parameters
    ----------
    repository
        A local path, `s3://bucket/prefix` (with the credentials of the environment), an
        `icechunk.Storage` or `icechunk.Repository`.

    Returns
    -------
    Access
        The settings of each container.

    Raises
    ------
    PublishError
        If there is no repository.
    """
    opened = repository_at(repository)
    return _access_of(opened)


def set_access(
    repository: str | icechunk.Storage,
    settings: Mapping[str, Any],
    *,
    container: str | Sequence[str] = (),
) -> Access:
    """Change how readers of a repository reach its sources, and return how they do now.

    Parameters
    ----------
    repository
        A local path, `s3://bucket/prefix`, … or an `icechunk.Storage`.
    settings
        By obstore's names, as `{"endpoint": "https://…", "skip_signature": True}`; those that are
        left out stay.
    container
        Prefixes of the containers that are changed; by default all whose kind of store has one of
        the settings.

    Returns
    -------
    Access
        The settings after the change.

    Raises
    ------
    ValueError
        If a setting is none that can be saved, no container has it, or there is no such container.
    PublishError
        If there is no repository, or another publisher is writing to it.
    """
    options = plain_options(settings)
    target = target_of(repository)
    with icechunk_errors(target.name):
        opened = target.opened(append=True)
        if opened is None:
            msg = f"{target.name}: there is no repository, or nothing is published in it"
            raise PublishError(msg)
        before = saved_containers(opened.config, {})
        _check(options, before)
        names = [container] if isinstance(container, str) else container
        prefixes = [wanted_prefix(name) for name in names]
        if unknown := [p for p in prefixes if p not in {each.prefix for each in before}]:
            known = ", ".join(each.prefix for each in before) or "none"
            msg = f"the repository has no container {unknown[0]}; its containers are {known}"
            raise ValueError(msg)
        some = [each for each in before if not prefixes or each.prefix in prefixes]
        after = renewed(some, options)
        with target.writing(after) as opened:
            pass
        if target.path is None:
            save_containers(target.storage(), after)
        opened = icechunk.Repository.open(target.storage())
    changed = tuple(each.prefix for each in after if each.renewed)
    return _access_of(opened, changed)


def _check(options: Mapping[str, Any], containers: Sequence[Container]) -> None:
    """Refuse settings that cannot be saved: credentials never are."""
    kinds = {kind_of(each.prefix) for each in containers} & {"s3", "gs", "az"}
    for name in options:
        if any(name in names for names in CREDENTIALS.values()):
            msg = f"{name} is a credential, and is never saved: readers have their own"
            raise ValueError(msg)
        if not any(given_settings({name: options[name]}, kind) for kind in kinds):
            msg = f"no container of the repository has the setting {name}"
            raise ValueError(msg)
    if not options:
        msg = "no setting is given"
        raise ValueError(msg)
    check_endpoint(options)
    for kind in kinds:
        check_settings(given_settings(options, kind), kind)


def _access_of(repository: icechunk.Repository, changed: tuple[str, ...] = ()) -> Access:
    of_containers = tuple(
        ContainerAccess(
            prefix=each.prefix,
            settings=saved_settings(each.prefix, each.store),
            credentials=each.code,
        )
        for each in saved_containers(repository.config, {})
    )
    return Access(containers=of_containers, remarks=remarks_on(repository), changed=changed)
