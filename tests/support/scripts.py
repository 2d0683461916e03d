"""The scripts and benchmarks as modules: their folders are no packages."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["load_script"]

_ROOT = Path(__file__).resolve().parents[2]


def load_script(name: str, folder: str = "scripts") -> Any:
    """Return a script as a module; scripts import one another by their names."""
    path = str(_ROOT / folder)
    if path not in sys.path:
        sys.path.append(path)
    return import_module(name)
