"""The error of `publish`, and the words that several modules need."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PublishError", "first_line", "not_as_a_stack"]


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


def not_as_a_stack(path: str, error: Exception) -> str:
    """Return the error about an array whose codecs do not take one more dimension."""
    return f"array {path} cannot be read as a stack ({first_line(error)}); publish without concat"


def first_line(error: Exception) -> str:
    """Return an error's words without what Icechunk adds below: where it arose."""
    return str(error).strip().partition("\n")[0]
