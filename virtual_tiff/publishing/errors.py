"""What goes wrong when files are published, in words."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PublishError", "first_line", "not_as_a_stack"]


class PublishError(RuntimeError):
    """Nothing was published.

    Parameters
    ----------
    message
        What is wrong.
    failures
        By name: what is wrong with each file that is at fault.
    """

    def __init__(self, message: str, failures: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.failures = dict(failures or {})


def not_as_a_stack(path: str, error: Exception) -> str:
    """Say that an array's codecs do not take one more dimension."""
    return f"array {path} does not read as a stack ({first_line(error)}); publish without concat"


def first_line(error: Exception) -> str:
    """Return an error's words without what Icechunk adds below: where it arose."""
    return str(error).strip().partition("\n")[0]
