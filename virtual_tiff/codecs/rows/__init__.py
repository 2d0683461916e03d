"""Codecs that decode row by row."""
