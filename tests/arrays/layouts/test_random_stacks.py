"""Random files of OME, ImageJ and tifffile's own kind, compared with tifffile's series.

`VIRTUAL_TIFF_STACKS=1500` tries as many; the suite tries few.
"""

from __future__ import annotations

import io
import os
import random
import warnings
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from support.pixels import virtual

COUNT = int(os.environ.get("VIRTUAL_TIFF_STACKS", "24"))
KINDS = ("ome", "imagej", "shaped")
UNITS = {"nm": "nanometer", "µm": "micrometer", "mm": "millimeter"}


def random_file(rng: random.Random, kind: str) -> tuple[bytes, dict[str, Any]]:
    """Return a file of a kind, and what its metadata say."""
    axes = "TZC" if kind == "imagej" else "".join(rng.sample("TCZ", 3))
    axes = "".join(axis for axis in axes if rng.random() < 0.7)
    shape = [rng.randint(1, 4) for _ in axes]
    rgb = rng.random() < 0.25
    height, width = rng.choice([(16, 32), (33, 40), (20, 17)])
    dtype = rng.choice(["u1"] if rgb and kind == "imagej" else ["u1", "u2", "f4"])
    values = np.arange(np.prod([*shape, height, width, 3 if rgb else 1]))
    array = (values % 251).astype(dtype).reshape([*shape, height, width] + [3] * rgb)
    stated: dict[str, Any] = {"axes": f"{axes}YX{'S' * rgb}"}
    options: dict[str, Any] = {
        "photometric": "rgb" if rgb else "minisblack",
        "byteorder": rng.choice("<>"),
        "compression": rng.choice([None, "zlib", "lzw"]),
    }
    if kind != "imagej" and rng.random() < 0.4:
        options["tile"] = (16, 16)
    elif rng.random() < 0.5:
        options["rowsperstrip"] = rng.choice([1, 5, 16])
    if kind == "imagej":
        options["imagej"] = True
        stated |= {"spacing": 2.5, "unit": "um", "finterval": 0.5}
    if kind == "ome":
        options |= {"ome": True, "bigtiff": rng.random() < 0.3}
        stated["Name"] = f"image {rng.randint(0, 9)}"
        for axis in "XYZ":
            if rng.random() < 0.6:
                stated[f"PhysicalSize{axis}"] = round(rng.uniform(0.1, 9), 3)
                stated[f"PhysicalSize{axis}Unit"] = rng.choice(list(UNITS))
        channels = dict(zip(axes, shape, strict=True)).get("C", 1)
        if rng.random() < 0.5:
            names = [f"channel {n}" for n in range(channels)]
            stated["Channel"] = {"Name": names if channels > 1 else names[0]}
    if kind == "shaped" and rng.random() < 0.3:
        del stated["axes"]
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=stated, **options)
    return file.getvalue(), stated


def check(data: bytes, stated: dict[str, Any], kind: str) -> None:
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        series = tiff.series[0]
        shape, names = series.shape, series.axes.lower()
        pixels = series.asarray()
    group = zarr.open_group(virtual(data, ifd_layout="stack"), mode="r", zarr_format=3)
    array: Any = group["image"]
    ours = list(array.metadata.dimension_names)
    if kind == "shaped" and "axes" not in stated:  # numbers of pages that nothing names
        pages = int(np.prod([n for n, name in zip(shape, names, strict=True) if name not in "yxs"]))
        assert array.size == pixels.size
        assert pages == 1 or "page" in ours
        np.testing.assert_array_equal(np.sort(array[:].ravel()), np.sort(pixels.ravel()))
        return
    # OME's samples are channels: tifffile calls them S, beside C of length 1
    kept = [n for n, name in enumerate(names) if shape[n] > 1 or name in "yx"]
    theirs = [names[n] for n in kept]
    pixels = pixels.reshape([shape[n] for n in kept])
    if kind == "ome" and "s" in theirs:
        if "c" in theirs:  # planes of samples go on counting the channels
            pixels = np.moveaxis(pixels, theirs.index("s"), theirs.index("c") + 1)
            at = theirs.index("c")
            pixels = pixels.reshape(*pixels.shape[:at], -1, *pixels.shape[at + 2 :])
            theirs.remove("s")
        else:
            theirs[theirs.index("s")] = "c"
    if kind == "imagej" and "s" in theirs and "s" not in ours:
        theirs[theirs.index("s")] = "c"
    if len(theirs) == 3 and "s" in theirs and "band" in ours:  # one image, as any other
        theirs[theirs.index("s")] = "band"
    assert sorted(ours) == sorted(theirs)
    np.testing.assert_array_equal(array[:], pixels.transpose([theirs.index(n) for n in ours]))
    if kind != "ome":
        return
    (multiscale,) = group.attrs["ome"]["multiscales"]
    assert multiscale["name"] == stated["Name"]
    scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
    for axis, step in zip(multiscale["axes"], scale, strict=True):
        key = f"PhysicalSize{axis['name'].upper()}"
        assert step == stated.get(key, 1.0)
        if key in stated:
            assert axis["unit"] == UNITS[stated[f"{key}Unit"]]
    channels = stated.get("Channel", {}).get("Name")
    if isinstance(channels, list) and "s" not in names:
        assert group["c"][:].tolist() == channels


@pytest.mark.parametrize("kind", KINDS)
def test_random_stacks_are_what_tifffile_reads(kind: str) -> None:
    for seed in range(COUNT // len(KINDS)):
        data, stated = random_file(random.Random(f"{kind} {seed}"), kind)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                check(data, stated, kind)
            except Exception as error:
                msg = f"seed {seed}: {stated}"
                raise AssertionError(msg) from error
