"""The codecs that virtual-tiff 0.5.0 wrote."""
