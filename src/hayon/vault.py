"""Seals and opens secrets, bound to their account, and signs what strangers carry for us. Keeps nothing itself."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hayon.errors import Misconfigured

_FORM = 1  # first byte of everything sealed: AES-256-GCM, key by HKDF-SHA256
_NONCE_BYTES = 12
_HEAD_BYTES = 2 + _NONCE_BYTES
_SHORTEST_KEY = 16


class Vault:
    """Secrets under the first key; everything sealed or signed under the others still opens.

    `keys` are secret strings or bytes of at least 16 characters, as long and random as may be: they are spread by
    HKDF, which does not slow down a guesser. Raises Misconfigured where there is none, or one is too short.
    """

    def __init__(self, keys: Sequence[bytes | str]) -> None:
        raw = [key.encode() if isinstance(key, str) else key for key in keys]
        if not raw:
            raise Misconfigured("There is no secret key: set HAYON_SECRET_KEY, or let the data folder hold one.")
        if any(len(key) < _SHORTEST_KEY for key in raw):
            raise Misconfigured(
                f"A secret key is shorter than {_SHORTEST_KEY} characters; make one with `openssl rand -hex 32`."
            )
        self._keys = [_derive(key) for key in raw]

    def seal(self, plain: Mapping[str, Any], context: str) -> bytes:
        """Seals JSON values for one context (the account's id): opens in no other."""
        key = self._keys[0]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        head = bytes((_FORM, key.id)) + nonce
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        return head + key.cipher.encrypt(nonce, text, context.encode())

    def open(self, sealed: bytes, context: str) -> dict[str, Any]:
        """What was sealed for this context. Raises Misconfigured where no key opens it."""
        head = sealed[:_HEAD_BYTES]
        if len(head) == _HEAD_BYTES and head[0] == _FORM:
            for key in self._keys:
                opened = key.open(sealed, context) if key.id == head[1] else None
                if opened is not None:
                    return opened
        raise Misconfigured(
            "A stored credential opens with none of the secret keys. Set HAYON_PREVIOUS_SECRET_KEY to the key it was "
            "sealed with, or put the key file back into the data folder; else its account has to be connected again."
        )

    def needs_resealing(self, sealed: bytes, context: str) -> bool:
        """Whether it was sealed under an older key than the first; seal it again to let the older one go."""
        first, *older = self._keys
        if sealed[:2] != bytes((_FORM, first.id)):
            return True
        # a key's name is one byte, and an older one may share it: then only opening tells
        return any(key.id == first.id for key in older) and first.open(sealed, context) is None

    def sign(self, purpose: str, payload: Mapping[str, Any], expires_at: datetime) -> str:
        """A token that carries the payload in the open, fit for addresses and cookies, good for one purpose until then."""
        text = json.dumps([payload, _stamp(expires_at)], ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        body = text.encode()
        return f"{_letters(body)}.{_letters(self._keys[0].mac(purpose, body))}"

    def verify(self, purpose: str, token: str, now: datetime) -> dict[str, Any] | None:
        """The payload of a token signed here for this purpose; None where it is forged, spoilt or past its time."""
        try:
            body, mac = (_bytes(part) for part in token.split("."))
        except ValueError:
            return None
        if not any(hmac.compare_digest(key.mac(purpose, body), mac) for key in self._keys):
            return None
        payload, until = json.loads(body)
        return dict(payload) if _stamp(now) < until else None


def load_or_make_secret_key(path: Path) -> str:
    """The secret key kept in a file that only we may read; made at the first start.

    Several processes that start at once get the same key. Raises Misconfigured where the file cannot be used.
    """
    try:
        if not path.exists():
            _make_secret_key(path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it holds no text"
        raise Misconfigured(f"The secret key in {path} cannot be read or made: {why}.") from error
    if len(key) < _SHORTEST_KEY:
        raise Misconfigured(f"{path} holds no secret key. Put the old one back; a new one opens no stored credential.")
    return key


@dataclass(frozen=True, slots=True)
class _Key:
    """One secret key, spread into its parts: a byte that names it, a cipher, and a signing key."""

    id: int
    cipher: AESGCM
    signing: bytes

    def open(self, sealed: bytes, context: str) -> dict[str, Any] | None:
        """What was sealed under this key for this context; None for anything else."""
        with suppress(InvalidTag):
            nonce, rest = sealed[2:_HEAD_BYTES], sealed[_HEAD_BYTES:]
            opened: dict[str, Any] = json.loads(self.cipher.decrypt(nonce, rest, context.encode()))
            return opened
        return None

    def mac(self, purpose: str, body: bytes) -> bytes:
        name = purpose.encode()
        return hmac.new(self.signing, struct.pack(">I", len(name)) + name + body, hashlib.sha256).digest()


def _derive(key: bytes) -> _Key:
    def spread(purpose: bytes, length: int) -> bytes:
        return HKDF(SHA256(), length, salt=None, info=b"hayon " + purpose).derive(key)

    return _Key(spread(b"key id", 1)[0], AESGCM(spread(b"sealing", 32)), spread(b"signing", 32))


def _stamp(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone means nothing here")
    return int(moment.timestamp())


def _letters(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(letters: str) -> bytes:
    """The one way back: a token has a single spelling. Raises ValueError for any other."""
    content = base64.b64decode(letters + "=" * (-len(letters) % 4), altchars=b"-_", validate=True)
    if _letters(content) != letters:
        raise ValueError(letters)
    return content


def _make_secret_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    written = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(written, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was quicker: its key is the key
            os.link(draft, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        draft.unlink()
