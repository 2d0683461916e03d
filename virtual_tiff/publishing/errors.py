"""The error of `publish`, and Icechunk's errors as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import icechunk

from virtual_tiff.sources.access import kind_of
from virtual_tiff.sources.advice import advice_on, status_of
from virtual_tiff.sources.object_source import first_line

__all__ = ["MEANWHILE", "MisfitError", "NotAtTheEndError", "PublishError", "icechunk_errors"]

MEANWHILE = "{}: another publisher has committed meanwhile; start again with append (--append)"


class PublishError(RuntimeError):
    """Nothing was published.

    Parameters
    ----------
    message
        The problem.
    failures
        By name: the problem of each file that is at fault.
    """

    def __init__(self, message: str, failures: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.failures = dict(failures or {})


class MisfitError(PublishError):
    """Some files cannot be arranged with the others.

    `misfits` has, by number of the item, the reason for each file without which the others can.
    """

    def __init__(self, message: str, misfits: Mapping[int, str]) -> None:
        super().__init__(message)
        self.misfits = dict(misfits)


class NotAtTheEndError(Exception):
    """Files change the place of those before them: all have to be arranged anew. It is caught."""


@contextmanager
def icechunk_errors(name: str) -> Iterator[None]:
    """Raise Icechunk's errors as a `PublishError` about the repository of this name."""
    try:
        yield
    except icechunk.ConflictError as error:
        raise PublishError(MEANWHILE.format(name)) from error
    except icechunk.RepositoryNotFoundError as error:
        msg = f"{name}: there is no Icechunk repository"
        raise PublishError(msg) from error
    except icechunk.IcechunkError as error:
        words = advice_on(kind_of(name), status_of(str(error)), "open")
        msg = f"{name}: Icechunk failed: {first_line(error)}{'; ' if words else ''}{words}"
        raise PublishError(msg) from error
