"""Fill ``testdata/external/geotiff-test-data`` from the repository of that name.

What ``developmentseed/geotiff-test-data`` has on its main branch: GeoTIFFs made with
rasterio and tifffile, and samples of real ones, each under its own licence (some are
CC BY-NC), so none of them may go into this repository.
"""

import sys

from _sync import Corpus, main

BRANCH = "main"

CORPUS = Corpus(
    name="geotiff-test-data",
    archive="https://github.com/developmentseed/geotiff-test-data"
    f"/archive/refs/heads/{BRANCH}.tar.gz",
    minimum=30,
)

if __name__ == "__main__":
    sys.exit(main(CORPUS))
