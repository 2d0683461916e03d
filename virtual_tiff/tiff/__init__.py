"""The core: a TIFF's bytes to its directories, with the standard library alone.

Copy this folder into another project under any name; it works. `read_tiff` reads a
file through a `ByteSource`, `block_layout` says where its pixels are.
"""

from .blocks import BlockGrid, BlockLayout, block_grid, block_layout
from .bounded import BoundedSource
from .constants import (
    Compression,
    ExtraSample,
    Photometric,
    PlanarConfiguration,
    Predictor,
    SampleFormat,
    SubfileType,
    Tag,
    code_name,
    tag_name,
)
from .errors import (
    FormatError,
    LimitError,
    TiffError,
    TiffWarning,
    TruncatedError,
    UnsupportedError,
)
from .geokeys import GeoKey, parse_geokeys
from .header import Header, Variant, parse_header
from .ifd import ImageFileDirectory
from .limits import Limits
from .losses import Loss, truncation
from .reader import Tiff, read_tiff
from .source import (
    Anticipating,
    ByteRange,
    ByteSource,
    CountingSource,
    MemorySource,
    ReadAhead,
    Reading,
    SourceState,
)
from .subfiles import Kind, full_image_of, full_images, is_full, kind_of, subfile_bits

__all__ = [
    "Anticipating",
    "BlockGrid",
    "BlockLayout",
    "BoundedSource",
    "ByteRange",
    "ByteSource",
    "Compression",
    "CountingSource",
    "ExtraSample",
    "FormatError",
    "GeoKey",
    "Header",
    "ImageFileDirectory",
    "Kind",
    "LimitError",
    "Limits",
    "Loss",
    "MemorySource",
    "Photometric",
    "PlanarConfiguration",
    "Predictor",
    "ReadAhead",
    "Reading",
    "SampleFormat",
    "SourceState",
    "SubfileType",
    "Tag",
    "Tiff",
    "TiffError",
    "TiffWarning",
    "TruncatedError",
    "UnsupportedError",
    "Variant",
    "block_grid",
    "block_layout",
    "code_name",
    "full_image_of",
    "full_images",
    "is_full",
    "kind_of",
    "parse_geokeys",
    "parse_header",
    "read_tiff",
    "subfile_bits",
    "tag_name",
    "truncation",
]
