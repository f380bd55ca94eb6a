"""Content identifiers as AT Protocol computes them: CIDv1 over DAG-CBOR for records, over raw bytes for blobs.

Source: https://atproto.com/specs/data-model ("blessed" CID formats).
"""

import base64
import hashlib
import struct
from typing import Any

RAW = 0x55
DAG_CBOR = 0x71
SHA2_256 = 0x12
CID_TAG = 42


class DataModelError(ValueError):
    """The value is not in the AT Protocol data model (a float, say)."""


def record_cid(value: Any) -> str:
    """The CID of a record given as JSON. ValueError (mostly DataModelError) if it has no place in the data model."""
    return _cid(DAG_CBOR, hashlib.sha256(_encode(value)).digest())


def blob_cid(digest: bytes) -> str:
    """The CID of a blob from the SHA-256 of its bytes."""
    return _cid(RAW, digest)


def is_cid(text: str) -> bool:
    """Whether the text is a CID of one of the two kinds used here."""
    try:
        raw = _unbase32(text)
    except ValueError:
        return False
    return len(raw) == 36 and raw[0] == 1 and raw[1] in (RAW, DAG_CBOR) and raw[2:4] == bytes((SHA2_256, 32))


def _cid(codec: int, digest: bytes) -> str:
    binary = bytes((1, codec, SHA2_256, len(digest))) + digest
    return "b" + base64.b32encode(binary).decode().rstrip("=").lower()


def _unbase32(text: str) -> bytes:
    if not text.startswith("b") or text != text.lower():
        raise ValueError("not a lower-case base32 CID")
    padded = text[1:].upper()
    return base64.b32decode(padded + "=" * (-len(padded) % 8))


def _encode(value: Any) -> bytes:
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int() if -(2**53) < value < 2**53:
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case str():
            raw = value.encode()
            return _head(3, len(raw)) + raw
        case list():
            return _head(4, len(value)) + b"".join(_encode(held) for held in value)
        case {"$link": str(link), **rest} if not rest:
            return _link(link)
        case {"$bytes": str(encoded), **rest} if not rest:
            raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
            return _head(2, len(raw)) + raw
        case dict():
            pairs = sorted(((key.encode(), held) for key, held in value.items()), key=lambda p: (len(p[0]), p[0]))
            coded = b"".join(_head(3, len(key)) + key + _encode(held) for key, held in pairs)
            return _head(5, len(pairs)) + coded
        case _:
            raise DataModelError(f"{value!r} is not in the atproto data model")


def _head(major: int, count: int) -> bytes:
    if count < 24:
        return bytes((major << 5 | count,))
    for code, size, form in ((24, 2**8, ">B"), (25, 2**16, ">H"), (26, 2**32, ">I"), (27, 2**64, ">Q")):
        if count < size:
            return bytes((major << 5 | code,)) + struct.pack(form, count)
    raise DataModelError("a number over 64 bits")


def _link(link: str) -> bytes:
    if not is_cid(link):
        raise DataModelError(f"{link!r} is not a CID")
    raw = b"\x00" + _unbase32(link)
    return bytes((6 << 5 | 24, CID_TAG)) + _head(2, len(raw)) + raw
