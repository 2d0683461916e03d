"""Copy the core, a TIFF parser of the standard library alone, into another project.

``python scripts/vendor.py DEST --package NAME`` makes the package NAME below the folder DEST.
Run it again to bring the copy up to date. See docs/vendoring.md.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import keyword
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "virtual_tiff" / "tiff"
RECORD = "_vendored.py"

_RECORD_TEXT = '''\
"""The core of virtual_tiff, copied by its scripts/vendor.py; run that again to update it."""

SOURCE = "{source}"
VERSION = "{version}"
COMMIT = {commit}
FILES = {{
{files}}}
'''


class VendorError(Exception):
    """The copy cannot be made; nothing was changed."""


def vendor(destination: Path, package: str, *, force: bool = False) -> Path:
    """Copy the core.

    Parameters
    ----------
    destination
        The folder that the package's name starts from.
    package
        The name that the copy is imported by; parts are separated by dots.
    force
        Whether to replace what is there, whatever it is.

    Returns
    -------
    Path
        The copy's folder.

    Raises
    ------
    VendorError
        If the name is none, or something else is there.
    """
    parts = package.split(".")
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        msg = f"{package!r} is no name of a Python package"
        raise VendorError(msg)
    target = destination.joinpath(*parts)
    _check(target, force=force)
    _replace(target, _contents())
    return target


def _check(target: Path, *, force: bool) -> None:
    """Raise if something is there that is not to be replaced."""
    resolved = target.resolve()
    if resolved == CORE or resolved in CORE.parents:
        msg = f"{target} is the core itself, or holds it"
        raise VendorError(msg)
    if any(parent.exists() and not parent.is_dir() for parent in target.parents):
        msg = f"{target.parent} is, or lies below, a file"
        raise VendorError(msg)
    if force or not (target.exists() or target.is_symlink()):
        return
    known = _recorded(target / RECORD)
    if known is None:
        msg = f"{target} is no copy that this script made; --force replaces it"
        raise VendorError(msg)
    changed = sorted(name for name, digest in _present(target).items() if known.get(name) != digest)
    if changed:
        msg = f"changed in {target} since it was copied: {', '.join(changed)}; --force drops this"
        raise VendorError(msg)


def _recorded(record: Path) -> dict[str, str] | None:
    """Return the files that an earlier run wrote, with their digests; None if there was none."""
    try:
        statements = ast.parse(record.read_text(encoding="utf-8")).body
        values = {
            ast.unparse(node.targets[0]): ast.literal_eval(node.value)
            for node in statements
            if isinstance(node, ast.Assign)
        }
        files = values["FILES"]
    except (OSError, SyntaxError, ValueError, KeyError):
        return None
    return files if isinstance(files, dict) else None


def _present(target: Path) -> dict[str, str]:
    files = (path for path in target.rglob("*") if path.is_file() and path.name != RECORD)
    return {
        path.relative_to(target).as_posix(): _digest(path.read_bytes())
        for path in files
        if path.parent.name != "__pycache__"
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _contents() -> dict[str, bytes]:
    """Return what the copy holds, by name."""
    contents = {path.name: path.read_bytes() for path in sorted(CORE.glob("*.py"))}
    contents |= {"LICENSE": (ROOT / "LICENSE").read_bytes(), "py.typed": b""}
    files = "".join(f'    "{name}": "{_digest(data)}",\n' for name, data in contents.items())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    commit = _commit()
    record = _RECORD_TEXT.format(
        source=project["urls"]["Source"],
        version=project["version"],
        commit=f'"{commit}"' if commit else None,
        files=files,
    )
    return {**contents, RECORD: record.encode()}


def _commit() -> str | None:
    """Return the commit that is checked out here; None outside a clone."""
    if _git("rev-parse", "--show-toplevel") != str(ROOT):
        return None  # an unpacked release, perhaps within the clone of something else
    changes = _git("status", "--porcelain", "--", str(CORE), str(ROOT / "LICENSE"))
    commit = _git("rev-parse", "HEAD")
    return f"{commit} with changes" if commit and changes else commit


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() or None


def _replace(target: Path, contents: dict[str, bytes]) -> None:
    """Write a folder beside the target, then put it in the target's place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".vendor-", dir=target.parent) as name:
        new, old = Path(name, "new"), Path(name, "old")
        new.mkdir()
        for file, data in contents.items():
            (new / file).write_bytes(data)
        if not (target.exists() or target.is_symlink()):
            new.rename(target)
            return
        target.rename(old)
        try:
            new.rename(target)
        except OSError:
            old.rename(target)
            raise
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("destination", type=Path, metavar="DEST", help="the folder to start from")
    parser.add_argument("--package", required=True, metavar="NAME", help="the copy's name")
    parser.add_argument("--force", action="store_true", help="replace what is there")
    options = parser.parse_args(arguments)
    try:
        made = vendor(options.destination, options.package, force=options.force)
    except (VendorError, OSError) as error:
        print(f"vendor.py: {error}", file=sys.stderr)
        return 1
    print(f"{made}: {len(list(made.iterdir()))} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
