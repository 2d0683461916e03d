"""`python -m virtual_tiff`: the command line."""

import sys

from virtual_tiff.cli import main

sys.exit(main())
