"""Directories, codecs and metadata become arrays and groups as plain data."""
