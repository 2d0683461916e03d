"""The core: a TIFF's bytes to its directories, with the standard library alone.

Copy this folder into another project under any name; it works. `read_tiff` reads a
file through a `ByteSource`, `block_layout` says where its pixels are.
"""

from .blocks import BlockGrid, BlockLayout, block_grid, block_layout, ycbcr_subsampling
from .bounded import BoundedSource
from .constants import (
    FIELD_TYPES,
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
from .entry import Entry, decode_text
from .errors import (
    FormatError,
    LimitError,
    TiffError,
    TiffWarning,
    TruncatedError,
    UnsupportedError,
    printable,
    source_name,
    warn,
)
from .file_source import FileSource
from .geokeys import GeoKey, GeoValue, key_name, parse_geokeys
from .header import Header, Variant, parse_header
from .ifd import ImageFileDirectory
from .jpeg import EOI as JPEG_EOI
from .jpeg import Frame as JpegFrame
from .jpeg import JpegHeader
from .jpeg import begins_with_marker as begins_with_jpeg_marker
from .limits import Limits
from .losses import Loss, truncation
from .ndpi import interval_header
from .old_jpeg import first_block, old_jpeg_header
from .reader import Tiff, read_tiff
from .redaction import redacted, scrubbed, secret_in
from .shared_findings import forget_findings
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
    "FIELD_TYPES",
    "JPEG_EOI",
    "Anticipating",
    "BlockGrid",
    "BlockLayout",
    "BoundedSource",
    "ByteRange",
    "ByteSource",
    "Compression",
    "CountingSource",
    "Entry",
    "ExtraSample",
    "FileSource",
    "FormatError",
    "GeoKey",
    "GeoValue",
    "Header",
    "ImageFileDirectory",
    "JpegFrame",
    "JpegHeader",
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
    "begins_with_jpeg_marker",
    "block_grid",
    "block_layout",
    "code_name",
    "decode_text",
    "first_block",
    "forget_findings",
    "full_image_of",
    "full_images",
    "interval_header",
    "is_full",
    "key_name",
    "kind_of",
    "old_jpeg_header",
    "parse_geokeys",
    "parse_header",
    "printable",
    "read_tiff",
    "redacted",
    "scrubbed",
    "secret_in",
    "source_name",
    "subfile_bits",
    "tag_name",
    "truncation",
    "warn",
    "ycbcr_subsampling",
]
