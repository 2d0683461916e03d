"""Codecs of other packages with checks around them, for stores that are read in this process."""
