"""Draw the diagrams of docs/architecture.md: docs/images/rooms.svg and docs/images/pipeline.svg.

usage: python scripts/make_architecture_diagram.py [--check]

Every module belongs to a room. An arrow goes from a room to one that it imports, unless the
way over others says the same. `--check` exits with 1 if a picture is stale. A module
without a room, or rooms that import each other in a circle, are errors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from _documents import write_or_check_all  # noqa: E402
from _pictures import layered  # noqa: E402

from house.test_layers import MODULES, imported  # noqa: E402

IMAGES = ROOT / "docs" / "images"

PIPELINE = {
    "name": "a path or a url", "sources": "sources", "tiff": "tiff", "metadata": "metadata",
    "table": "codec_table", "arrays": "arrays", "store": "manifest, store",
    "codecs": "codecs, at read time", "reader": "a Zarr client",
}  # fmt: skip
FLOW = [
    ("name", "sources"), ("sources", "tiff"), ("tiff", "metadata"), ("tiff", "table"),
    ("metadata", "arrays"), ("table", "arrays"), ("arrays", "store"), ("store", "reader"),
    ("codecs", "reader"),
]  # fmt: skip

ROOMS: dict[str, tuple[str, str]] = {
    "cli": ("cli: the commands", "cli __main__"),
    "info": ("info: what is in a file", "info"),
    "publishing": ("publishing: many files, one commit", "publishing"),
    "interoperability": ("interoperability: xarray, kerchunk", "interoperability"),
    "door": ("the front door: VirtualTIFF and its store", "parser manifest store"),
    "layouts": ("arrays/layouts", "arrays.layouts"),
    "arrays": ("arrays: arrays and groups as plain data", "arrays"),
    "metadata": ("metadata: what numbers mean, and where they lie", "metadata"),
    "crs": ("metadata/crs", "metadata.crs"),
    "table": ("codec_table: tags to codecs", "codec_table"),
    "codecs": ("codecs: what no library supplies", "codecs"),
    "sources": ("sources: a name to bytes", "sources"),
    "text": ("text: what users read", "text"),
    "core": ("tiff: the core, bytes to directories", "tiff"),
}
"""By key: the room's name, and its modules or packages; the longest name that fits decides."""


def room_of(module: str) -> str:
    """Return the room of a module; that of the package itself is none, as it imports lazily."""
    names = module.split(".")[1:]
    rooms = {one: key for key, (_, modules) in ROOMS.items() for one in modules.split()}
    for length in range(len(names), 0, -1):
        if (room := rooms.get(".".join(names[:length]))) is not None:
            return room
    msg = f"{module} has no room: add it to ROOMS in {Path(__file__).name}"
    raise SystemExit(msg)


def rooms() -> dict[str, set[str]]:
    """Return which rooms each room imports."""
    found: dict[str, set[str]] = {key: set() for key in ROOMS}
    for module in MODULES:
        if "." not in module:
            continue
        room = room_of(module)
        ours = {name for name in imported(module, for_types=False) & MODULES.keys() if "." in name}
        found[room] |= {room_of(name) for name in ours} - {room}
    return found


def below(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return all rooms that each can reach."""
    reached: dict[str, set[str]] = {}
    try:
        for room in TopologicalSorter(graph).static_order():
            reached[room] = graph[room].union(*(reached[one] for one in graph[room]))
    except CycleError as error:
        msg = f"rooms import each other in a circle: {' -> '.join(error.args[1])}"
        raise SystemExit(msg) from error
    return reached


def arrows(graph: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Yield the imports that no way over another room says."""
    reached = below(graph)
    for room in ROOMS:
        implied = set().union(*(reached[one] for one in graph[room]))
        for other in ROOMS:
            if other in graph[room] - implied:
                yield room, other


def pictures() -> dict[Path, str]:
    """Return the diagrams, by where they are saved."""
    names = {key: name for key, (name, _) in ROOMS.items()}
    return {
        IMAGES / "rooms.svg": layered(names, list(arrows(rooms()))),
        IMAGES / "pipeline.svg": layered(PIPELINE, FLOW),
    }


def main() -> int:
    """Write the pictures, or check them."""
    return write_or_check_all(pictures, __doc__)


if __name__ == "__main__":
    sys.exit(main())
