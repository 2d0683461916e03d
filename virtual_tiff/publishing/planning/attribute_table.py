"""Which attributes decide what a number or a place means: one row an attribute.

Files whose deciding attributes differ cannot become one array. An attribute that does not
decide may differ: a number or a text then becomes a coordinate along the new dimension,
anything else is left out and listed. The items of GDAL_METADATA have names of the writer's
choice; a name without a row may differ.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from virtual_tiff.arrays.nodes import PART, SET

__all__ = ["PER_SCENE", "decides", "rule_of"]

type Rule = Literal[
    "agree",
    "agree or coordinate",
    "agree without transform",
    "agree with geolocation",
    "agree with alpha",
    "may differ",
]
"""`agree`: refused where files differ. `agree or coordinate`: a list must agree, a number
or a text may become a coordinate, which says it of each file. `agree without transform`: raw
tags, of which the transform and the control points of `spatial_ref` are made; without both, they
alone say where the image lies. `agree with geolocation`: the domain GEOLOCATION says where
the pixels lie. `agree with alpha`: samples that are unspecified say nothing, and their
number is that of the bands."""

PER_SCENE = ("gcps", "rpcs")
"""Attributes of `spatial_ref` that a user may keep as coordinates along the new dimension."""

ATTRIBUTES: dict[str, Rule] = {
    # what a stored number is
    "_FillValue": "agree",
    "_Unsigned": "agree",
    "missing_value": "agree",
    "associated_image": "agree",
    "slide_format": "agree",
    "slide_properties": "may differ",
    "NODATA_VALUES": "agree",
    "add_offset": "agree",
    "scale_factor": "agree",
    "scales": "agree",
    "offsets": "agree",
    "units": "agree",
    "band_units": "agree",
    "unit_type": "agree",
    "flag_masks": "agree",
    "flag_meanings": "agree",
    "flag_values": "agree",
    "valid_max": "agree",
    "valid_min": "agree",
    "valid_range": "agree",
    "color_map": "agree",
    "photometric_interpretation": "agree",
    "extra_samples": "agree with alpha",
    "colorinterp": "agree or coordinate",
    "long_name": "agree or coordinate",
    # tags that say what a sample means or which pixels count
    "TIFFTAG_GRAYRESPONSEUNIT": "agree or coordinate",
    "TIFFTAG_GRAYRESPONSECURVE": "agree or coordinate",
    "TIFFTAG_INKSET": "agree or coordinate",
    "TIFFTAG_NUMBEROFINKS": "agree or coordinate",
    "TIFFTAG_DOTRANGE": "agree or coordinate",
    "TIFFTAG_TRANSFERRANGE": "agree or coordinate",
    "TIFFTAG_TRANSFERFUNCTION": "agree or coordinate",
    "TIFFTAG_WHITEPOINT": "agree or coordinate",
    "TIFFTAG_PRIMARYCHROMATICITIES": "agree or coordinate",
    "TIFFTAG_REFERENCEBLACKWHITE": "agree or coordinate",
    "TIFFTAG_COLORRESPONSEUNIT": "agree or coordinate",
    "TIFFTAG_INDEXED": "agree or coordinate",
    "TIFFTAG_DECODE": "agree or coordinate",
    "TIFFTAG_STONITS": "agree or coordinate",
    "TIFFTAG_MDFILETAG": "agree or coordinate",
    "TIFFTAG_MDSCALEPIXEL": "agree or coordinate",
    "TIFFTAG_CFAREPEATPATTERNDIM": "agree or coordinate",
    "TIFFTAG_CFAPATTERN": "agree or coordinate",
    "TIFFTAG_CFAPLANECOLOR": "agree or coordinate",
    "TIFFTAG_CFALAYOUT": "agree or coordinate",
    "TIFFTAG_INTERLACE": "agree or coordinate",
    "TIFFTAG_LINEARIZATIONTABLE": "agree or coordinate",
    "TIFFTAG_BLACKLEVELREPEATDIM": "agree or coordinate",
    "TIFFTAG_BLACKLEVEL": "agree or coordinate",
    "TIFFTAG_BLACKLEVELDELTAH": "agree or coordinate",
    "TIFFTAG_BLACKLEVELDELTAV": "agree or coordinate",
    "TIFFTAG_WHITELEVEL": "agree or coordinate",
    "TIFFTAG_DEFAULTSCALE": "agree or coordinate",
    "TIFFTAG_DEFAULTCROPORIGIN": "agree or coordinate",
    "TIFFTAG_DEFAULTCROPSIZE": "agree or coordinate",
    "TIFFTAG_ACTIVEAREA": "agree or coordinate",
    "TIFFTAG_MASKEDAREAS": "agree or coordinate",
    "TIFFTAG_DEFAULTUSERCROP": "agree or coordinate",
    "TIFFTAG_MASKSUBAREA": "agree or coordinate",
    "TIFFTAG_DEPTHFORMAT": "agree or coordinate",
    "TIFFTAG_DEPTHNEAR": "agree or coordinate",
    "TIFFTAG_DEPTHFAR": "agree or coordinate",
    "TIFFTAG_DEPTHUNITS": "agree or coordinate",
    "TIFFTAG_DEPTHMEASURETYPE": "agree or coordinate",
    "TIFFTAG_INKNAMES": "agree or coordinate",
    "TIFFTAG_MDFILEUNITS": "agree or coordinate",
    "TIFFTAG_SEMANTICNAME": "agree or coordinate",
    "TIFFTAG_SMINSAMPLEVALUE": "may differ",
    "TIFFTAG_SMAXSAMPLEVALUE": "may differ",
    "TIFFTAG_OPCODELIST1_bytes": "may differ",
    "TIFFTAG_OPCODELIST2_bytes": "may differ",
    "TIFFTAG_OPCODELIST3_bytes": "may differ",
    # where a pixel lies
    "TIFFTAG_ORIENTATION": "agree",
    "AREA_OR_POINT": "agree or coordinate",
    "model_pixel_scale": "agree without transform",
    "model_tiepoint": "agree without transform",
    "model_transformation": "agree without transform",
    "crs_wkt": "agree",
    "spatial_ref": "agree",
    "vertical_crs": "agree",
    "coordinate_epoch": "agree",
    "GeoTransform": "agree",
    "gcps": "agree",
    "rpcs": "agree",
    "axis": "agree",
    "standard_name": "agree",
    # how arrays belong together
    "coordinates": "agree",
    "grid_mapping": "agree",
    "multiscales": "agree",
    "ome": "agree",
    "bioformats2raw.layout": "agree",
    SET: "agree",
    PART: "may differ",
    "zarr_conventions": "agree",
    # descriptions
    "TIFFTAG_DOCUMENTNAME": "may differ",
    "TIFFTAG_IMAGEDESCRIPTION": "may differ",
    "TIFFTAG_SOFTWARE": "may differ",
    "TIFFTAG_DATETIME": "may differ",
    "TIFFTAG_ARTIST": "may differ",
    "TIFFTAG_HOSTCOMPUTER": "may differ",
    "TIFFTAG_COPYRIGHT": "may differ",
    "TIFFTAG_MAKE": "may differ",
    "TIFFTAG_MODEL": "may differ",
    "TIFFTAG_PAGENAME": "may differ",
    # where and when each plane of an image was taken
    "position_x": "may differ",
    "position_y": "may differ",
    "position_z": "may differ",
    "delta_t": "may differ",
    "exposure_time": "may differ",
    "label": "may differ",
    # the size of a print, and ranges for display, which no reader applies
    "TIFFTAG_XRESOLUTION": "may differ",
    "TIFFTAG_YRESOLUTION": "may differ",
    "TIFFTAG_RESOLUTIONUNIT": "may differ",
    "TIFFTAG_MINSAMPLEVALUE": "may differ",
    "TIFFTAG_MAXSAMPLEVALUE": "may differ",
    "GEO_METADATA": "may differ",
    "TIFF_RSID": "may differ",
    "icc_profile_bytes": "may differ",
    "xmp_bytes": "may differ",
    "gdal_metadata_domains": "agree with geolocation",
    "gdal_band_metadata_domains": "may differ",
    # the text of which `_FillValue` is the number
    "gdal_no_data": "may differ",
    # GeoKeys as they are stored: `crs_wkt`, `proj:` and the transform are made of them
    "model_type": "may differ",
    "raster_type": "may differ",
    "citation": "may differ",
    "projected_type": "may differ",
    "projection": "may differ",
    "geographic_type": "may differ",
    "vertical": "may differ",
    "vertical_citation": "may differ",
    "vertical_datum": "may differ",
    "vertical_units": "may differ",
}

PREFIXES: dict[str, Rule] = {
    "spatial:": "agree",
    "proj:": "agree",
    "geo:": "agree",
    "STATISTICS_": "may differ",
    "GDAL_METADATA:": "may differ",
    # GeoKeys
    "geog_": "may differ",
    "proj_": "may differ",
}
"""Rules of attributes whose names begin so, unless they have a row."""


@lru_cache(maxsize=4096)
def rule_of(name: str) -> Rule | None:
    """Return the rule of an attribute; None if it has no row."""
    rule = ATTRIBUTES.get(name)
    if rule is not None:
        return rule
    return next((rule for prefix, rule in PREFIXES.items() if name.startswith(prefix)), None)


def decides(name: str, attributes: dict[str, Any]) -> bool:
    """Return whether files that differ in one of these attributes cannot become one array."""
    rule = rule_of(name)
    if rule == "agree or coordinate":
        return not isinstance(attributes[name], str | int | float)
    if rule == "agree without transform":
        return not attributes.keys() & {"spatial:transform", "grid_mapping"}
    if rule == "agree with geolocation":
        return "GEOLOCATION" in attributes[name]
    if rule == "agree with alpha":
        return any(kind != "unspecified" for kind in attributes[name])
    return rule == "agree"
