"""Fill ``testdata/external/rasterio`` with the TIFFs of rasterio's tests folder.

Licence of the files: BSD-3-Clause, see rasterio's LICENSE.txt.
"""

import sys

from _sync import Corpus, main

TAG = "1.5.2"

CORPUS = Corpus(
    name="rasterio",
    archive=f"https://github.com/rasterio/rasterio/archive/refs/tags/{TAG}.tar.gz",
    subfolder="tests",
    minimum=30,
)

if __name__ == "__main__":
    sys.exit(main(CORPUS))
