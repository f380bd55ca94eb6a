"""Takes in, measures, keeps and hands out files. Knows no rows: who refers to a file is the store's to say."""

from hayon.media.contract import LARGEST_UPLOAD, Grant, MediaStore, Served, temp_key
from hayon.media.folder import LocalFolder
from hayon.media.pictures import KINDS, Measured, measure
from hayon.media.shrinking import shrink

__all__ = [
    "KINDS", "LARGEST_UPLOAD", "Grant", "LocalFolder", "Measured", "MediaStore", "Served", "measure", "shrink", "temp_key",
]  # fmt: skip
