"""The part of a file that is exposed: directories, bands, blocks."""
