"""The command line: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
import zarr

from support.build import LONG, entry, image
from support.http import HttpServer
from virtual_tiff import open_published
from virtual_tiff.cli.main import EXIT_CODES, main

TESTDATA = Path(__file__).parents[2] / "testdata"
SERIES = [str(path) for path in sorted((TESTDATA / "series").glob("*.tif"))]
NO_TIFFS = Path(__file__).parent
"""A directory without a TIFF."""
COG = str(TESTDATA / "special" / "cog.tif")
RGB = str(TESTDATA / "special" / "cog_rgb.tif")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def lines_of(text: str) -> list[str]:
    return text.splitlines()


# --------------------------------------------------------------------------------- all


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    first, *others = lines_of(capsys.readouterr().out)
    assert first == f"virtual-tiff {version('virtual-tiff')}"
    assert {f"{name} {version(name)}" for name in ("zarr", "icechunk", "xarray")} <= {*others}


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "usage: virtual-tiff" in capsys.readouterr().out


def test_entry_point_is_installed() -> None:
    program = Path(sys.executable).with_name("virtual-tiff")
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    assert "info" in done.stdout
    assert "publish" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["explode"],
        ["info"],
        ["info", COG, "--explode"],
        ["completion"],
        ["completion", "cmd.exe"],
        ["info", COG, "--store-option", "region"],
        ["publish", COG],
        ["publish", "--to", "cube"],
    ],
)
def test_wrong_use_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    (line,) = lines_of(capsys.readouterr().err)
    assert line.startswith("virtual-tiff: error: ")
    assert line.endswith(" --help)")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["info", COG, "--store-option", "region=x"], 2, "no source takes the store option"),
        (["info", "foo://x/a.tif"], 2, "foo://x"),
        (["info", COG, "--map", "{tmp}/a.gif"], 2, "ends in .svg, not 'a.gif'"),
        (["info", COG, RGB, "--map", "{tmp}/a.svg"], 2, "one file, not 2"),
        (["info", "/no/such.tif", "--map", "{tmp}/a.svg"], 1, "no such file"),
        (["info", COG, "--map", "{tmp}/no/a.svg"], 1, "a.svg"),
        (["info", "/no/such.tif"], 1, "error: /no/such.tif: no such file"),
        (["info", "/no/such*.tif"], 1, "no file matches"),
        (["info", str(NO_TIFFS)], 1, "no file ends in .tif or .tiff in"),
        (["info", str(TESTDATA / "README.md")], 1, "not a TIFF"),
        (["publish", COG, "--to", "memory://"], 2, "name a path"),
        (["publish", COG, "--to", "ftp://b/c"], 2, "to must be"),
        (["publish", COG, "--to", ""], 2, "icechunk.Storage, not an empty name"),
        (["publish", "", "--to", "{tmp}/cube"], 2, "the name of a source is empty"),
        (["info", ""], 2, "the name of a source is empty"),
        (["publish", COG, "--to", "{tmp}/cube", "--ifd", "x"], 2, "ifd must be"),
        (["publish", COG, "--to", "{tmp}/cube", "--ifd", "9"], 1, "no IFD '9'"),
        (["publish", COG, "--to", "{tmp}/cube", "--ifd-layout", "x"], 2, "'flat', 'nested'"),
        (["publish", COG, "--to", "{tmp}/cube", "--concat", "x,t"], 2, "along t, which"),
        (["publish", "/no/such.tif", "--to", "{tmp}/cube"], 1, "no such file"),
        (["publish", COG, "--to", COG], 1, "exists and is not a directory"),
        (["publish", COG, "--to", str(TESTDATA)], 1, "is not empty"),
    ],
)
def test_error_is_one_line(
    arguments: list[str],
    status: int,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([part.format(tmp=tmp_path) for part in arguments]) == status
    printed = capsys.readouterr()
    (line,) = lines_of(printed.err)
    assert line.startswith("virtual-tiff: error: ")
    assert words in line
    assert printed.out == ""
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--replace-changed"], "--replace-changed needs --append"),
        (["--inline-limit", "4"], "--inline-limit needs --portable"),
        (["--bbox-crs", "EPSG:4326"], "--bbox-crs EPSG:4326 needs --bbox"),
        (["--layout", "group-per-variable"], "--layout group-per-variable needs --concat"),
        (["--bbox", "-9,0,1,2", "--window", "0,0,1,1"], "--window and --bbox exclude each other"),
        (["--bbox", "-9,0,x,2"], "numbers with commas between them, not '-9,0,x,2'"),
        (["--concat", "t", "--time", "(a"], "--time '(a' is not a regular expression"),
        (["--concat", "t", "--values", "(a"], "--values '(a' is not a regular expression"),
        (["--ifd", "x"], "--ifd must be a number from 0 on, or a path"),
        (["--concurrency", "x"], "--concurrency: the value must be a whole number, not 'x'"),
        (["--nodata", "x"], "--nodata: the value must be a number, not 'x'"),
        (["--parallel", "x"], "--parallel: the value must be a number of processes, the address"),
        (["--tiem", "x"], "unrecognized arguments: --tiem x; did you mean --time? (see virtual-"),
        (["--zzz"], "unrecognized arguments: --zzz (see virtual-tiff publish --help)"),
        (["--concat", "n", "--values", "x"], ", and --values 'x' is neither a pattern"),
    ],
)
def test_errors_name_options_of_the_command_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", COG, "--to", str(tmp_path / "cube"), *arguments]) == 2
    (line,) = lines_of(capsys.readouterr().err)
    assert message in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["info", str(NO_TIFFS), "--debug"],
        ["info", "--debug", str(NO_TIFFS)],
        ["--debug", "info", str(NO_TIFFS)],
        ["--debug", "explode"],
        ["explode", "--debug"],
        ["info", "--map", "--debug"],
        ["info", "nowhere.tif", "--debug"],
        ["info", "nowhere.tif", "--map", "m.svg", "--debug"],
    ],
)
def test_debug_shows_where(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) in (1, 2)
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback (most recent call last):")
    assert lines_of(printed)[-1].startswith("virtual-tiff: error: ")


def test_unforeseen_error_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        message = "lost"
        raise LookupError(message)

    monkeypatch.setattr("virtual_tiff.sources.finding.find_files", fail)
    assert main(["info", COG]) == 1
    assert capsys.readouterr().err == "virtual-tiff: error: LookupError: lost\n"


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("virtual_tiff.sources.finding.find_files", interrupt)
    assert main(["info", COG]) == 130


def test_warnings_are_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "odd.tif"
    strips = entry(278, LONG, 0)  # RowsPerStrip
    path.write_bytes(image(np.zeros((4, 4), "u1"), extra_entries=[strips]))
    for _ in range(2):  # and not only once a process
        assert main(["info", str(path)]) == 0
        line, *_ = lines_of(capsys.readouterr().err)
        assert line == (
            f"virtual-tiff: warning: file://{path}: IFD 0: RowsPerStrip is 0;"
            " the image is read as one strip"
        )


# --------------------------------------------------------------------------------- info


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", RGB, COG]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    text = printed.out
    assert f"{RGB}  (II, " in text
    assert text.index(RGB) < text.index(COG)
    row = next(line for line in lines_of(text) if line.startswith(" 1 "))
    columns = [part.strip() for part in row.split("  ") if part.strip()]
    assert columns == [
        "1",
        "overview",
        "30 x 20, 3 bands",
        "uint8",
        "AdobeDeflate",
        "1 tile 128 x 128",
        "1.6 kB",
        "1 x 1 x 1 of 3 x 128 x 128",
    ]
    assert " IFD 0, 1, 2: transpose, bytes, numcodecs.zlib\n" in text
    assert "  read by zarr-python, zarrs, zarrita; not by tensorstore, GDAL\n" in text
    assert "\x1b" not in text


@pytest.mark.long
def test_colours_are_for_terminals_and_no_color_is_obeyed() -> None:
    """In a terminal of the kernel's own: what is under test decides by itself."""
    import pty

    shown = {}
    for setting in ({}, {"NO_COLOR": "1"}):
        ours, theirs = pty.openpty()
        environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        done = subprocess.Popen(
            [sys.executable, "-m", "virtual_tiff", "info", COG],
            stdout=theirs,
            env={**environment, "TERM": "xterm-256color", "COLUMNS": "120", **setting},
        )
        os.close(theirs)
        text = b""
        with suppress(OSError):  # how Linux says that the other end is closed
            while part := os.read(ours, 65536):
                text += part
        os.close(ours)
        assert done.wait(timeout=600) == 0
        shown["NO_COLOR" in setting] = text.decode()
    green = "\x1b[32m"
    assert green in shown[False]
    assert green not in shown[True]
    assert "read by zarr-python" in shown[True]


def test_python_m() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "virtual_tiff", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"virtual-tiff {version('virtual-tiff')}\n")


@pytest.mark.parametrize(
    "command", [[], ["info"], ["publish"], ["verify"], ["move"], ["completion"]]
)
def test_help_says_how_it_ends(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    if not command:
        assert all(f"{code} {meaning}" in text for code, meaning in EXIT_CODES.items())
    assert "2 the command is at fault" in text
    assert ("3 of publish: the new files" in text) == (not command)
    assert ("3 the new files were published" in text) == (command == ["publish"])
    assert ("; a source has changed" in text) == (command == ["verify"])


def test_a_repository_beside_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cube = str(tmp_path / "cube")
    assert main(["publish", COG, "--to", cube, "--quiet"]) == 0
    capfd.readouterr()
    assert main(["info", COG, cube]) == 2
    assert "cube is a published repository: give it alone" in capfd.readouterr().err
    assert main(["verify", cube, "--branch", "x"]) == 2
    assert "the repository has no branch 'x'; it has main" in capfd.readouterr().err


def test_advice_is_shown_and_changes_no_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "strips.tif"
    tifffile.imwrite(path, np.zeros((200, 300), "u1"), compression="zlib", rowsperstrip=1)
    assert main(["info", str(path)]) == 0
    text = capsys.readouterr().out
    assert "tiny-chunks (IFD 0): 200 chunks of 300 bytes" in text
    assert "to solve it: gdal_translate -of COG" in text


def test_unsupported_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "jbig.tif"
    path.write_bytes(image(np.zeros((8, 8), "u1"), compression=34661, encode=bytes))
    assert main(["info", str(path)]) == 0
    assert "unsupported: Compression JBIG (34661)" in capsys.readouterr().out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json", COG, *SERIES]) == 0
    printed = capsys.readouterr()
    files = json.loads(printed.out)
    assert [file["url"] for file in files] == [f"file://{path}" for path in (COG, *SERIES)]
    assert files[0]["directories"][0]["chunk_shape"] == [16, 16]
    assert printed.err == ""


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_good_files_are_shown_beside_bad_ones(
    form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", *form, "/no/such.tif", COG]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("virtual-tiff: error: /no/such.tif: no such file")
    assert "cog.tif" in printed.out


def test_quoted_glob(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json", str(TESTDATA / "series" / "*.tif")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [file["url"] for file in found] == [f"file://{path}" for path in SERIES]


def test_http(http_server: HttpServer, capsys: pytest.CaptureFixture[str]) -> None:
    url = http_server.put("a.tif", Path(COG).read_bytes())
    assert main(["info", url, "--store-option", "timeout=20m"]) == 0
    assert url in capsys.readouterr().out
    assert (http_server.gets, http_server.heads) == (1, 0)


@pytest.mark.long
def test_reader_that_goes_away() -> None:
    """As `virtual-tiff info … | head -1` does."""
    code = f"from virtual_tiff.cli.main import main; import sys; sys.exit(main(['info', {COG!r}]))"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == ""


# --------------------------------------------------------------------------- completion


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (
            ("",),
            {
                *("info", "publish", "export", "remove", "verify", "move", "access", "log"),
                *("expire", "gc", "completion"),
            },
        ),
        (("info", "--j"), {"--json"}),
        (("--debug", "info", "--m"), {"--map"}),
        (("publish", "a.tif", "--to", "cube", "--check", "--conc"), {"--concat", "--concurrency"}),
        (("completion", ""), {"bash", "zsh", "tcsh", "fish"}),
        (("info", ""), {"a.tif"}),
        (("publish", "a.tif", "--to", ""), {"a.tif"}),
    ],
)
def test_bash_completes(
    words: tuple[str, ...], offered: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.tif").touch()
    assert main(["completion", "bash"]) == 0
    script = (
        capsys.readouterr().out
        + f"""
COMP_WORDS=({shlex.join(("virtual-tiff", *words))}); COMP_CWORD={len(words)}; COMPREPLY=()
_shtab_virtual_tiff virtual-tiff {shlex.quote(words[-1])}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    )
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    done = subprocess.run(
        [bash, "--norc"], input=script, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh", "fish"])
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("publish", "replace-changed", "store-option"))


def test_completion_without_shtab_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    assert capsys.readouterr().err == (
        'virtual-tiff: error: completion needs shtab: pip install "virtual-tiff[cli]"\n'
    )


# ------------------------------------------------------------------------------ publish


def test_stdout_is_a_program(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cube = tmp_path / "cube"
    assert main(["publish", *SERIES, "--to", str(cube), "--concat", "time", "--check"]) == 0
    printed = capfd.readouterr()
    assert len(lines_of(printed.out)) == 6
    names: dict[str, Any] = {}
    exec(printed.out, names)
    found = names["ds"]["scene"].values
    for position, path in enumerate(SERIES):
        with rasterio.open(path) as dataset:
            expected = dataset.read(1, masked=True).astype("f4").filled(np.nan)
        np.testing.assert_array_equal(found[position], expected)
    summary = lines_of(printed.err)
    assert summary[2].startswith("time has no coordinates, so it counts the files: --time tag")
    assert summary[0].startswith(f"published 3 files with 12 references to {cube}: main is now ")
    assert summary[1:] == [
        "  scene  uint16 (time: 3, y: 40, x: 60)",
        summary[2],
        "read back: the first and the last chunk of each array",
        "open it with",
    ]


@pytest.mark.long
def test_program_runs_in_a_fresh_process(tmp_path: Path) -> None:
    """The two commands as a user types them."""
    program = Path(sys.executable).with_name("virtual-tiff")
    cube = tmp_path / "cube"
    with (tmp_path / "open.py").open("w") as script:
        subprocess.run(
            [program, "publish", *SERIES, "--to", cube, "--concat", "time", "--quiet"],
            stdout=script,
            check=True,
        )
        script.write("import sys\nprint(ds['scene'].shape, 'virtual_tiff' in sys.modules)\n")
    done = subprocess.run(
        [sys.executable, tmp_path / "open.py"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(3, 40, 60) False\n"


def _tile(path: Path, left: float) -> str:
    """Write a tile of 32 x 32 pixels of one unit, whose bands are stored apart."""
    transform = rasterio.transform.from_origin(left, 32, 1, 1)
    profile = {"driver": "GTiff", "width": 32, "height": 32, "count": 2, "dtype": "uint8"}
    profile |= {"tiled": True, "blockxsize": 16, "blockysize": 16, "interleave": "band"}
    with rasterio.open(path, "w", transform=transform, crs="EPSG:32633", **profile) as dataset:
        dataset.write(np.arange(2048, dtype="u1").reshape(2, 32, 32) + int(left) % 7)
    return str(path)


def test_a_part_of_each_file_is_published_and_files_outside_are_counted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    inside, outside = _tile(tmp_path / "a.tif", -20), _tile(tmp_path / "b.tif", 500)
    command = ["publish", inside, outside, "--to", str(tmp_path / "cube"), "--json"]
    assert main([*command, "--bbox", "-19,17,-10,30", "--bands", "2"]) == 0
    printed = capfd.readouterr()
    result = json.loads(printed.out)
    assert result["outside"] == [outside]
    assert result["files"] == 1
    (array,) = result["arrays"]
    assert array["shape"] == [1, 16, 16]
    assert "left out, because they lie outside of the window or the box: 1 file: " in printed.err
    values = zarr.open_group(open_published(tmp_path / "cube"), mode="r")[array["path"]]
    with rasterio.open(inside) as dataset:
        assert np.array_equal(values[0], dataset.read(2)[:16, :16])


def test_all_files_outside_are_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = _tile(tmp_path / "a.tif", 500)
    assert main(["publish", path, "--to", str(tmp_path / "cube"), "--bbox", "0,0,1,1"]) == 1
    assert "no file has a pixel of the window or the box (1 file" in capfd.readouterr().err
    assert not (tmp_path / "cube").exists()


def test_files_that_are_skipped_have_an_exit_status(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no TIFF")
    command = ["publish", SERIES[0], str(bad), "--to", str(tmp_path / "cube"), "-q"]
    assert main([*command, "--on-error", "skip"]) == 4
    assert "not a TIFF" in capfd.readouterr().err


def test_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", COG, "--to", str(tmp_path / "cube"), "--quiet"]) == 0
    printed = capfd.readouterr()
    assert len(lines_of(printed.out)) == 6
    assert printed.err == ""


def test_groups_branch_and_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["publish", COG, RGB, "--to", str(tmp_path / "cube"), "--branch", "dev"]
    said = ["--message", "a day's work", "--metadata", "ticket=a=7", "--metadata", "who=me"]
    assert main([*command, *said, "--ifd", "0"]) == 0
    printed = capfd.readouterr()
    assert "  cog/0  uint16 (y: 40, x: 60)" in lines_of(printed.err)
    assert "  cog_rgb/0  uint8 (band: 3, y: 40, x: 60)" in lines_of(printed.err)
    names: dict[str, Any] = {}
    exec(printed.out, names)
    (commit, *_) = names["repo"].ancestry(branch="dev")
    assert commit.message == "a day's work"
    assert {"ticket": "a=7", "who": "me"}.items() <= commit.metadata.items()


def test_what_readers_need_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = TESTDATA / "special" / "cog_float_nan_predictor.tif"
    assert main(["publish", str(path), "--to", str(tmp_path / "cube")]) == 0
    assert "readers need, besides icechunk and xarray: imagecodecs-zarr" in capfd.readouterr().err


def test_attributes_left_out_are_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.tif"
    shutil.copy(TESTDATA / "special" / "geo_point.tif", other)
    with rasterio.open(other, "r+") as dataset:
        dataset.transform @= rasterio.Affine.translation(dataset.width, 0)
    files = [str(TESTDATA / "special" / "geo_point.tif"), str(other)]
    assert main(["publish", *files, "--to", str(tmp_path / "cube"), "--concat", "x"]) == 0
    assert "attributes left out because they differ: data: model_tiepoint" in capfd.readouterr().err


def test_no_merge_strips(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = str(TESTDATA / "special" / "strips_of_one_row.tif")
    for option, references in (([], "1"), (["--no-merge-strips"], "21")):
        cube = tmp_path / f"cube{references}"
        assert main(["publish", path, "--to", str(cube), *option]) == 0
        assert f"with {references} reference" in capfd.readouterr().err


def test_files_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cube = tmp_path / "cube"
    assert main(["publish", *SERIES, COG, "--to", str(cube), "--concat", "n", "--ifd", "0"]) == 1
    printed = capsys.readouterr()
    assert lines_of(printed.err) == [
        "virtual-tiff: error: the files cannot be stacked:",
        f"  {COG}: array 0: chunks 16 x 16, the others 32 x 32",
        f"  {COG}: array 0: nodata none, the others 0",
        (
            "Publish them in a group for each kind (--layout group-per-signature), or"
            " each file in a group of its own (without --concat). Or leave out those that differ"
            " from most others (--on-error skip)."
        ),
        f"They would form 2 groups: 3 files as {SERIES[0]}; 1 file as {COG}.",
        "If the strips are uncompressed, --no-merge-strips may help.",
        (
            "--nodata NUMBER gives all files one nodata value; pixels that have another one are"
            " data then."
        ),
    ]
    assert printed.out == ""
    assert not cube.exists()


def test_second_publication_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["publish", COG, "--to", str(tmp_path / "cube")]
    assert main(command) == 0
    capfd.readouterr()
    assert main(command) == 1
    assert "holds a repository" in capfd.readouterr().err


def test_bar_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["publish", *SERIES, "--to", str(tmp_path / "cube")]) == 0
    assert "reading directories" in capsys.readouterr().err
