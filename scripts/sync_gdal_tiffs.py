"""Fill ``testdata/external/gdal`` with the TIFFs of GDAL's autotest folder.

Licence of the files: MIT-style, see GDAL's LICENSE.TXT. Many are damaged on purpose:
a reader must refuse them with a clear error.
"""

import sys

from _sync import Corpus, main

TAG = "v3.12.2"

CORPUS = Corpus(
    name="gdal",
    archive=f"https://github.com/OSGeo/gdal/archive/refs/tags/{TAG}.tar.gz",
    subfolder="autotest",
    minimum=600,
    # A VRT under the name that a DIMAP product gives its image.
    damaged=frozenset({"gdrivers/data/dimap/IMAGERY.TIF"}),
)

if __name__ == "__main__":
    sys.exit(main(CORPUS))
