"""Tags, field types and codes, in the order and spelling of the specifications.

Sources: TIFF 6.0 (1992), TIFF Technical Notes 1 and 2, Adobe Photoshop TIFF Technical
Notes, GeoTIFF 1.1 (OGC 19-008r4), the BigTIFF design, the DNG specification 1.7,
libtiff's tiff.h, and the GDAL GTiff driver for its private tags. A code that is not
listed here survives as its number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

__all__ = [
    "FIELD_TYPES",
    "Compression",
    "ExtraSample",
    "FieldType",
    "Photometric",
    "PlanarConfiguration",
    "Predictor",
    "SampleFormat",
    "SubfileType",
    "Tag",
    "code_name",
    "tag_name",
]


@dataclass(frozen=True, slots=True)
class FieldType:
    """One row of TIFF 6.0 section 2, "Types", or of the BigTIFF design."""

    code: int
    name: str
    nbytes: int
    """Bytes of one value."""
    format: str
    """`array` and `struct` code of one item; "s" for text."""
    items: int = 1
    """Items of one value: 2 for a RATIONAL, its numerator and denominator."""

    @property
    def is_integer(self) -> bool:
        """Whether the values are whole numbers."""
        return self.items == 1 and self.format in "BHIQbhiq"


FIELD_TYPES: Final = {
    row.code: row
    for row in (
        FieldType(1, "BYTE", 1, "B"),
        FieldType(2, "ASCII", 1, "s"),
        FieldType(3, "SHORT", 2, "H"),
        FieldType(4, "LONG", 4, "I"),
        FieldType(5, "RATIONAL", 8, "I", 2),
        FieldType(6, "SBYTE", 1, "b"),
        FieldType(7, "UNDEFINED", 1, "B"),
        FieldType(8, "SSHORT", 2, "h"),
        FieldType(9, "SLONG", 4, "i"),
        FieldType(10, "SRATIONAL", 8, "i", 2),
        FieldType(11, "FLOAT", 4, "f"),
        FieldType(12, "DOUBLE", 8, "d"),
        FieldType(13, "IFD", 4, "I"),  # TIFF Technical Note 1
        FieldType(16, "LONG8", 8, "Q"),  # BigTIFF
        FieldType(17, "SLONG8", 8, "q"),
        FieldType(18, "IFD8", 8, "Q"),
    )
}


class Tag(IntEnum):
    """Tags by their number."""

    # TIFF 6.0, sections 3-7 and 8-23, in the order of appendix A
    NewSubfileType = 254
    SubfileType = 255
    ImageWidth = 256
    ImageLength = 257
    BitsPerSample = 258
    Compression = 259
    PhotometricInterpretation = 262
    Threshholding = 263
    CellWidth = 264
    CellLength = 265
    FillOrder = 266
    DocumentName = 269
    ImageDescription = 270
    Make = 271
    Model = 272
    StripOffsets = 273
    Orientation = 274
    SamplesPerPixel = 277
    RowsPerStrip = 278
    StripByteCounts = 279
    MinSampleValue = 280
    MaxSampleValue = 281
    XResolution = 282
    YResolution = 283
    PlanarConfiguration = 284
    PageName = 285
    XPosition = 286
    YPosition = 287
    FreeOffsets = 288
    FreeByteCounts = 289
    GrayResponseUnit = 290
    GrayResponseCurve = 291
    T4Options = 292
    T6Options = 293
    ResolutionUnit = 296
    PageNumber = 297
    ColorResponseUnit = 300
    TransferFunction = 301
    Software = 305
    DateTime = 306
    Artist = 315
    HostComputer = 316
    Predictor = 317
    WhitePoint = 318
    PrimaryChromaticities = 319
    ColorMap = 320
    HalftoneHints = 321
    TileWidth = 322
    TileLength = 323
    TileOffsets = 324
    TileByteCounts = 325
    BadFaxLines = 326
    CleanFaxData = 327
    ConsecutiveBadFaxLines = 328
    SubIFDs = 330  # TIFF Technical Note 1
    InkSet = 332
    InkNames = 333
    NumberOfInks = 334
    DotRange = 336
    TargetPrinter = 337
    ExtraSamples = 338
    SampleFormat = 339
    SMinSampleValue = 340
    SMaxSampleValue = 341
    TransferRange = 342
    # Adobe Photoshop and PageMaker notes
    ClipPath = 343
    XClipPathUnits = 344
    YClipPathUnits = 345
    Indexed = 346
    JPEGTables = 347
    OPIProxy = 351
    # TIFF-FX, RFC 2301
    Decode = 433
    StripRowCounts = 559
    # TIFF 6.0 section 22, JPEG compression in the old style
    JPEGProc = 512
    JPEGInterchangeFormat = 513
    JPEGInterchangeFormatLength = 514
    JPEGRestartInterval = 515
    JPEGLosslessPredictors = 517
    JPEGPointTransforms = 518
    JPEGQTables = 519
    JPEGDCTables = 520
    JPEGACTables = 521
    # TIFF 6.0 sections 20 and 21
    YCbCrCoefficients = 529
    YCbCrSubSampling = 530
    YCbCrPositioning = 531
    ReferenceBlackWhite = 532
    XMP = 700
    ImageID = 32781
    DataType = 32996  # SGI, before SampleFormat
    ImageDepth = 32997  # SGI
    TileDepth = 32998  # SGI
    # TIFF/EP
    CFARepeatPatternDim = 33421
    CFAPattern = 33422
    Copyright = 33432
    MDFileTag = 33445  # Molecular Dynamics GEL
    MDScalePixel = 33446
    MDFileUnits = 33452
    ModelPixelScale = 33550
    IPTC = 33723
    UIC1tag = 33628  # MetaMorph: pairs of an item and its value, or the value's offset
    UIC4tag = 33631  # MetaMorph: where each plane was taken
    UIC2tag = 33629  # MetaMorph: six LONGs for each plane, counted as one RATIONAL
    ModelTiepoint = 33922
    RasterPadding = 34019  # TIFF/IT
    ModelTransformation = 34264
    Photoshop = 34377
    MM_Header = 34361  # Olympus FluoView
    CZ_LSMINFO = 34412  # Zeiss LSM
    ExifIFD = 34665
    ICCProfile = 34675
    GeoKeyDirectory = 34735
    GeoDoubleParams = 34736
    GeoAsciiParams = 34737
    GPSIFD = 34853
    Interlace = 34857  # TIFF/EP
    StoNits = 37439  # SGI LogLuv
    ImageSourceData = 37724
    InteroperabilityIFD = 40965
    NIHImageHeader = 43314
    GDAL_METADATA = 42112
    GDAL_NODATA = 42113
    # DNG 1.7
    IJMetadataByteCounts = 50838  # ImageJ
    IJMetadata = 50839
    MicroManagerMetadata = 51123
    DNGVersion = 50706
    DNGBackwardVersion = 50707
    LercParameters = 50674  # Esri
    CFAPlaneColor = 50710
    CFALayout = 50711
    LinearizationTable = 50712
    BlackLevelRepeatDim = 50713
    BlackLevel = 50714
    BlackLevelDeltaH = 50715
    BlackLevelDeltaV = 50716
    WhiteLevel = 50717
    DefaultScale = 50718
    DefaultCropOrigin = 50719
    DefaultCropSize = 50720
    RawImageSegmentation = 50752  # Canon CR2
    ActiveArea = 50829
    MaskedAreas = 50830
    RPCCoefficients = 50844  # GDAL's RPC tag
    TIFF_RSID = 50908  # DGIWG
    GEO_METADATA = 50909
    SubTileBlockSize = 50974
    RowInterleaveFactor = 50975
    OpcodeList1 = 51008
    OpcodeList2 = 51009
    OpcodeList3 = 51022
    DefaultUserCrop = 51125
    DepthFormat = 51177
    DepthNear = 51178
    DepthFar = 51179
    DepthUnits = 51180
    DepthMeasureType = 51181
    SemanticName = 52526
    MaskSubArea = 52536
    ColumnInterleaveFactor = 52547
    # Hamamatsu NDPI
    NDPI_OffsetHighBytes = 65324
    NDPI_ByteCountHighBytes = 65325
    NDPI_FileFormat = 65420
    NDPI_Magnification = 65421
    NDPI_XOffsetFromSlideCenter = 65422
    NDPI_YOffsetFromSlideCenter = 65423
    NDPI_ZOffsetFromSlideCenter = 65424
    NDPI_McuStarts = 65426
    NDPI_SlideLabel = 65427
    NDPI_McuStartsHighBytes = 65432
    NDPI_CaptureMode = 65441
    NDPI_ScannerSerialNumber = 65442
    NDPI_Comments = 65449


class SubfileType(IntEnum):
    """Bits of NewSubfileType, TIFF 6.0 section 8 and DNG."""

    ReducedImage = 1
    Page = 2
    Mask = 4


class Compression(IntEnum):
    """Values of the Compression tag, from libtiff's tiff.h, tifffile and Adobe's documents."""

    None_ = 1
    CCITTRLE = 2
    CCITTFax3 = 3
    CCITTFax4 = 4
    LZW = 5
    OJPEG = 6
    JPEG = 7
    AdobeDeflate = 8
    T85 = 9
    T43 = 10
    NeXT = 32766
    CCITTRLEW = 32771
    PackBits = 32773
    ThunderScan = 32809
    IT8CTPAD = 32895
    IT8LW = 32896
    IT8MP = 32897
    IT8BL = 32898
    PixarFilm = 32908
    PixarLog = 32909
    Deflate = 32946
    DCS = 32947
    Aperio_JP2000_YCbC = 33003
    JPEG2000_Lossy = 33004
    Aperio_JP2000_RGB = 33005
    JBIG = 34661
    SGILog = 34676
    SGILog24 = 34677
    JPEG2000 = 34712
    Nikon_NEF = 34713
    JBIG2 = 34715
    LERC = 34887
    LossyJPEG = 34892
    LZMA = 34925
    Zstd_old = 34926
    WebP_old = 34927
    PNG = 34933
    JPEGXR = 34934
    JPEGXR_NDPI = 22610
    Zstd = 50000
    WebP = 50001
    JPEGXL = 50002
    PixTIFF = 50013
    JPEGXL_DNG = 52546
    EER_V0 = 65000
    EER_V1 = 65001
    EER_V2 = 65002


class Photometric(IntEnum):
    """Values of PhotometricInterpretation."""

    MinIsWhite = 0
    MinIsBlack = 1
    RGB = 2
    Palette = 3
    Mask = 4
    Separated = 5
    YCbCr = 6
    CIELab = 8
    ICCLab = 9
    ITULab = 10
    CFA = 32803
    LogL = 32844
    LogLuv = 32845
    LinearRaw = 34892
    DepthMap = 51177


class PlanarConfiguration(IntEnum):
    """Values of PlanarConfiguration."""

    Chunky = 1
    Planar = 2


class Predictor(IntEnum):
    """Values of Predictor: TIFF 6.0 section 14, and Adobe's Technical Note 3."""

    None_ = 1
    HorizontalDifferencing = 2
    FloatingPoint = 3


class SampleFormat(IntEnum):
    """Values of SampleFormat; 5 and 6 are libtiff's."""

    UnsignedInteger = 1
    SignedInteger = 2
    IEEEFloat = 3
    Undefined = 4
    ComplexInteger = 5
    ComplexFloat = 6


class ExtraSample(IntEnum):
    """Values of ExtraSamples."""

    Unspecified = 0
    AssociatedAlpha = 1
    UnassociatedAlpha = 2


_TAG_NAMES: Final = {tag.value: tag.name for tag in Tag}


def tag_name(tag: int) -> str:
    """Name and number of a tag, as in `"Compression (259)"`; the number if unknown.

    Parameters
    ----------
    tag
        The number of a tag.

    Returns
    -------
    str
        Its name and number, as in `GDAL_NODATA (42113)`.
    """
    name = _TAG_NAMES.get(tag)
    return str(tag) if name is None else f"{name} ({tag})"


def code_name(codes: type[IntEnum], value: int) -> str:
    """Name and number of a tag's value, as in `"LZW (5)"` or `"unknown (99)"`."""
    try:
        name = codes(value).name.rstrip("_")
    except ValueError:
        name = "unknown"
    return f"{name} ({value})"
