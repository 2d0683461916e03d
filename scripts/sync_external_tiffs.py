"""Fill ``testdata/external/urls`` with public TIFFs, one URL each.

A URL that fails is reported and the others are kept; the next run tries it again.
"""

import sys

from _sync import Corpus, main

OSGEO = "https://download.osgeo.org/geotiff/samples"
OME = "https://downloads.openmicroscopy.org/images/OME-TIFF/2016-06"
OPENSLIDE = "https://openslide.cs.cmu.edu/download/openslide-testdata"
GITHUB = "https://raw.githubusercontent.com"
RIO_TILER = f"{GITHUB}/cogeotiff/rio-tiler/HEAD/tests/fixtures"
IMAGE_TIFF = f"{GITHUB}/image-rs/image-tiff/HEAD/tests/images"
GLO_90 = "Copernicus_DSM_COG_30_N46_00_E007_00_DEM"
SENTINEL_2 = "36/Q/WD/2020/7/S2A_36QWD_20200701_0_L2A"

URLS = {
    # GeoTIFFs: uint8 in cylindrical equal area, elevation, a palette.
    "osgeo_cea.tif": f"{OSGEO}/gdal_eg/cea.tif",
    "osgeo_i30dem.tif": f"{OSGEO}/usgs/i30dem.tif",
    "osgeo_o41078a5.tif": f"{OSGEO}/usgs/o41078a5.tif",
    # COGs: a mask, ground control points, a planet that is not the Earth.
    "rio_tiler_cog_rgb_mask.tif": f"{RIO_TILER}/cog_rgb_mask.tif",
    "rio_tiler_cog_gcps.tif": f"{RIO_TILER}/cog_gcps.tif",
    "rio_tiler_cog_hirise_mars.tif": f"{RIO_TILER}/cog_hirise_mars.tif",
    # COGs of two great archives: elevation, Sentinel-2.
    "copernicus_glo90.tif": f"https://copernicus-dem-90m.s3.amazonaws.com/{GLO_90}/{GLO_90}.tif",
    "sentinel_2_b01.tif": (
        "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs"
        f"/{SENTINEL_2}/B01.tif"
    ),
    # JPEG tiles, BigTIFF by a microscope.
    "image_tiff_tiled_jpeg.tif": f"{IMAGE_TIFF}/tiled-jpeg-rgb-u8.tif",
    "image_tiff_scanimage_bigtiff.tif": f"{IMAGE_TIFF}/bigtiff/ScanImageBigTIFFv57.tif",
    # Microscopy: OME-TIFF pages, a slide.
    "ome_multi_channel.tif": f"{OME}/bioformats-artificial/multi-channel.ome.tif",
    "aperio_cmu_1_small_region.tif": f"{OPENSLIDE}/Aperio/CMU-1-Small-Region.svs",
}

CORPUS = Corpus(name="urls", urls=URLS)

if __name__ == "__main__":
    sys.exit(main(CORPUS))
