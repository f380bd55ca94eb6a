"""Takes in, measures, keeps and hands out files. Knows no rows: who refers to a file is the store's to say."""

from hayon.media.cleaning import clean_file, measure_file
from hayon.media.contract import (
    KINDS,
    LARGEST_PICTURE,
    LARGEST_UPLOAD,
    LARGEST_VIDEO,
    OTHER_SPELLINGS,
    TAKEN,
    Grant,
    Measured,
    MediaStore,
    Served,
    temp_key,
)
from hayon.media.fitting import fit_bytes
from hayon.media.folder import LocalFolder
from hayon.media.reach import Reach
from hayon.media.renditions import fit_picture, keep_thumbnail
from hayon.media.thumbnails import thumbnail

__all__ = [
    "KINDS", "LARGEST_PICTURE", "LARGEST_UPLOAD", "LARGEST_VIDEO", "OTHER_SPELLINGS", "TAKEN", "Grant", "LocalFolder", "Measured", "MediaStore", "Reach",
    "Served", "clean_file", "fit_bytes", "fit_picture", "keep_thumbnail", "measure_file", "temp_key", "thumbnail",
]  # fmt: skip
