"""Codecs of samples: bits, bytes, numbers."""
