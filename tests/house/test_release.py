"""What is released says of itself what is true; scripts/check_release.py tries the files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

import virtual_tiff
from support.scripts import load_script
from virtual_tiff.codec_table.rows import descriptions

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_the_version_is_that_of_the_project() -> None:
    assert virtual_tiff.__version__ == PROJECT["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", PROJECT["version"])


def test_importing_the_package_does_not_look_for_the_version() -> None:
    script = "import sys, virtual_tiff; print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"


def test_the_version_stands_in_one_place() -> None:
    version = re.escape(PROJECT["version"])
    found = [
        path
        for path in (ROOT / "virtual_tiff").rglob("*.py")
        if re.search(version, path.read_text())
    ]
    assert not found


def test_every_dependency_has_a_lowest_version() -> None:
    extras = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *extras["icechunk"], *extras["geo"], *extras["cli"]]
    assert [name for name in needed if ">=" not in name] == []


def test_the_urls_are_those_that_users_look_for() -> None:
    assert set(PROJECT["urls"]) == {"Documentation", "Source", "Changelog", "Issues"}
    assert all(url.startswith(PROJECT["urls"]["Source"]) for url in PROJECT["urls"].values())


def test_every_entry_point_is_installed_and_loads() -> None:
    group = "zarr.codecs"
    assert list(PROJECT["entry-points"]) == [group]
    named = PROJECT["entry-points"][group]
    ours = {
        point.name: point
        for point in entry_points(group=group)
        if point.dist is not None and point.dist.name == "virtual-tiff"
    }
    assert {name: point.value for name, point in ours.items()} == named
    assert all(isinstance(point.load(), type) for point in ours.values())
    described = {each.name: each.implementation for each in descriptions() if each.implementation}
    others = {name for name, value in named.items() if "compat_050" in value}
    assert {name: named[name] for name in set(named) - others - {"virtual_tiff.guard"}} == described
    assert all(each.specification for each in descriptions() if each.implementation)


def test_the_changelog_is_kept() -> None:
    """The form of keepachangelog.com: versions, newest first, and six kinds of change."""
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    assert versions[0] == "## [Unreleased]"
    dated = re.compile(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}")
    assert [line for line in versions[1:] if not dated.fullmatch(line)] == []
    kinds = {line.removeprefix("### ") for line in lines if line.startswith("### ")}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_sound_and_runs_what_is_there(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow[True]  # YAML 1.1 reads the key "on" so
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert set(job.get("needs", "").split()) <= set(workflow["jobs"])
    assert all(("run" in step) != ("uses" in step) for step in steps)
    assert all(re.fullmatch(r"[\w./-]+@[\w./-]+", step["uses"]) for step in steps if "uses" in step)
    programs = " ".join(step["run"] for step in steps if "run" in step)
    named = re.findall(r"(?<!\S)(?:\.ci|scripts|tests|fuzz)/[\w./-]+", programs)
    assert ".ci/run" in named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_both_workflows_are_there() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "release.yml"]


def test_ci_tries_every_python_that_the_project_names() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    tried = workflow["jobs"]["run"]["strategy"]["matrix"]["python"]
    prefix = "Programming Language :: Python :: 3."
    named = [f"3.{text.removeprefix(prefix)}" for text in PROJECT["classifiers"] if prefix in text]
    assert set(named) <= set(tried)
    assert PROJECT["requires-python"] == f">={min(tried)}"


def test_what_ci_runs_exists_and_is_bash() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text(encoding="utf-8")
    named = re.findall(r"(?<!\S)(?:scripts|tests|fuzz|benchmarks)/[\w./-]+", text)
    assert "scripts/check_release.py" in named
    assert [name for name in named if not (ROOT / name).exists()] == []


GOOD = {
    "virtual_tiff/py.typed": b"",
    "virtual_tiff/tiff/__init__.py": b"",
    "virtual_tiff-1.dist-info/licenses/LICENSE": b"MIT",
}
BAD: dict[str, tuple[dict[str, bytes], str]] = {
    "no types": ({"virtual_tiff/py.typed": b""}, "missing: virtual_tiff/py.typed"),
    "no licence": ({"virtual_tiff-1.dist-info/licenses/LICENSE": b""}, "no licence"),
    "tests": ({"tests/test_a.py": b""}, "more than the package: tests"),
    "data": ({"testdata/a.tif": b""}, "more than the package: testdata"),
    "a path": ({"virtual_tiff/a.py": f"'{ROOT}/a'".encode()}, "is named in virtual_tiff/a.py"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wheel_that_is_not_right_is_found(name: str) -> None:
    script = load_script("check_release")
    script.check_wheel(GOOD)
    change, message = BAD[name]
    lost = name.startswith("no ")
    files = (
        {key: data for key, data in GOOD.items() if key not in change} if lost else GOOD | change
    )
    with pytest.raises(script.ReleaseError, match=message):
        script.check_wheel(files)


def test_the_commands_of_readme_need_no_variable() -> None:
    """uv takes the first line; pyenv finds `python3`, and uv itself, in the first that has it."""
    versions = (ROOT / ".python-version").read_text(encoding="utf-8").split()
    assert f"Programming Language :: Python :: {versions[0]}" in PROJECT["classifiers"]
    assert "UV_PYTHON" not in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_site_has_the_version_of_the_project() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"^(?:site_name|copyright): virtual_tiff ([^\s,]+)", text, re.MULTILINE)
    assert named == [PROJECT["version"]] * 2
