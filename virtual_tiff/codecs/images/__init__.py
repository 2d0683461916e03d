"""Codecs of whole images: a block is a picture file."""
