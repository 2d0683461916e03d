"""The core, copied by scripts/vendor.py, works where it is; and only copies are replaced."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tomllib
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest

from docs.fenced import blocks_of
from support.scripts import load_script
from virtual_tiff.tiff import MemorySource, TiffError, block_layout, read_tiff

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "vendor.py"
CORE = ROOT / "virtual_tiff" / "tiff"
FILES = sorted(ROOT.glob("testdata/s*/*.tif"))

REPORT = """
import asyncio, json, pathlib, sys
sys.path.insert(0, sys.argv[1])
from other._tiff import MemorySource, TiffError, block_layout, read_tiff

def report(ifd):
    layout = block_layout(ifd)
    return [ifd.path, {tag: repr(list(ifd[tag])) for tag in ifd}, repr(layout.grid),
            layout.offsets.tolist(), layout.byte_counts.tolist()]

async def read(path):
    try:
        tiff = await read_tiff(MemorySource(pathlib.Path(path).read_bytes()))
        return [report(ifd) for ifd in tiff.walk()]
    except TiffError as error:
        return [type(error).__name__, str(error)]

print(json.dumps([asyncio.run(read(path)) for path in sys.argv[2:]]))
assert not {"numpy", "virtual_tiff", "zarr"} & set(sys.modules)
"""


script = load_script("vendor")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    made: Path = script.vendor(tmp_path, "other._tiff")
    return made


def alone(*arguments: str, folder: Path | None = None) -> str:
    """What a program prints in an interpreter that has the standard library alone."""
    command = [sys.executable, "-I", "-S", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=600, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def by_the_core(path: Path) -> list[Any]:
    try:
        tiff = asyncio.run(read_tiff(MemorySource(path.read_bytes())))
    except TiffError as error:
        return [type(error).__name__, str(error)]
    found = []
    for ifd in tiff.walk():
        layout = block_layout(ifd)
        blocks = [layout.offsets.tolist(), layout.byte_counts.tolist()]
        tags = {str(int(tag)): repr(list(ifd[tag])) for tag in ifd}
        found.append([ifd.path, tags, repr(layout.grid), *blocks])
    return found


@pytest.mark.long
def test_the_copy_says_what_the_core_says(copy: Path) -> None:
    assert len(FILES) > 30
    printed = alone("-c", REPORT, str(copy.parents[1]), *map(str, FILES))
    assert json.loads(printed) == [by_the_core(path) for path in FILES]


@pytest.mark.long
def test_the_copy_reads_a_local_file_with_the_standard_library_alone(copy: Path) -> None:
    program = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from other._tiff import FileSource, ReadAhead, block_layout, read_tiff
tiff = asyncio.run(read_tiff(ReadAhead(FileSource(sys.argv[2]))))
for ifd in tiff.walk():
    grid = block_layout(ifd).grid
    print(ifd.path, ifd.ImageWidth, ifd.ImageLength, grid.kind, grid.rows * grid.columns)
others = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
assert others == {"__main__", "other"}, others
"""
    path = ROOT / "testdata" / "special" / "cog.tif"
    printed = alone("-c", program, str(copy.parents[1]), str(path))
    assert printed.splitlines() == ["0 60 40 tile 12", "1 30 20 tile 1", "2 15 10 tile 1"]


def test_the_modules_are_copied_as_they_are(copy: Path) -> None:
    modules = {path.name: path.read_bytes() for path in CORE.glob("*.py")}
    others = {"LICENSE": (ROOT / "LICENSE").read_bytes(), "py.typed": b""}
    found = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert found.pop("_vendored.py")
    assert found == modules | others


def test_the_copy_says_where_it_comes_from(copy: Path) -> None:
    said: dict[str, Any] = {}
    exec((copy / "_vendored.py").read_text(encoding="utf-8"), said)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (said["SOURCE"], said["VERSION"]) == (project["urls"]["Source"], project["version"])
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    assert (said["COMMIT"] or "").split(" ")[0] == commit


def test_outside_a_clone_no_commit_is_known(tmp_path: Path) -> None:
    release = tmp_path / "release"
    shutil.copytree(CORE, release / "virtual_tiff" / "tiff")
    (release / "scripts").mkdir()
    for name in ("LICENSE", "pyproject.toml", "scripts/vendor.py"):
        shutil.copy(ROOT / name, release / name)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)  # of something else
    alone(str(release / "scripts" / "vendor.py"), str(tmp_path), "--package", "tiff_core")
    assert "COMMIT = None" in (tmp_path / "tiff_core" / "_vendored.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["", "a-b", "a..b", "1a", "class", "../a", "a/b", ".a", "a."])
def test_a_name_is_one_of_a_package(tmp_path: Path, name: str) -> None:
    with pytest.raises(script.VendorError, match="no name of a Python package"):
        script.vendor(tmp_path / "folder", name)
    assert not list(tmp_path.iterdir())


def test_a_copy_is_updated(copy: Path) -> None:
    record = copy / "_vendored.py"
    (copy / "gone.py").write_text("a module that the core has no more")
    digest = script._digest((copy / "gone.py").read_bytes())
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace("FILES = {", f'FILES = {{\n    "gone.py": "{digest}",'))
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "walk.pyc").touch()
    script.vendor(copy.parents[1], "other._tiff")
    assert not (copy / "gone.py").exists()
    assert not (copy / "__pycache__").exists()
    assert record.read_text(encoding="utf-8") == text
    assert list(copy.parent.iterdir()) == [copy]


def change(copy: Path) -> None:
    (copy / "walk.py").write_text("changed")


def add(copy: Path) -> None:
    (copy / "mine.py").touch()


def replace_by_a_folder(copy: Path) -> None:
    shutil.rmtree(copy)
    copy.mkdir()
    (copy / "mine.py").touch()


def replace_by_a_file(copy: Path) -> None:
    shutil.rmtree(copy)
    copy.write_text("mine")


def replace_by_a_broken_link(copy: Path) -> None:
    shutil.rmtree(copy)
    copy.symlink_to("nowhere")


def break_the_record(copy: Path) -> None:
    (copy / "_vendored.py").write_text("FILES = open('mine')")


OTHERS = [
    change,
    add,
    replace_by_a_folder,
    replace_by_a_file,
    replace_by_a_broken_link,
    break_the_record,
]


@pytest.mark.parametrize("becomes", OTHERS, ids=lambda becomes: becomes.__name__)
def test_what_is_no_copy_is_replaced_by_force_alone(copy: Path, becomes: Any) -> None:
    becomes(copy)
    before = state(copy.parent)
    with pytest.raises(script.VendorError, match="--force"):
        script.vendor(copy.parents[1], "other._tiff")
    assert state(copy.parent) == before
    script.vendor(copy.parents[1], "other._tiff", force=True)
    assert (copy / "walk.py").read_bytes() == (CORE / "walk.py").read_bytes()
    assert not (copy / "mine.py").exists()
    assert list(copy.parent.iterdir()) == [copy]


def state(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_the_core_itself_is_never_replaced() -> None:
    before = state(CORE)
    for folder, name in [
        (ROOT, "virtual_tiff.tiff"),
        (ROOT, "virtual_tiff"),
        (CORE.parent, "tiff"),
    ]:
        with pytest.raises(script.VendorError, match="the core itself"):
            script.vendor(folder, name, force=True)
    assert state(CORE) == before


def test_a_copy_that_fails_leaves_the_old_one(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(copy.parent)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(ENOSPC, "no space")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no space"):
        script.vendor(copy.parents[1], "other._tiff")
    assert state(copy.parent) == before


def test_below_a_file_there_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(script.VendorError, match="a file"):
        script.vendor(tmp_path / "file", "core")


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([str(tmp_path), "--package", "core"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'core'}: ")
    (tmp_path / "core" / "walk.py").unlink()
    (tmp_path / "core" / "mine.py").touch()
    assert script.main([str(tmp_path), "--package", "core"]) == 1
    assert "mine.py" in capsys.readouterr().err


@pytest.mark.long
def test_the_page_is_true(tmp_path: Path) -> None:
    """docs/vendoring.md: its command in a clone, its program in the other project."""
    command, program = blocks_of(ROOT / "docs" / "vendoring.md")
    clone, other = tmp_path / "clone", tmp_path / "other"
    clone.mkdir()
    for name in ("LICENSE", "pyproject.toml", "scripts", "virtual_tiff"):
        (clone / name).symlink_to(ROOT / name)
    words = command.text.split()
    assert words[0] == "python"
    alone(*words[1:], folder=clone)
    shutil.copy(ROOT / "testdata" / "special" / "cog.tif", other / "cog.tif")
    path = f"import sys; sys.path.insert(0, {str(other / 'src')!r})\n"
    printed = alone("-c", path + program.text, folder=other)
    assert printed.splitlines()[0].startswith("0 ")
    assert len(printed.splitlines()) > 1
