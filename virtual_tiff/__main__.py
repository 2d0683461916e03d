"""`python -m virtual_tiff`: the command line."""

from virtual_tiff.cli.main import run

if __name__ == "__main__":
    run()
