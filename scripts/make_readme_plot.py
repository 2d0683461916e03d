"""Plot docs/images/cube.png, the picture of README.md: a cube that `publish` makes of twelve COGs.

usage: uv run --extra test python scripts/make_readme_plot.py

The scenes are made: fields whose crops green and ripen, a forest and a river, a month apart. They
are written as COGs, published, and all that is plotted is read from the cube.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from rasterio.transform import from_origin

import virtual_tiff

plt.switch_backend("Agg")

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "cube.png"
SIZE = 512
PIXELS = [
    (501_205, 4_999_105, "#7a4"), (504_505, 4_996_005, "#264"), (503_505, 4_997_505, "#c83"),
]  # fmt: skip
"""Whose years are plotted: x, y, colour."""
DATES = [f"2025-{month:02d}-15" for month in range(1, 13)]


def hills(random: np.random.Generator) -> NDArray[Any]:
    """Return noise with the spectrum of a landscape, from 0 to 1."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.rfftfreq(SIZE), indexing="ij"))
    frequency[0, 0] = 1
    phases = np.exp(2j * np.pi * random.random(frequency.shape))
    heights = np.fft.irfft2(phases / frequency**1.8, s=(SIZE, SIZE))
    return (heights - heights.min()) / np.ptp(heights)


def scenes() -> NDArray[Any]:
    """Return the vegetation index of each month, in ten thousandths: (time, y, x)."""
    random = np.random.default_rng(4)
    height = hills(random)
    y, x = np.mgrid[:SIZE, :SIZE]
    # fields: the nearest of 160 points, in a metric that makes them long
    points = random.random((160, 2)) * SIZE
    stretch = np.array([1.0, 1.7])
    distances = [((y - a) * stretch[0]) ** 2 + ((x - b) * stretch[1]) ** 2 for a, b in points]
    field = np.argmin(distances, axis=0)
    peak = random.uniform(4.5, 8.5, 160)[field]
    length = random.uniform(0.9, 1.8, 160)[field]
    forest = height > np.quantile(height, 0.72)
    river = np.abs(x - 150 - 260 * height - 40 * np.sin(y / 60)) < 7
    texture = hills(random)
    months = []
    for month in range(1, 13):
        crop = 0.15 + 0.7 * np.exp(-(((month - peak) / length) ** 2)) + 0.08 * texture
        trees = 0.42 + 0.38 * np.exp(-(((month - 7) / 3) ** 2)) + 0.1 * texture
        index = np.where(forest, trees, crop)
        months.append(np.where(river, -0.15, index) * 10_000)
    return np.asarray(months).astype("i2")


def archive(folder: Path) -> None:
    """Write the scenes as COGs."""
    for date, pixels in zip(DATES, scenes(), strict=True):
        options = {"dtype": "int16", "count": 1, "height": SIZE, "width": SIZE, "crs": "EPSG:32633"}
        place = from_origin(500_000, 5_000_000, 10, 10)
        with rasterio.open(
            folder / f"ndvi_{date}.tif", "w", driver="COG", transform=place,
            compress="deflate", predictor=2, blocksize=128, nodata=-32768, **options,
        ) as file:  # fmt: skip
            file.write(pixels, 1)
            file.scales = [0.0001]


def plot(ds: xr.Dataset) -> Any:  # noqa: ANN401 (a figure of matplotlib, which has no types)
    """Plot six months as maps, and the year of three pixels."""
    figure, axes = plt.subplots(
        2, 4, figsize=(10, 4), layout="constrained", width_ratios=[1, 1, 1, 1.35]
    )
    ndvi = ds["ndvi"]
    for ax, month in zip(axes[:, :3].flat, (1, 4, 5, 7, 8, 10), strict=True):
        scene = ndvi.isel(time=month - 1)
        drawn = ax.imshow(scene, cmap="RdYlGn", vmin=-0.2, vmax=0.9, interpolation="nearest")
        ax.set(title=str(scene.time.values)[:10], xticks=[], yticks=[])
    figure.colorbar(drawn, ax=axes[:, :3], location="left", label="NDVI", aspect=40)
    for ax in axes[:, 3]:
        ax.remove()
    ax = figure.add_subplot(axes[0, 3].get_gridspec()[:, 3])
    for x, y, colour in PIXELS:
        series = ndvi.sel(x=x, y=y, method="nearest")
        ax.plot(
            series.time, series, marker="o", markersize=3, color=colour, label=f"({x:,}, {y:,})"
        )
    ax.set(title="ds.ndvi.sel(x=…, y=…)", ylim=(-0.25, 1))
    ax.tick_params(axis="x", rotation=45)
    ax.legend(loc="lower center", frameon=False)
    return figure


def draw(picture: Path) -> None:
    """Make the archive, the cube and the picture."""
    with tempfile.TemporaryDirectory() as folder:
        archive(Path(folder))
        virtual_tiff.publish(
            f"{folder}/*.tif",
            f"{folder}/cube",
            concat="time",
            time=r"(?P<time>\d{4}-\d{2}-\d{2})",
            variable_name="ndvi",
        )
        cube = xr.open_zarr(virtual_tiff.open_published(f"{folder}/cube"))
        with plt.rc_context({"font.size": 8}):
            plot(cube).savefig(picture, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    draw(PICTURE)
