"""The cost that all images of one file may have together.

A limit of one image is no limit of a file that has a hundred thousand of them: directories
may share their arrays, and state blocks, samples and sizes in a few bytes. So each image is
charged to the file's account before anything is made of it.
"""

from __future__ import annotations

from virtual_tiff.tiff import BlockGrid, LimitError, Limits, warn

__all__ = ["Budget"]

_BLOCK_BYTES = 4
"""Bytes of a block's offset and byte count in the file: two numbers of 16 bits at least."""


class Budget:
    """Counts what the images of a file ask for.

    Of `limits`, `blocks`, `missing_blocks`, `samples` and `coordinates` are of all images together.
    The size of the file says how many blocks' offsets it has room for.
    """

    def __init__(self, limits: Limits, file_size: int) -> None:
        self._limits = limits
        self._room = file_size // _BLOCK_BYTES
        self._blocks = 0
        self._samples = 0
        self._positions = 0
        self._warned = False

    def charge(self, grid: BlockGrid, ifd: str) -> None:
        """Count an image's blocks and samples; more than all images may have are a LimitError."""
        self._blocks += grid.count
        self._samples += grid.samples
        limits, blocks = self._limits, "blocks of all images"
        limits.check("blocks", self._blocks, blocks, ifd=ifd, of_file=True)
        limits.check_shared("missing_blocks", self._blocks, self._room, blocks, ifd=ifd)
        limits.check("samples", self._samples, "samples of all images", ifd=ifd, of_file=True)

    def has_room(self, positions: int, ifd: str) -> bool:
        """Count rows and columns for which coordinates are to be written; warn if too many."""
        try:
            total = self._positions + positions
            self._limits.check(
                "coordinates", total, "rows and columns of all images together", ifd=ifd
            )
        except LimitError as error:
            if not self._warned:  # once: there may be thousands of such images
                warn(
                    f"some images get no coordinates x and y: {error}; spatial_ref has their "
                    "transform"
                )
            self._warned = True
            return False
        self._positions = total
        return True
