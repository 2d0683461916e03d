"""Tables of GeoTIFF's numbers: projection methods and their parameters, units, the commonest codes.

The methods are those of GeoTIFF 1.1 (OGC 19-008r4), annex C, table of ProjMethodGeoKey, and the
two that libgeotiff adds (28, 9815). Their parameters are often written under other keys than the
specification's; which ones a reader should accept, and in which order, is as in libgeotiff's
`GTIFFetchProjParms`. Which method of EPSG's a code stands for, given the parameters, is as in
GDAL's `GTIFGetOGISDefnAsOSR` and `OGRSpatialReference::Set…`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from virtual_tiff.metadata.crs.projjson import DEGREE, METRE, Unit
from virtual_tiff.tiff import GeoKey as K

__all__ = [
    "ANGULAR_UNITS",
    "CITATION_UNITS",
    "ELLIPSOIDS",
    "GEOGRAPHIC",
    "LINEAR_UNITS",
    "METHODS",
    "PRIME_MERIDIANS",
    "ROLES",
    "UTM_FAMILIES",
    "VERTICAL",
    "Kind",
    "Values",
]

type Kind = Literal["length", "angle", "azimuth", "scale"]
type Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Role:
    """A projection parameter's purpose, and the keys that may hold it."""

    kind: Kind
    keys: tuple[K, ...]
    """The first that the file has is taken."""
    default: float | None = 0.0
    """None: there is no value unless the file has one."""


_LONGITUDES = (K.ProjNatOriginLongGeoKey, K.ProjFalseOriginLongGeoKey, K.ProjCenterLongGeoKey)
_LATITUDES = (K.ProjNatOriginLatGeoKey, K.ProjFalseOriginLatGeoKey, K.ProjCenterLatGeoKey)
_SCALES = (K.ProjScaleAtNatOriginGeoKey, K.ProjScaleAtCenterGeoKey)

ROLES: dict[str, Role] = {
    "latitude": Role("angle", _LATITUDES),
    "longitude": Role("angle", _LONGITUDES),
    "pole longitude": Role("angle", (K.ProjStraightVertPoleLongGeoKey, *_LONGITUDES)),
    "parallel 1": Role("angle", (K.ProjStdParallel1GeoKey,)),
    "parallel 2": Role("angle", (K.ProjStdParallel2GeoKey,)),
    "only parallel": Role("angle", (K.ProjStdParallel1GeoKey,), None),
    "azimuth": Role("azimuth", (K.ProjAzimuthAngleGeoKey,)),
    "grid angle": Role("angle", (K.ProjRectifiedGridAngleGeoKey,), 90.0),
    "right angle": Role("angle", (), 90.0),
    "scale": Role("scale", _SCALES, 1.0),
    "unit scale": Role("scale", (), 1.0),
    "natural scale": Role("scale", _SCALES[:1], 1.0),
    "easting": Role(
        "length",
        (K.ProjFalseEastingGeoKey, K.ProjCenterEastingGeoKey, K.ProjFalseOriginEastingGeoKey),
    ),
    "northing": Role(
        "length",
        (K.ProjFalseNorthingGeoKey, K.ProjCenterNorthingGeoKey, K.ProjFalseOriginNorthingGeoKey),
    ),
}
"""Angles default in degrees."""


@dataclass(frozen=True, slots=True)
class Method:
    """A projection method of the EPSG registry, or of PROJ where that has none."""

    name: str
    code: int | None
    parameters: tuple[tuple[str, int | None, str], ...]
    """Name, EPSG code, role."""
    when: Callable[[Values, bool], bool] = lambda _values, _sphere: True
    """Given the angles in degrees and whether the ellipsoid is a sphere: is it this one?"""
    axes: Literal["east north", "west south", "polar", "polar at the pole"] = "east north"


_LATITUDE = ("Latitude of natural origin", 8801, "latitude")
_LONGITUDE = ("Longitude of natural origin", 8802, "longitude")
_SCALE = ("Scale factor at natural origin", 8805, "scale")
_FALSE = (("False easting", 8806, "easting"), ("False northing", 8807, "northing"))
_PARALLEL = ("Latitude of 1st standard parallel", 8823, "parallel 1")
_ONLY_PARALLEL = ("Latitude of 1st standard parallel", 8823, "only parallel")
_PARALLEL_2 = ("Latitude of 2nd standard parallel", 8824, "parallel 2")

_ORIGIN = (_LATITUDE, _LONGITUDE, *_FALSE)
_ORIGIN_AND_SCALE = (_LATITUDE, _LONGITUDE, _SCALE, *_FALSE)
_MERIDIAN = (_LONGITUDE, *_FALSE)
_TWO_PARALLELS = (
    ("Latitude of false origin", 8821, "latitude"),
    ("Longitude of false origin", 8822, "longitude"),
    _PARALLEL,
    _PARALLEL_2,
    ("Easting at false origin", 8826, "easting"),
    ("Northing at false origin", 8827, "northing"),
)
_CENTRE = (
    ("Latitude of projection centre", 8811, "latitude"),
    ("Longitude of projection centre", 8812, "longitude"),
    ("Azimuth at projection centre", 8813, "azimuth"),
)
_GRID_ANGLE = ("Angle from Rectified to Skew Grid", 8814, "grid angle")
_CENTRE_SCALE = ("Scale factor at projection centre", 8815, "scale")
_AT_CENTRE = (
    ("Easting at projection centre", 8816, "easting"),
    ("Northing at projection centre", 8817, "northing"),
)
_HOTINE = (*_CENTRE, _GRID_ANGLE, _CENTRE_SCALE)
_SWISS = (
    *_CENTRE[:2],
    ("Azimuth at projection centre", 8813, "right angle"),
    ("Angle from Rectified to Skew Grid", 8814, "right angle"),
    ("Scale factor at projection centre", 8815, "unit scale"),
    *_AT_CENTRE,
)


def _on_sphere(_values: Values, sphere: bool) -> bool:  # noqa: FBT001
    return sphere


_MERCATOR = (
    Method(
        "Mercator (variant B)",
        9805,
        (_ONLY_PARALLEL, *_MERIDIAN),
        lambda v, _: "only parallel" in v and v["latitude"] == 0,
    ),
    # the northings count from another latitude than the equator
    Method(
        "Mercator (variant B)",
        9805,
        (_ONLY_PARALLEL, *_ORIGIN),
        lambda v, _: "only parallel" in v,
    ),
    Method("Mercator (variant A)", 9804, _ORIGIN_AND_SCALE, lambda v, _: v["latitude"] == 0),
    # a latitude at scale 1 is where the scale is true
    Method(
        "Mercator (variant B)",
        9805,
        (("Latitude of 1st standard parallel", 8823, "latitude"), *_MERIDIAN),
        lambda v, _: v["scale"] == 1,
    ),
)

_POLAR_STEREOGRAPHIC = (
    Method(
        "Polar Stereographic (variant B)",
        9829,
        (
            ("Latitude of standard parallel", 8832, "latitude"),
            ("Longitude of origin", 8833, "pole longitude"),
            *_FALSE,
        ),
        lambda v, _: v["scale"] == 1,
        "polar",
    ),
    Method(
        "Polar Stereographic (variant A)",
        9810,
        (_LATITUDE, ("Longitude of natural origin", 8802, "pole longitude"), _SCALE, *_FALSE),
        lambda v, _: math.isclose(abs(v["latitude"]), 90),
        "polar",
    ),
    # neither of EPSG's two: PROJ keeps WKT 1's
    Method(
        "Polar_Stereographic",
        None,
        (
            ("latitude_of_origin", None, "latitude"),
            ("central_meridian", None, "pole longitude"),
            ("scale_factor", None, "scale"),
            ("false_easting", None, "easting"),
            ("false_northing", None, "northing"),
        ),
        axes="polar",
    ),
)

_PARALLEL_AND_MERIDIAN = (_PARALLEL, *_MERIDIAN)
_EQUIRECTANGULAR = (
    Method(
        "Equidistant Cylindrical",
        1028,
        _PARALLEL_AND_MERIDIAN,
        lambda v, sphere: not sphere and v["latitude"] == 0,
    ),
    Method(
        "Equidistant Cylindrical (Spherical)",
        1029,
        _PARALLEL_AND_MERIDIAN,
        lambda v, _: v["latitude"] == 0,
    ),
    Method("Equidistant Cylindrical (Spherical)", 1029, (_PARALLEL, *_ORIGIN), _on_sphere),
    Method("Equidistant Cylindrical", 1028, (_PARALLEL, *_ORIGIN)),
)

METHODS: dict[int, tuple[Method, ...]] = {
    1: (Method("Transverse Mercator", 9807, _ORIGIN_AND_SCALE),),
    3: (Method("Hotine Oblique Mercator (variant A)", 9812, (*_HOTINE, *_FALSE)),),
    4: (Method("Laborde Oblique Mercator", 9813, (*_CENTRE, _CENTRE_SCALE, *_FALSE)),),
    # Rosenmund's is Hotine's along the parallel, as the EPSG registry now has the Swiss grids
    5: (Method("Hotine Oblique Mercator (variant B)", 9815, _SWISS),),
    7: _MERCATOR,
    8: (Method("Lambert Conic Conformal (2SP)", 9802, _TWO_PARALLELS),),
    9: (Method("Lambert Conic Conformal (1SP)", 9801, _ORIGIN_AND_SCALE),),
    10: (
        Method(
            "Lambert Azimuthal Equal Area (Spherical)",
            1027,
            _ORIGIN,
            _on_sphere,
            "polar at the pole",
        ),
        Method("Lambert Azimuthal Equal Area", 9820, _ORIGIN, axes="polar at the pole"),
    ),
    11: (Method("Albers Equal Area", 9822, _TWO_PARALLELS),),
    12: (Method("Azimuthal Equidistant", 1125, _ORIGIN),),
    13: (Method("Equidistant Conic", 1119, _TWO_PARALLELS),),
    14: (
        Method(
            "Stereographic",
            None,
            (
                _LATITUDE,
                _LONGITUDE,
                ("Scale factor at natural origin", 8805, "natural scale"),
                *_FALSE,
            ),
        ),
    ),
    15: _POLAR_STEREOGRAPHIC,
    16: (Method("Oblique Stereographic", 9809, _ORIGIN_AND_SCALE),),
    17: _EQUIRECTANGULAR,
    18: (Method("Cassini-Soldner", 9806, _ORIGIN),),
    19: (Method("Gnomonic", None, _ORIGIN),),
    20: (Method("Miller Cylindrical", None, _MERIDIAN),),
    21: (Method("Orthographic", 9840, _ORIGIN),),
    22: (Method("American Polyconic", 9818, _ORIGIN),),
    23: (Method("Robinson", None, _MERIDIAN),),
    24: (Method("Sinusoidal", None, _MERIDIAN),),
    25: (Method("Van Der Grinten", None, _MERIDIAN),),
    26: (Method("New Zealand Map Grid", 9811, _ORIGIN),),
    27: (
        Method(
            "Transverse Mercator (South Orientated)", 9808, _ORIGIN_AND_SCALE, axes="west south"
        ),
    ),
    28: (
        Method(
            "Lambert Cylindrical Equal Area (Spherical)", 9834, _PARALLEL_AND_MERIDIAN, _on_sphere
        ),
        Method("Lambert Cylindrical Equal Area", 9835, _PARALLEL_AND_MERIDIAN),
    ),
    9815: (Method("Hotine Oblique Mercator (variant B)", 9815, (*_HOTINE, *_AT_CENTRE)),),
}
"""ProjMethodGeoKey -> what it may be, the first that fits is meant.

2 (Alaska) and 6 (oblique Mercator on a sphere) are missing: neither EPSG, nor PROJ, nor GDAL has a
method for them.
"""

_US_FOOT = 12 / 39.37

LINEAR_UNITS: dict[int, Unit] = {
    unit.code: unit
    for unit in (
        METRE,
        Unit("foot", 0.3048, "length", 9002),
        Unit("US survey foot", _US_FOOT, "length", 9003),
        Unit("Clarke's foot", 0.3047972654, "length", 9005),
        Unit("fathom", 1.8288, "length", 9014),
        Unit("nautical mile", 1852.0, "length", 9030),
        Unit("German legal metre", 1.0000135965, "length", 9031),
        Unit("US survey chain", 66 * _US_FOOT, "length", 9033),
        Unit("US survey link", 0.66 * _US_FOOT, "length", 9034),
        Unit("US survey mile", 5280 * _US_FOOT, "length", 9035),
        Unit("kilometre", 1000.0, "length", 9036),
        Unit("Clarke's yard", 0.9143917962, "length", 9037),
        Unit("Clarke's chain", 20.1166195164, "length", 9038),
        Unit("Clarke's link", 0.201166195164, "length", 9039),
        Unit("British yard (Sears 1922)", 36 / 39.370147, "length", 9040),
        Unit("British foot (Sears 1922)", 12 / 39.370147, "length", 9041),
        Unit("British chain (Sears 1922)", 792 / 39.370147, "length", 9042),
        Unit("British link (Sears 1922)", 7.92 / 39.370147, "length", 9043),
        Unit("Indian foot", 12 / 39.370142, "length", 9080),
        Unit("Indian yard", 36 / 39.370142, "length", 9084),
        Unit("Statute mile", 1609.344, "length", 9093),
        Unit("yard", 0.9144, "length", 9096),
        Unit("chain", 20.1168, "length", 9097),
        Unit("link", 0.201168, "length", 9098),
    )
    if unit.code is not None
}
"""The EPSG registry's commonest, for when pyproj is missing."""

ANGULAR_UNITS: dict[int, Unit] = {
    9101: Unit("radian", 1.0, "angle", 9101),
    9102: DEGREE,
    9103: Unit("arc-minute", math.pi / 10800, "angle", 9103),
    9104: Unit("arc-second", math.pi / 648000, "angle", 9104),
    9105: Unit("grad", math.pi / 200, "angle", 9105),
    9106: Unit("gon", math.pi / 200, "angle", 9106),
    # writings of degrees, not units: their numbers are degrees, as in libgeotiff
    9107: DEGREE,
    9108: DEGREE,
    9109: Unit("microradian", 1e-6, "angle", 9109),
    9110: DEGREE,
    9122: DEGREE,
}
"""GeogAngularUnitsGeoKey; others are looked up."""

CITATION_UNITS: tuple[tuple[str, float], ...] = tuple(
    (name, factor)
    for factor, names in (
        (1.0, "meters"),
        (0.01, "centimeters cm"),
        (0.001, "millimeters mm"),
        (1000.0, "kilometers km"),
        (_US_FOOT, "us_survey_feet us_survey_foot feet foot ft"),
        (0.3048, "international_feet international_foot"),
        (_US_FOOT / 12, "inches"),
        (0.9144, "yards yd"),
        (0.3047972651, "clarke_feet clarke_foot"),
        (0.3047995142, "indian_feet indian_foot"),
        (0.9143985307444408, "Yard_Indian"),
        (0.3047972654, "Foot_Clarke"),
        (0.3047997101815088, "Foot_Gold_Coast"),
        (0.2011661951640, "Link_Clarke"),
        (0.9143984146160287, "Yard_Sears"),
        (50000.0, "50_Kilometers"),
        (150000.0, "150_Kilometers"),
    )
    for name in names.split()
)
"""ERDAS's and ESRI's words for units in citations ("LUnits = feet"); their feet are American.

A word that begins another one (m, meter, inch) means the same by `linear_unit_factor`."""

ELLIPSOIDS: dict[int, tuple[str, float, float]] = {
    7001: ("Airy 1830", 6377563.396, 299.3249646),
    7002: ("Airy Modified 1849", 6377340.189, 299.3249646),
    7003: ("Australian National Spheroid", 6378160.0, 298.25),
    7004: ("Bessel 1841", 6377397.155, 299.1528128),
    7008: ("Clarke 1866", 6378206.4, 294.978698213898),
    7011: ("Clarke 1880 (IGN)", 6378249.2, 293.466021293627),
    7012: ("Clarke 1880 (RGS)", 6378249.145, 293.465),
    7015: ("Everest 1830 (1937 Adjustment)", 6377276.345, 300.8017),
    7019: ("GRS 1980", 6378137.0, 298.257222101),
    7022: ("International 1924", 6378388.0, 297.0),
    7024: ("Krassowsky 1940", 6378245.0, 298.3),
    7030: ("WGS 84", 6378137.0, 298.257223563),
    7036: ("GRS 1967", 6378160.0, 298.247167427),
    7043: ("WGS 72", 6378135.0, 298.26),
    7048: ("GRS 1980 Authalic Sphere", 6371007.0, 0.0),
    7050: ("GRS 1967 Modified", 6378160.0, 298.25),
}
"""Name, semi-major axis in metres, inverse flattening (0: a sphere); for want of pyproj."""

PRIME_MERIDIANS: dict[int, tuple[str, float]] = {8901: ("Greenwich", 0.0)}

GEOGRAPHIC: dict[int, tuple[str, int, str, int]] = {
    4171: ("RGF93 v1", 6171, "Reseau Geodesique Francais 1993 v1", 7019),
    4202: ("AGD66", 6202, "Australian Geodetic Datum 1966", 7003),
    4258: ("ETRS89", 6258, "European Terrestrial Reference System 1989", 7019),
    4267: ("NAD27", 6267, "North American Datum 1927", 7008),
    4269: ("NAD83", 6269, "North American Datum 1983", 7019),
    4277: ("OSGB36", 6277, "Ordnance Survey of Great Britain 1936", 7001),
    4283: ("GDA94", 6283, "Geocentric Datum of Australia 1994", 7019),
    4289: ("Amersfoort", 6289, "Amersfoort", 7004),
    4314: ("DHDN", 6314, "Deutsches Hauptdreiecksnetz", 7004),
    4322: ("WGS 72", 6322, "World Geodetic System 1972", 7043),
    4326: ("WGS 84", 6326, "World Geodetic System 1984", 7030),
    7844: ("GDA2020", 1168, "Geocentric Datum of Australia 2020", 7019),
}
"""Geographic 2-D CRS -> name, datum, its name, ellipsoid; for want of pyproj."""

UTM_FAMILIES: tuple[tuple[range, int, int, bool], ...] = (
    (range(32601, 32661), 32600, 4326, True),
    (range(32701, 32761), 32700, 4326, False),
    (range(26901, 26924), 26900, 4269, True),
    (range(26703, 26723), 26700, 4267, True),
    (range(25828, 25839), 25800, 4258, True),
)
"""EPSG codes, the number that less the zone's makes them, base CRS, north of the equator."""

VERTICAL: tuple[range, ...] = (
    range(3855, 3856),
    range(5600, 5622),
    range(5701, 5707),
    range(5709, 5800),
    range(6357, 6361),
)
"""EPSG codes that are vertical CRSs, most of them; for want of pyproj."""
