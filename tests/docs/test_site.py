"""The site is built without a warning, and no page of it is cut off, on a phone or a wide screen.

It needs the extra `docs` (Zensical) and Chromium. VIRTUAL_TIFF_SCREENSHOTS, the path of a folder,
keeps pictures of all pages, at each width, and in the dark theme at the last.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import virtual_tiff
from docs.fenced import PAGES, ROOT
from support.browser import Browser, served

pytestmark = pytest.mark.long

WIDTHS = (390, 1024, 1440)
"""A phone, a tablet, a laptop; in CSS pixels."""

MEASURED = """(() => {
  const cut = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) cut.push("the page");
  const scrolls = element => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  const content = document.querySelector(".md-content");
  for (const part of content.querySelectorAll("pre, table, img")) {
    if (part.getClientRects().length === 0) continue;
    const name = `${part.tagName} ${(part.textContent || part.alt).trim().slice(0, 60)}`;
    let inner = part, reach = part.getBoundingClientRect();
    const code = part.tagName === "PRE" ? part.querySelector("code") ?? part : null;
    if (code && code.scrollWidth > code.clientWidth + 1) {
      if (!scrolls(code)) cut.push(`clipped: ${name}`);
      else if (width >= 1440) cut.push(`scrolls: ${name}`);
    }
    for (let box = part.parentElement; box; box = box.parentElement) {
      if (scrolls(box)) {
        if (width >= 1440 && box.scrollWidth > box.clientWidth + 1) cut.push(`scrolls: ${name}`);
        reach = null;
        break;
      }
    }
    if (reach && reach.right > width + 1) cut.push(`reaches over the edge: ${name}`);
  }
  return cut;
})()"""
"""What of a page is cut off. Narrow screens may scroll a table or code, wide ones need not."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = shutil.which("zensical", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("zensical is not installed: extra docs")
    folder = tmp_path_factory.mktemp("project")
    (folder / "virtual_tiff").symlink_to(ROOT / "virtual_tiff")
    shutil.copytree(ROOT / "docs", folder / "docs")
    for path in [*ROOT.glob("*.md"), ROOT / "mkdocs.yml"]:
        shutil.copy(path, folder)
    done = subprocess.run(
        [program, "build", "--strict", "--clean"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return folder / "site"


def addresses(site: Path) -> list[str]:
    pages = sorted(path.parent.relative_to(site).as_posix() for path in site.rglob("index.html"))
    assert len(pages) > 30
    return ["" if page == "." else f"{page}/" for page in pages]


def test_every_page_is_built_and_can_be_searched(site: Path) -> None:
    expected = {
        re.sub(r"(^|/)index$", "", path.relative_to(ROOT / "docs").with_suffix("").as_posix())
        for path in PAGES[1:]
    }
    assert {page.rstrip("/") for page in addresses(site)} == expected
    index = (site / "search.json").read_text(encoding="utf-8")
    assert '"reference/python/#virtual_tiff.publish"' in index


def test_the_reference_has_signatures_and_docstrings(site: Path) -> None:
    text = (site / "reference" / "python" / "index.html").read_text(encoding="utf-8")
    for name in virtual_tiff.__all__:
        assert name[0] == "_" or f'id="virtual_tiff.{name}"' in text, name


def test_the_site_says_its_version_and_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in addresses(site):
        text = (site / page / "index.html").read_text(encoding="utf-8")
        assert f"virtual_tiff {virtual_tiff.__version__}" in text, page
        loaded = re.findall(r'<(?:script|img|link)[^>]+(?:src|href)="(https?:[^"]+)"', text)
        assert [url for url in loaded if "canonical" not in url] == [], page


SEARCH = """document.querySelector(
    ".md-search__button, [data-md-component=search] button"
).click()"""
RESULTS = """[...document.querySelectorAll("*")].filter(each => each.shadowRoot)
    .flatMap(each => [...each.shadowRoot.querySelectorAll("a")].map(link => link.href))"""


def test_the_search_finds_a_section(site: Path) -> None:
    async def results() -> list[str]:
        with served(site) as url:
            async with Browser(WIDTHS[-1], 900) as browser:
                await browser.open(url)
                await browser.value(SEARCH)
                await browser.wait("[...document.querySelectorAll('*')].some(e => e.shadowRoot)")
                await browser.enter("rectilinear")
                await browser.wait(f"{RESULTS}.length > 0")
                found: list[str] = await browser.value(RESULTS)
                return found

    found = asyncio.run(results())
    assert any("/publishing/" in url and url.endswith("#tiles") for url in found), found


def test_nothing_is_cut_off(site: Path) -> None:
    assert asyncio.run(_cut(site)) == {}


WRAPPED = """[...document.querySelectorAll(".md-content table:not([class])")]
    .every(table => table.closest(".md-typeset__scrollwrap"))"""
"""Whether the site's script has put each table into a box that scrolls."""


async def _cut(site: Path) -> dict[str, Any]:
    """Return what is cut off, by page and width."""
    cut: dict[str, Any] = {}
    folder = os.environ.get("VIRTUAL_TIFF_SCREENSHOTS")
    with served(site) as url:
        async with Browser(WIDTHS[0], 900) as browser:
            for page in addresses(site):
                name = page.strip("/").replace("/", "-") or "home"
                await browser.open(f"{url}{page}")
                await browser.wait(WRAPPED)
                for width in WIDTHS:
                    await browser.resize(width, 900)
                    if parts := await browser.value(MEASURED):
                        cut[f"{page} at {width}"] = parts
                    if folder:
                        await browser.screenshot(Path(folder) / f"{name}-{width}.png")
                if folder:
                    await browser.value("document.body.dataset.mdColorScheme = 'slate'")
                    await browser.screenshot(Path(folder) / f"{name}-dark.png")
    return cut
