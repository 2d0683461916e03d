"""What the tags say, to the list of Zarr codecs: tables of data.

Each decoding step is a named codec in the array's metadata, so that a store can be audited by
reading it; a few codecs, as `virtual_tiff.lerc`, hold several steps. The names are chosen in this
order: those of the Zarr core and `numcodecs.*`, which other implementations know;
`imagecodecs_*`; our own (`virtual_tiff.*`). A compression without a row is an `UnsupportedError`.
"""

from __future__ import annotations

from virtual_tiff.codec_table.arrangements import check_arrangement
from virtual_tiff.codec_table.description import CodecDescription, CodecJSON, codec
from virtual_tiff.codec_table.images import short_image
from virtual_tiff.codec_table.rows import (
    COMPRESSIONS,
    CompressionRow,
    add_compression,
    compression_name,
    compression_row,
)
from virtual_tiff.codec_table.samples import sample_codecs
from virtual_tiff.tiff import (
    BlockGrid,
    ImageFileDirectory,
    PlanarConfiguration,
    Predictor,
    Tag,
    UnsupportedError,
)

__all__ = [
    "COMPRESSIONS",
    "CodecDescription",
    "CodecJSON",
    "CompressionRow",
    "add_compression",
    "check",
    "codec",
    "codecs",
    "compression_name",
]

_LSB_FIRST = 2
"""FillOrder: the lowest bit of a byte comes first."""


def check(ifd: ImageFileDirectory) -> CompressionRow:
    """Return the compression's row, or refuse what no row can say.

    Parameters
    ----------
    ifd
        The directory of the image.

    Returns
    -------
    CompressionRow
        The row of its compression.

    Raises
    ------
    UnsupportedError
        It names the tag's value.
    """
    return ifd.remembered(_check)


def _check(ifd: ImageFileDirectory) -> CompressionRow:
    row = compression_row(ifd)
    if ifd.PlanarConfiguration not in set(PlanarConfiguration):
        msg = f"PlanarConfiguration {ifd.PlanarConfiguration} is neither 1 nor 2"
        raise UnsupportedError(msg, tag=Tag.PlanarConfiguration, ifd=ifd.path)
    if ifd.FillOrder not in (1, _LSB_FIRST):
        msg = f"FillOrder {ifd.FillOrder} is neither 1 nor 2"
        raise UnsupportedError(msg, tag=Tag.FillOrder, ifd=ifd.path)
    check_arrangement(ifd)
    return row


def codecs(
    ifd: ImageFileDirectory, grid: BlockGrid, data_type: str, *, length: int, last_length: int
) -> list[CodecJSON]:
    """Return the codecs of an image, in Zarr's order: array, serializer, bytes.

    Parameters
    ----------
    ifd
        The directory.
    grid
        Its blocks.
    data_type
        Of the array.
    length
        Rows of a chunk.
    last_length
        Rows that the chunks at the image's foot have in the file.

    Returns
    -------
    list of CodecJSON
        As in the metadata of the array.

    Raises
    ------
    UnsupportedError
        If there is no row for what a tag says; it names the tag's value.
    """
    row = check(ifd)
    short = last_length < length
    if row.image is not None:
        steps = row.image(ifd, grid)
        if short and not row.short_strips:
            steps = short_image(steps, grid, last_length)
    else:
        predictor = ifd.Predictor if row.predictor else Predictor.None_
        steps = sample_codecs(ifd, grid, data_type, predictor)
        size, last = grid.size(length), grid.size(last_length)
        if last < size:
            steps.append(codec("virtual_tiff.pad", size=size, last=last))
        if row.codec is not None:
            steps.append(row.codec)
    if ifd.FillOrder == _LSB_FIRST and row.fill_order:
        steps.append(codec("virtual_tiff.reverse_bits"))
    return steps
