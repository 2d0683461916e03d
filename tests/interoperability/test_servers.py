"""Cubes behind servers that others make, by the lines of the page: Zarr over HTTP, and tiles."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from obstore.store import HTTPStore
from PIL import Image

from docs.fenced import blocks_of
from interoperability.test_maps import COGS, DAYS, PICTURES, cog
from virtual_tiff.publishing import Published, publish

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "browsers.md"


def block(word: str) -> str:
    """Return the one block of the page that has a word."""
    (text,) = [each.text for each in blocks_of(PAGE) if word in each.text and each.not_run]
    return text


def published(
    folder: Path, cog_options: dict[str, Any] = COGS["lzw"], **options: Any
) -> tuple[Published, list[Path]]:
    """Publish three COGs as `cube`, with the names of the page."""
    paths = [folder / f"{day}.tif" for day in DAYS]
    for number, path in enumerate(paths):
        cog(path, number, **cog_options)
    time = r"(?P<time>\d{4}-\d\d-\d\d)"
    options |= {"concat": "time", "time": time, "ifd_layout": "pyramid"}
    return publish(paths, folder / "cube", **options), paths


@contextmanager
def running(command: Sequence[str], folder: Path, port: int) -> Iterator[str]:
    """Run a server until the context ends."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            while process.poll() is None:
                try:
                    urllib.request.urlopen(url).close()
                except urllib.error.HTTPError:
                    break
                except OSError:
                    time.sleep(0.1)
                else:
                    break
            assert process.poll() is None, (folder / "log").read_text()
            yield url
        finally:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def test_a_cube_over_plain_http(tmp_path: Path) -> None:
    pytest.importorskip("zarr_http_server")
    _, paths = published(tmp_path)
    port = free_port()
    command = shlex.split(block("zarr_http_server").replace("8000", str(port)))
    with running([sys.executable, *command[1:]], tmp_path, port) as url:
        store: Any = HTTPStore(url, client_options={"allow_http": True})
        store = zarr.storage.ObjectStore(store, read_only=True)
        with xr.open_zarr(store, group="0", chunks=None) as ds:
            assert ds["image"].dims == ("time", "y", "x")
            for day, path in zip(DAYS, paths, strict=True):
                with xr.open_dataset(path, engine="rasterio") as expected:
                    values = expected["band_data"].values[0]
                np.testing.assert_array_equal(ds["image"].sel(time=day).values, values)
        asked = urllib.request.Request(
            f"{url}/zarr.json", headers={"Origin": "https://example.com"}
        )
        with urllib.request.urlopen(asked) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        put = urllib.request.Request(f"{url}/zarr.json", data=b"{}", method="PUT")
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(put)


def test_a_cube_without_the_codecs_of_its_files(tmp_path: Path) -> None:
    pytest.importorskip("xpublish_zarr")
    _, paths = published(tmp_path, COGS["jpeg"])
    port = free_port()
    command = shlex.split(block("xpublish").replace("9000", str(port)))
    with running([sys.executable, *command[1:]], tmp_path, port) as url:
        store = HTTPStore(f"{url}/zarr", client_options={"allow_http": True})
        group = zarr.open_group(zarr.storage.ObjectStore(store, read_only=True), mode="r")
        array: Any = group["image"]
        assert {codec.to_dict()["name"] for codec in array.metadata.codecs} == {"bytes", "zstd"}
        with rasterio.open(paths[1]) as file:
            np.testing.assert_array_equal(array[1], file.read())


@pytest.mark.parametrize("portable", [False, True])
def test_rio_tiler_reads_what_it_reads_of_the_files(
    portable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rio_tiler")
    from rio_tiler.io.rasterio import Reader
    from rio_tiler.io.xarray import XarrayReader

    monkeypatch.chdir(tmp_path)
    colours = {"count": 3, "dtype": "uint8", "compress": "zstd" if portable else "lzw"}
    done, paths = published(tmp_path, colours, portable=portable)
    names: dict[str, Any] = {}
    exec(done.how_to_open, names)
    with (
        XarrayReader(names["tree"]["0/image"].sel(time=DAYS[1])) as cube,
        Reader(str(paths[1])) as file,
    ):
        assert cube.bounds == tuple(file.bounds)
        tile = file.tms.tile(10.42, 48.69, 12)
        shown, expected = cube.tile(*tile), file.tile(*tile)
        assert shown.data.shape == (3, 256, 256)
        inside = (expected.mask > 0) & (shown.mask > 0)
        assert inside.mean() > 0.2
        difference = np.abs(shown.data.astype(int) - expected.data)[:, inside]
        assert np.quantile(difference, 0.99) <= 16  # GDAL took an overview, resampled otherwise
        assert difference.mean() < 3


def test_the_lines_for_rio_tiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rio_tiler")
    published(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(block("XarrayReader"), names)
    with Image.open(BytesIO(names["picture"])) as picture:
        assert picture.size == (256, 256)


def test_tiles_by_titiler(tmp_path: Path) -> None:
    pytest.importorskip("titiler.xarray")
    pytest.importorskip("uvicorn")
    from rio_tiler.io.rasterio import Reader

    _, paths = published(tmp_path)
    (tmp_path / "tiles.py").write_text(block("TilerFactory"))
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tiles:app", "--port", str(port)]
    with running(command, tmp_path, port) as url:
        query = "url=cube&group=0&variable=image&sel=time=2024-05-11&rescale=0,4000"
        path = "tiles/WebMercatorQuad/12/2166/1412.png"
        with urllib.request.urlopen(f"{url}/{path}?{query}") as answer:
            picture = answer.read()
    if PICTURES:
        Path(PICTURES, "titiler.png").write_bytes(picture)
    with Image.open(BytesIO(picture)) as image, Reader(str(paths[1])) as file:
        expected = file.tile(2166, 1412, 12)
        grey = np.asarray(image.convert("LA"))[..., 0].astype(int)
        shown = np.clip(expected.data[0] / 4000 * 255, 0, 255)
    inside = expected.mask > 0
    assert inside.mean() > 0.2
    assert np.abs(grey - shown)[inside].mean() < 3
