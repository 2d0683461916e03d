"""The GeoKeyDirectory, decoded to keys with their names.

GeoTIFF 1.1 (OGC 19-008r4), section 7.1: a header of four SHORTs, then four for each
key: its number, the tag that holds its value (0: here), a count, and the value or its
index in GeoDoubleParams or GeoAsciiParams.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from .constants import Tag, tag_name
from .entry import decode_text
from .errors import FormatError, TiffError, warn
from .ifd import ImageFileDirectory

__all__ = ["GeoKey", "parse_geokeys"]

type GeoValue = int | float | str | tuple[int, ...] | tuple[float, ...]

_HEADER_SHORTS = _KEY_SHORTS = 4

_MOST_VALUES = 256
"""Numbers of one key: GeogTOWGS84 has 7."""


class GeoKey(IntEnum):
    """GeoKeys by their number, GeoTIFF 1.1 annex E, with libgeotiff's additions."""

    GTModelTypeGeoKey = 1024
    GTRasterTypeGeoKey = 1025
    GTCitationGeoKey = 1026
    GeodeticCRSGeoKey = 2048
    GeodeticCitationGeoKey = 2049
    GeodeticDatumGeoKey = 2050
    PrimeMeridianGeoKey = 2051
    GeogLinearUnitsGeoKey = 2052
    GeogLinearUnitSizeGeoKey = 2053
    GeogAngularUnitsGeoKey = 2054
    GeogAngularUnitSizeGeoKey = 2055
    EllipsoidGeoKey = 2056
    EllipsoidSemiMajorAxisGeoKey = 2057
    EllipsoidSemiMinorAxisGeoKey = 2058
    EllipsoidInvFlatteningGeoKey = 2059
    GeogAzimuthUnitsGeoKey = 2060
    PrimeMeridianLongitudeGeoKey = 2061
    GeogTOWGS84GeoKey = 2062  # libgeotiff
    ProjLinearUnitsInterpCorrectGeoKey = 3059  # GDAL
    ProjectedCRSGeoKey = 3072
    ProjectedCitationGeoKey = 3073
    ProjectionGeoKey = 3074
    ProjMethodGeoKey = 3075
    ProjLinearUnitsGeoKey = 3076
    ProjLinearUnitSizeGeoKey = 3077
    ProjStdParallel1GeoKey = 3078
    ProjStdParallel2GeoKey = 3079
    ProjNatOriginLongGeoKey = 3080
    ProjNatOriginLatGeoKey = 3081
    ProjFalseEastingGeoKey = 3082
    ProjFalseNorthingGeoKey = 3083
    ProjFalseOriginLongGeoKey = 3084
    ProjFalseOriginLatGeoKey = 3085
    ProjFalseOriginEastingGeoKey = 3086
    ProjFalseOriginNorthingGeoKey = 3087
    ProjCenterLongGeoKey = 3088
    ProjCenterLatGeoKey = 3089
    ProjCenterEastingGeoKey = 3090
    ProjCenterNorthingGeoKey = 3091
    ProjScaleAtNatOriginGeoKey = 3092
    ProjScaleAtCenterGeoKey = 3093
    ProjAzimuthAngleGeoKey = 3094
    ProjStraightVertPoleLongGeoKey = 3095
    ProjRectifiedGridAngleGeoKey = 3096  # libgeotiff
    VerticalGeoKey = 4096
    VerticalCitationGeoKey = 4097
    VerticalDatumGeoKey = 4098
    VerticalUnitsGeoKey = 4099
    CoordinateEpochGeoKey = 5120


def parse_geokeys(ifd: ImageFileDirectory) -> Mapping[int, GeoValue]:
    """Return the GeoKeys of a directory by their number; empty if it has none.

    A key whose value cannot be found is left out with a warning: nothing is guessed.

    Parameters
    ----------
    ifd
        The directory of the image.

    Returns
    -------
    mapping
        Values of one number as that number, of several as a tuple, ASCII as text without
        the `|` that ends it.
    """
    # attributes, transform and CRS all ask for them
    return ifd.remembered(_parsed)


def _parsed(ifd: ImageFileDirectory) -> dict[int, GeoValue]:
    try:
        shorts = ifd.integers(Tag.GeoKeyDirectory)
    except TiffError as error:
        warn(f"the GeoKeys are ignored: {error}")
        return {}
    if shorts is None:
        return {}
    if len(shorts) < _HEADER_SHORTS:
        warn(f"IFD {ifd.path}: the GeoKeyDirectory is ignored: it has only {len(shorts)} numbers")
        return {}
    try:
        held = min(shorts[3], (len(shorts) - _HEADER_SHORTS) // _KEY_SHORTS)
        ifd.limits.check("geokeys", held, "GeoKeys", ifd=ifd.path)
    except TiffError as error:
        warn(f"the GeoKeys are ignored: {error}")
        return {}
    keys: dict[int, GeoValue] = {}
    for at in range(_HEADER_SHORTS, _HEADER_SHORTS + _KEY_SHORTS * shorts[3], _KEY_SHORTS):
        if at + _KEY_SHORTS > len(shorts):
            warn(f"IFD {ifd.path}: the GeoKeyDirectory ends before its {shorts[3]} keys")
            break
        key, location, count, index = shorts[at : at + _KEY_SHORTS]
        try:
            keys[key] = _value(ifd, location, count, index)
        except TiffError as error:
            warn(f"GeoKey {key_name(key)} is ignored: {error}")
        except LookupError:
            place = tag_name(location)
            warn(f"GeoKey {key_name(key)} is ignored: {place} has no {count} values at {index}")
    return keys


def key_name(key: int) -> str:
    """Name and number of a GeoKey; the number alone if it is unknown."""
    try:
        return f"{GeoKey(key).name} ({key})"
    except ValueError:
        return str(key)


def _value(ifd: ImageFileDirectory, location: int, count: int, index: int) -> GeoValue:
    if location == 0:
        return index
    if count > _MOST_VALUES and location != Tag.GeoAsciiParams:
        msg = f"the key has {count} values; {_MOST_VALUES} is the most that a key can have"
        raise FormatError(msg, tag=location, ifd=ifd.path)
    if location == Tag.GeoAsciiParams:
        # the index counts bytes, so the string is cut before it is decoded
        ascii_params = ifd.raw(Tag.GeoAsciiParams) or b""
        if index + count > len(ascii_params) + 1:  # some writers count the absent last NUL
            raise LookupError
        return decode_text(ascii_params[index : index + count]).rstrip("|\0")
    if location == Tag.GeoDoubleParams:
        floats = ifd.remembered(_doubles)  # made once for all keys, of which each takes a few
        return _one_or_all(floats[index : index + count], count)
    shorts = ifd.integers(location)
    return _one_or_all(tuple(shorts[index : index + count]) if shorts else (), count)


def _doubles(ifd: ImageFileDirectory) -> tuple[float, ...]:
    return ifd.floats(Tag.GeoDoubleParams) or ()


def _one_or_all[N: (int, float)](numbers: tuple[N, ...], count: int) -> N | tuple[N, ...]:
    if not numbers or len(numbers) < count:
        raise LookupError
    return numbers[0] if count == 1 else numbers
