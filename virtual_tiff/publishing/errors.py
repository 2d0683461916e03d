"""The error of `publish`."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PublishError"]


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
