"""Every fenced block of README.md and docs/ runs; those that cannot say why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import zarr

from docs.fenced import PAGES, ROOT, Block, blocks_of, maker_of, name_of
from docs.running import DATA, SHELL, SHOWN, Page, compare, prepare
from support.registries import restored_registries
from support.s3 import S3, SETTINGS
from virtual_tiff.interoperability.tuning import _active

REASONS = {
    "installs packages": 4,
    "needs the network": 2,
    "needs a cloud account": 2,
    "takes minutes": 4,
    "the form of a command": 2,
}
"""Why a block may stay as it is, and how many of all pages may say so. A block may also be
`run by PATH`, where PATH is that of a test or of `.ci/run`."""

SCENES = sorted((ROOT / "testdata" / "series").glob("*.tif"))
QUICK_START = (
    "sentinel-2-c1-l2a/10/T/FR/2023/12/S2B_T10TFR_20231223T190950_L2A/B04.tif",
    ROOT / "testdata" / "special" / "cog.tif",
)
LANDSAT = "collection02/level-2/standard/oli-tirs/2023/044/034"
LANDSAT_SCENES = [
    "LC08_L2SP_044034_20230714_20230724_02_T1",
    "LC08_L2SP_044034_20230730_20230805_02_T1",
]
OBJECTS: dict[str, dict[str, Path]] = {
    "e84-earth-search-sentinel-data": dict([QUICK_START]),
    "archive": {f"2023/202301{day}1T101500.tif": path for day, path in enumerate(SCENES)},
    "my-bucket": {"readme.txt": ROOT / "LICENSE"},
    "sentinel-cogs": {
        f"sentinel-s2-l2a-cogs/10/T/FR/2023/7/S2A_10TFR_202307{day}_0_L2A/{band}.tif": path
        for day, path in zip(("03", "13", "23"), SCENES, strict=True)
        for band in ("B02", "B04", "B08")
    },
    "usgs-landsat": {
        f"{LANDSAT}/{name}/{name}_SR_B{band}.TIF": path
        for name, path in zip(LANDSAT_SCENES, SCENES, strict=False)
        for band in (4, 5)
    },
}
"""What pages find in S3, which is moto's on loopback: objects of buckets, readable for all."""


@pytest.fixture(params=PAGES, ids=name_of)
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture(scope="session")
def buckets(s3: S3) -> S3:
    for bucket, objects in OBJECTS.items():
        place = s3.with_bucket(bucket)
        for key, path in objects.items():
            place.make_public(place.upload(path, key))
    return s3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader stands: beside `testdata/`, with a cache of their own."""
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.setenv("ICECHUNK_LOG", "error")
    return tmp_path


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """Set zarr's settings back: a page may change them for the rest of its reader's process."""
    before = deepcopy(zarr.config.config)
    with restored_registries():
        yield
    for tuning in list(_active):
        tuning.undo()
    zarr.config.config.clear()
    zarr.config.config.update(before)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_the_blocks_run(
    page: Path, folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.parent.name == "gallery":
        return  # test_gallery.py runs it, and compares its picture
    blocks = blocks_of(page)
    if any("s3://" in block.text for block in blocks if block.not_run is None):
        s3: S3 = request.getfixturevalue("buckets")
        environment = {f"AWS_{name.upper()}": value for name, value in SETTINGS.items()}
        environment |= {"AWS_ENDPOINT_URL": s3.endpoint, "AWS_ALLOW_HTTP": "true"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
    running = Page(name_of(page), made=maker_of(page) is not None)
    for block in blocks:
        try:
            running.run(block)
        except BaseException as error:
            error.add_note(f"{name_of(page)}, line {block.line}:\n{block.text}")
            raise


def test_a_block_that_is_not_run_says_why(page: Path) -> None:
    known = {"python", "text", *SHELL, *DATA, *(SHOWN if maker_of(page) else ())}
    for block in blocks_of(page):
        reason = block.not_run
        if reason is not None and (path := reason.removeprefix("run by ")) != reason:
            assert (ROOT / path).is_file(), reason
        elif reason is not None:
            assert reason in REASONS, f"{name_of(page)}, line {block.line}: {reason}"
        else:
            assert block.language in known, (
                f"{name_of(page)}, line {block.line}: the language {block.language!r}"
            )


def test_a_file_that_is_written_is_used(page: Path) -> None:
    blocks = blocks_of(page)
    for number, block in enumerate(blocks):
        if "file" in block.remarks:
            later = "\n".join(other.text for other in blocks[number + 1 :])
            assert Path(block.remarks["file"]).stem in later


def test_the_codec_of_the_example_is_short() -> None:
    page = ROOT / "docs" / "how-to" / "add-a-codec.md"
    (example,) = (
        block for block in blocks_of(page) if block.remarks.get("file") == "bzip2_tiff.py"
    )
    assert len([line for line in example.text.splitlines() if line]) < 20


@pytest.mark.parametrize("reason", REASONS)
def test_few_blocks_are_not_run(reason: str) -> None:
    found = [
        f"{name_of(page)}, line {block.line}"
        for page in PAGES
        for block in blocks_of(page)
        if block.not_run == reason
    ]
    assert len(found) <= REASONS[reason], found


REPOSITORY = re.compile(
    r"https://(?:github\.com/virtual-zarr/virtual-tiff/blob|"
    r"raw\.githubusercontent\.com/virtual-zarr/virtual-tiff)/main/([^)#\s]+)"
)
"""Absolute links to files of the repository, as pages have that are shown elsewhere, too."""


def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"(?s)```.*?```", "", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [path for path in REPOSITORY.findall(text) if not (ROOT / path).exists()]
    assert missing == []


def test_the_links_of_readme_work_on_pypi() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((?!https://|#)[^)]+\)", text) == []


def test_what_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"\b(?:tests|scripts|benchmarks)/[\w/]+\.py", text)
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_architecture_names_every_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    modules = {path.name for path in (ROOT / "virtual_tiff").glob("[a-z]*.py")}
    packages = {f"{path.parent.name}/" for path in (ROOT / "virtual_tiff").glob("*/__init__.py")}
    assert {name for name in modules | packages if name not in text} == set()


# ---- the runner itself


def ran(*blocks: Block) -> Page:
    page = Page("a page")
    for block in blocks:
        page.run(block)
    return page


def block(language: str, text: str, **remarks: str) -> Block:
    return Block(line=1, language=language, text=text, remarks=remarks)


def test_what_a_page_shows_is_compared() -> None:
    ran(block("python", "print('a  b', 3)"), block("text", "a b …"))
    with pytest.raises(AssertionError, match="this was printed"):
        ran(block("python", "print(1)"), block("text", "2"))
    with pytest.raises(AssertionError, match="no block before"):
        ran(block("text", "2"))
    with pytest.raises(AssertionError):
        compare("ab\ncd", "a…b")


def test_python_blocks_share_their_names_and_may_await() -> None:
    shown = block("python", "import asyncio\nawait asyncio.sleep(0)\nb = a + 1")
    assert ran(block("python", "a = 1"), shown).names["b"] == 2


def test_commands_run_in_a_shell(folder: Path) -> None:
    ran(block("bash", "echo a > b.txt  # a comment\ncat \\\n  b.txt"), block("text", "a"))
    ran(block("console", "$ virtual-tiff --version\nvirtual-tiff …\n$ echo 'a  b'\na b\n"))
    with pytest.raises(AssertionError, match="exit status 1"):
        ran(block("bash", "virtual-tiff info testdata/series/none*.tif"))
    ran(block("bash", "false", exit="1"))


def test_what_is_unknown_is_not_passed_over() -> None:
    with pytest.raises(AssertionError, match="not run, and not marked so"):
        ran(block("javascript", "1"))
