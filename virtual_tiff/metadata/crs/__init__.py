"""A file's coordinate reference system, from its GeoKeys.

`tables` says what the numbers mean, `registry` what EPSG codes stand for (pyproj, if it is
there); `geodetic`, `projected` and `vertical` make PROJJSON of the keys, `wkt` and pyproj turn
that to WKT 2.
"""

from virtual_tiff.metadata.crs.build import Crs, crs_of, crs_of_text, same_crs

__all__ = ["Crs", "crs_of", "crs_of_text", "same_crs"]
