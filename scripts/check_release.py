"""Build wheel and sdist, and try both as a user would who has neither extras nor a checkout.

``uv run --extra test python scripts/check_release.py`` needs uv and a package registry. With
``--out FOLDER`` what was built, and found good, is put there.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

import rasterio

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "testdata" / "series" / "scene_2023-01-01.tif"

THIS_PYTHON = ("--python", sys.executable)
TOOL = ("uvx", "--quiet", *THIS_PYTHON)

USE = """
import hashlib, sys
from importlib.util import find_spec
from pathlib import Path
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
import virtual_tiff

assert Path(virtual_tiff.__file__).is_relative_to(sys.prefix), virtual_tiff.__file__
assert not [extra for extra in ("icechunk", "pyproj", "rich") if find_spec(extra)]
registry = ObjectStoreRegistry({"file://": LocalStore()})
store = virtual_tiff.VirtualTIFF(ifd=0)(Path(sys.argv[1]).as_uri(), registry)
array = zarr.open_group(store, mode="r")["0"]
print(virtual_tiff.__version__, hashlib.sha256(array[...].tobytes()).hexdigest())
"""
"""A program of a user's: prints version and pixels."""

TYPES = """
from virtual_tiff import Limits, VirtualTIFF
from virtual_tiff.tiff import ImageFileDirectory

def length(ifd: ImageFileDirectory) -> int:
    return ifd.ImageLength

parser: VirtualTIFF = VirtualTIFF(ifd=0, limits=Limits())
wrong = VirtualTIFF(ifd=1.5)
"""
MISTAKE = 'user.py:9: error: Argument "ifd" to "VirtualTIFF" has incompatible type "float"'
"""What mypy says of it: all else has types, and they are right."""


class ReleaseError(Exception):
    """What was built is not to be released."""


def main(arguments: list[str] | None = None) -> int:
    """Run the checks; return an exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="where to put what was built")
    out = parser.parse_args(arguments).out
    try:
        with tempfile.TemporaryDirectory(prefix="release-") as name:
            wheel, sdist = check(Path(name))
            for file in (wheel, sdist):
                print(f"{file.name}: {file.stat().st_size / 1e3:.0f} kB")
                if out is not None:
                    out.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, out)
    except ReleaseError as error:
        print(f"check_release.py: {error}", file=sys.stderr)
        return 1
    return 0


def check(folder: Path) -> tuple[Path, Path]:
    """Build wheel and sdist in a folder, and check them.

    Raises
    ------
    ReleaseError
        If something is wrong with either.
    """
    build = ["uv", "build", "--quiet", *THIS_PYTHON, "--out-dir", str(folder / "dist"), str(ROOT)]
    timed("build", *build)
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    timed("twine", *TOOL, "twine", "check", "--strict", str(wheel), str(sdist))
    check_wheel(files_of_wheel(wheel))
    check_sdist(files_of_sdist(sdist))
    for file in (wheel, sdist):
        check_use(file, folder / file.suffix[1:], version)
    check_types(folder / wheel.suffix[1:])
    return wheel, sdist


def files_of_wheel(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files_of_sdist(sdist: Path) -> dict[str, bytes]:
    """Return the files of an sdist by name, without the folder that they are all in."""
    found = {}
    with tarfile.open(sdist) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                found[member.name.partition("/")[2]] = content.read()
    return found


def check_wheel(files: dict[str, bytes]) -> None:
    """Raise if a wheel has too much or too little."""
    require(files, "virtual_tiff/py.typed", "virtual_tiff/tiff/__init__.py")
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in files):
        msg = "the wheel has no licence"
        raise ReleaseError(msg)
    tops = {name.partition("/")[0] for name in files}
    others = [top for top in tops if top != "virtual_tiff" and not top.endswith(".dist-info")]
    if others:
        msg = f"the wheel has more than the package: {', '.join(sorted(others))}"
        raise ReleaseError(msg)
    check_paths(files)


def check_sdist(files: dict[str, bytes]) -> None:
    """Raise if an sdist lacks something, or has the test data, some of which is of others."""
    require(files, "LICENSE", "README.md", "CHANGELOG.md", "PKG-INFO", "virtual_tiff/py.typed")
    data = [name for name in files if name.startswith("testdata/") and not name.endswith(".md")]
    if data:
        msg = f"the sdist has test data: {', '.join(data[:5])}"
        raise ReleaseError(msg)
    check_paths(files)


def require(files: dict[str, bytes], *names: str) -> None:
    """Raise if a file is missing."""
    missing = [name for name in names if name not in files]
    if missing:
        msg = f"missing: {', '.join(missing)}"
        raise ReleaseError(msg)


def check_paths(files: dict[str, bytes]) -> None:
    """Raise if a file names a folder of the machine that built it."""
    for path in (ROOT, Path.home()):
        found = [name for name, data in files.items() if f"{path}/".encode() in data]
        if found:
            msg = f"{path} is named in {', '.join(found)}"
            raise ReleaseError(msg)


def check_use(file: Path, environment: Path, version: str) -> None:
    """Install a file into an environment of its own, and use it from outside the checkout."""
    run("uv", "venv", "--quiet", *THIS_PYTHON, str(environment))
    python, folder = environment / "bin" / "python", environment / "work"
    timed(f"install {file.name}", "uv", "pip", "install", "-q", "-p", str(python), str(file))
    folder.mkdir()
    said = run(str(environment / "bin" / "virtual-tiff"), "--version", cwd=folder)
    if version not in said.split():
        msg = f"virtual-tiff --version says {said!r}, not {version}"
        raise ReleaseError(msg)
    tiff = shutil.copy(FILE, folder / "a.tif")
    with rasterio.open(tiff) as dataset:
        truth = hashlib.sha256(dataset.read(1).tobytes()).hexdigest()
    found = timed(f"use {file.name}", str(python), "-c", USE, str(tiff), cwd=folder)
    if found.split() != [version, truth]:
        msg = f"{file.name} installed: {found!r}, not {version} and {truth}"
        raise ReleaseError(msg)


def check_types(environment: Path) -> None:
    """Let mypy look at a user's program, with what is installed in an environment."""
    folder = environment / "work"
    (folder / "user.py").write_text(TYPES)
    python = str(environment / "bin" / "python")
    command = [*TOOL, "mypy", "--strict", "--python-executable", python, "user.py"]
    said = timed("types", *command, cwd=folder, status=1)
    if MISTAKE not in said or "Found 1 error in 1 file" not in said:
        msg = f"mypy says of a user's program:\n{said}"
        raise ReleaseError(msg)


def timed(step: str, *command: str, cwd: Path | None = None, status: int = 0) -> str:
    """Run a command and print what it took."""
    began = time.monotonic()
    printed = run(*command, cwd=cwd, status=status)
    print(f"{step}: {time.monotonic() - began:.1f} s", flush=True)
    return printed


def run(*command: str, cwd: Path | None = None, status: int = 0) -> str:
    """Run a command; return what it printed.

    Raises
    ------
    ReleaseError
        If it ends with another status.
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != status:
        msg = f"{' '.join(command[:3])} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        raise ReleaseError(msg)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
