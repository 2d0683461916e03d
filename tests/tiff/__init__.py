"""Tests of the core: `virtual_tiff.tiff`, the standard library's part of the package."""
