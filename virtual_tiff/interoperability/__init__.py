"""Forms that others want: datasets of xarray, references of kerchunk, settings of zarr for reading.

No module is imported before it is asked for: each needs other packages.
"""
