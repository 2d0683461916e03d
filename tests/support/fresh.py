"""Fresh processes, where the package is not installed."""

from __future__ import annotations

import os
import subprocess
import sys

__all__ = ["WITHOUT_US", "run"]

WITHOUT_US = """
import importlib.metadata, sys
sys.modules["virtual_tiff"] = None
found = importlib.metadata.entry_points
def others(**params):  # an installation is more than its modules
    points = (point for point in found(**params) if point.dist.name != "virtual-tiff")
    return importlib.metadata.EntryPoints(points)
importlib.metadata.entry_points = others
"""

AT_ONCE = "\nimport os, sys; sys.stdout.flush(); os._exit(0)"
"""The end of a program: threads of Rust (obstore's, Icechunk's) may abort an interpreter that ends
as usual, with 134, in one of some hundred runs."""


def run(code: str, environment: dict[str, str] | None = None, *, without_us: bool = True) -> str:
    """Run Python in a fresh process, where `virtual_tiff` cannot be imported."""
    block = WITHOUT_US if without_us else ""
    done = subprocess.run(
        [sys.executable, "-c", block + code + AT_ONCE],
        capture_output=True,
        text=True,
        env=os.environ | (environment or {}),
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout
