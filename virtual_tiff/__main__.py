"""`python -m virtual_tiff`: the command line."""

from virtual_tiff.cli import run

if __name__ == "__main__":
    run()
