"""What of a file is exposed: directories, bands, blocks."""
