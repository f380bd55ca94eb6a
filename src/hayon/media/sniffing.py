"""What a file seems to be by its first bytes, whatever it is called. Opens nothing: whether it is whole is found out elsewhere."""

SNIFFED = 4096
"""So many bytes of a file's start are enough here."""

_PICTURES = (
    (0, b"\xff\xd8\xff", "image/jpeg"), (0, b"\x89PNG\r\n\x1a\n", "image/png"), (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"), (8, b"WEBP", "image/webp"),
)  # fmt: skip
# What a film may begin with (ISO/IEC 14496-12, section 4.3; QuickTime File Format, "Movie Atoms": older ones have no ftyp)
_FILM_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_EBML = b"\x1aE\xdf\xa3"
_OTHERS = (
    (4, b"ftyphei", "a HEIC photo"), (4, b"ftyphev", "a HEIC photo"), (4, b"ftypmif1", "a HEIC photo"),
    (4, b"ftypmsf1", "a HEIC photo"), (4, b"ftypavi", "an AVIF picture"), (4, b"ftypM4A", "a sound file"),
    (4, b"ftypM4B", "a sound file"), (0, b"ID3", "a sound file"), (0, b"OggS", "an Ogg file"), (8, b"WAVE", "a sound file"),
    (8, b"AVI ", "an AVI video"), (0, b"FLV", "a Flash video"), (0, b"0&\xb2u", "a Windows Media file"),
    (0, b"\0\0\1\xba", "an MPEG stream"), (0, b"G@", "an MPEG stream"), (0, b"#EXTM3U", "a playlist"),
    (0, b"ffconcat", "a playlist"), (0, b"[playlist]", "a playlist"), (0, b"%PDF", "a PDF document"),
    (0, b"PK\3\4", "a ZIP archive"), (0, b"BM", "a BMP picture"), (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
)  # fmt: skip


def sniff(start: bytes) -> str | None:
    """The type of a file that begins like this; None for all that is not taken in."""
    if _other(start) is not None:
        return None
    if start.startswith(_EBML):
        return "video/webm"
    if start[4:8] in _FILM_BOXES:
        return "video/quicktime" if start[4:8] != b"ftyp" or start[8:12] == b"qt  " else "video/mp4"
    return next((mime for place, mark, mime in _PICTURES if start[place:].startswith(mark)), None)


def guess(start: bytes) -> str:
    """A name, with its article, for a file that begins like this: "a web page"."""
    if not start:
        return "an empty file"
    if (other := _other(start)) is not None:
        return other
    if (mime := sniff(start)) is not None:
        return "a video" if mime.startswith("video/") else "a picture"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<"):
        if b"<svg" in text:
            return "an SVG drawing, which can carry scripts"
        return (
            "a web page" if b"<html" in text or b"<!doctype html" in text or b"<script" in text else "an XML document"
        )
    return "no picture and no video"


def _other(start: bytes) -> str | None:
    return next((name for place, mark, name in _OTHERS if start[place:].startswith(mark)), None)
