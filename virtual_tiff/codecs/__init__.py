"""The Zarr codecs that no library supplies, one small file each.

They are registered with zarr by entry points; this package need not be imported to read.
"""
