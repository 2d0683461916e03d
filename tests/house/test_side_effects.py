"""Installing and importing the package changes nothing for the other libraries of a process."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "virtual_tiff"
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path.name != "__main__.py"
)

STATE = """
import json, logging, os, sys, warnings

import imagecodecs.zarr, numcodecs, numcodecs.registry, numpy, xarray, zarr, zarr.registry
import icechunk, obstore, pyproj, rasterio, rich.progress, sqlite3, virtualizarr  # their own doing

logging.getLogger("numcodecs")  # asked for by name at its import

STANDARD = ["jpeg", "jpeg2k", "jpegxl", "jpegxr", "lerc", "png", "webp", "floatpred"]

def state():
    for registry in list(zarr.registry._codec_registries.values()):
        registry.lazy_load()
    root = logging.getLogger()
    return {
        "zarr's configuration": repr(zarr.config.config),
        "zarr's defaults": repr(zarr.config.defaults),
        "zarr's codecs": {
            name: sorted(known) for name, known in zarr.registry._codec_registries.items() if known
        },
        "zarr's pipelines": sorted(zarr.registry._pipeline_registry),
        "zarr's buffers": sorted(zarr.registry._buffer_registry),
        "numcodecs' codecs": {n: str(c) for n, c in numcodecs.registry.codec_registry.items()},
        "numcodecs' entries": sorted(numcodecs.registry.entries),
        "filters of warnings": repr(warnings.filters),
        "what shows warnings": repr(warnings.showwarning),
        "logging": [root.level, repr(root.handlers), logging.root.manager.disable],
        "loggers": {
            name: [logger.level, repr(logger.handlers)]
            for name, logger in logging.root.manager.loggerDict.items()
            if isinstance(logger, logging.Logger) and (logger.level or logger.handlers)
        },
        "xarray's options": repr(dict(xarray.get_options())),
        "numpy's errors": repr(numpy.geterr()),
        "numpy's printing": repr(numpy.get_printoptions()),
        "environment": dict(os.environ),
        "hooks": repr([sys.excepthook, sys.unraisablehook, sys.displayhook]),
        "recursion": sys.getrecursionlimit(),
        "path": sys.path,
        "standard names": {
            name: str(zarr.registry.get_codec_class(f"imagecodecs_{name}")) for name in STANDARD
        },
    }
"""

COMPARE = (
    STATE
    + """
warnings.simplefilter("ignore", DeprecationWarning)
before = state()
from importlib import import_module
for module in json.loads(sys.argv[1]):
    import_module(module)
print(json.dumps([before, state()]))
"""
)

FIRST = (
    """
import sys
from importlib import import_module
import json
for module in json.loads(sys.argv[1]):
    import_module(module)
"""
    + STATE
    + "print(json.dumps(state()['standard names']))"
)


def run(program: str, modules: list[str]) -> object:
    command = [sys.executable, "-c", program, json.dumps(modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "ZarrUserWarning" not in done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
def test_importing_every_module_changes_nothing_of_others() -> None:
    before, after = run(COMPARE, MODULES)
    for what, value in before.items():
        assert after[what] == value, what


@pytest.mark.long
@pytest.mark.parametrize(
    "modules",
    [[], ["virtual_tiff"], ["virtual_tiff.parser"], MODULES],
    ids=["none", "package", "parser", "all"],
)
def test_standard_names_are_those_of_imagecodecs_zarr(modules: list[str]) -> None:
    for name, codec in run(FIRST, modules).items():
        assert codec == f"<class 'imagecodecs.zarr.{name.capitalize()}'>"


@pytest.mark.parametrize("group", ["zarr.codecs", "numcodecs.codecs"])
def test_no_name_of_an_entry_point_is_another_distributions(group: str) -> None:
    points = entry_points(group=group)
    ours = {point.name for point in points if point.value.startswith("virtual_tiff.")}
    named = [(point.name, point.dist.name) for point in points if point.dist and point.name in ours]
    assert {dist for _, dist in named} <= {"virtual-tiff"}
    assert not {name for name in ours if name.startswith(("imagecodecs_", "numcodecs."))}


def test_the_registry_of_numcodecs_gets_nothing() -> None:
    dists = {point.dist.name for point in entry_points(group="numcodecs.codecs") if point.dist}
    assert "virtual-tiff" not in dists
