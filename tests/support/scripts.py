"""The scripts as modules: their folder is no package."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["load_script"]

_FOLDER = str(Path(__file__).resolve().parents[2] / "scripts")


def load_script(name: str) -> Any:
    """Return a script as a module; scripts import one another by their names."""
    if _FOLDER not in sys.path:
        sys.path.append(_FOLDER)
    return import_module(name)
