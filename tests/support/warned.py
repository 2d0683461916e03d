"""The warnings of the package among those that a block of a test has recorded.

Python collects garbage when it likes: what another test has left open may add a ResourceWarning.
"""

from __future__ import annotations

from collections.abc import Iterable
from warnings import WarningMessage

from virtual_tiff.tiff import TiffWarning

__all__ = ["of_tiff"]


def of_tiff(recorded: Iterable[WarningMessage]) -> list[WarningMessage]:
    """Return the warnings that are `TiffWarning`."""
    return [each for each in recorded if issubclass(each.category, TiffWarning)]
