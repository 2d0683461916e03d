"""Errors in the words of the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from virtual_tiff.cli.main import main, make_parser
from virtual_tiff.cli.words import in_options, options_of
from virtual_tiff.publishing.finding.lookups import time_lookup
from virtual_tiff.sources.locations import Stores
from virtual_tiff.sources.urls import about_file

OPTIONS = options_of(make_parser())

OF_A_FILE = {
    "leave it out (on_error='skip')": "leave it out (--on-error skip)",
    "(group=PATTERN, or layout='group per file')": "(--group PATTERN, or --layout group-per-file)",
    "append=True adds to it": "--append adds to it",
    "overviews=False leaves them out": "--no-overviews leaves them out",
    "merge_strips=False may help": "--no-merge-strips may help",
    "a group of its own (concat=None).": "a group of its own (without --concat).",
    "say that you want none (cache=False)": "say that you want none (--no-cache)",
    "ifd=0 takes the first": "--ifd 0 takes the first",
    "bands=['red', 'nir'] cannot": "--bands red,nir cannot",
    "window=(0, 0, 512, 512) would fit": "--window 0,0,512,512 would fit",
    "per_scene=['gcps', 'rpcs'].": "--per-scene gcps,rpcs.",
    "is allowed by snap (--snap)": "is allowed by --snap",
    "values={'time': …} (--values time=…)": "--values time=…",
    # no options: names of files, settings of codecs, Python that the user runs later
    "time=2023.tif: not a TIFF": "time=2023.tif: not a TIFF",
    "a/time=20230101/b.tif: not a TIFF": "a/time=20230101/b.tif: not a TIFF",
    "codecs transpose(order=[1, 2, 0])": "codecs transpose(order=[1, 2, 0])",
    "select afterwards: .isel(band=[2, 3])": "select afterwards: .isel(band=[2, 3])",
    "no time at this order": "no time at this order",
}
"""By what Python says: what the command line says."""


@pytest.mark.parametrize("python", OF_A_FILE)
def test_options_in_errors_of_files(python: str) -> None:
    assert in_options(python, OPTIONS, wrong_use=False) == OF_A_FILE[python]


def test_check_is_a_verb() -> None:
    text = "no file is below the container s3://b/; check its name"
    assert in_options(text, OPTIONS, wrong_use=True) == text


def test_a_pattern_is_shown_as_it_was_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.tif").write_bytes(b"II")
    arguments = ["publish", str(tmp_path), "--to", str(tmp_path / "r"), "--concat", "time"]
    for pattern, words in ((r"(\d{8})", "is not found"), (r"(\d{8}", "is not a regular")):
        assert main([*arguments, "--time", pattern]) == 2
        printed = capsys.readouterr().err
        assert f"--time '{pattern}' {words}" in printed
    assert main([*arguments, "--time", r"(\d{8})"]) == 2
    assert r"; '(\d{4}-?\d\d-?\d\d)' finds dates with or without dashes)" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a_20230111.tif", "a_2023-01-11.tif"])
def test_the_pattern_that_is_proposed_finds_both_forms_of_dates(name: str) -> None:
    lookup = time_lookup(r"(\d{4}-?\d\d-?\d\d)")
    location = Stores({}).locate(name)
    assert lookup.value(location, None) == datetime(2023, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize("command", ["publish", "info"])
def test_a_file_that_was_left_out_is_named_once(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [tmp_path / "a b.tif", tmp_path / "ö.tif"]
    for path in bad:
        path.write_bytes(b"no TIFF at all")
    to = ["--to", str(tmp_path / "r")] if command == "publish" else []
    assert main([command, *map(str, bad), *to]) == 1
    printed = capsys.readouterr().err
    for path in bad:
        assert printed.count(path.name) + printed.count(path.as_uri()) == 1


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.tif", "bad [offset 0, file:///in/a.tif]", "a.tif: bad [offset 0]"),
        ("a.tif", "bad [file:///in/a.tif]", "a.tif: bad"),
        ("ö 1.tif", "bad [file:///in/%C3%B6%201.tif]", "ö 1.tif: bad"),
        ("a.tif", "file:///in/a.tif: gone", "a.tif: gone"),
        ("a.vrt", "bad [s3://in/a.tif]", "a.vrt: bad [s3://in/a.tif]"),
        ("a.tif", "bad", "a.tif: bad"),
    ],
)
def test_the_url_is_left_out_where_the_name_says_it(name: str, text: str, line: str) -> None:
    assert about_file(name, text) == line


def test_a_table_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.tif").write_bytes(b"II")
    arguments = ["publish", str(tmp_path), "--to", str(tmp_path / "r"), "--concat", "n"]
    assert main([*arguments, "--values", "no.csv"]) == 1
    assert "error: no.csv: no such file or directory" in capsys.readouterr().err
