"""The values of an exchange: what is asked, what came back, until when. No network here."""

import json
import math
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import urlencode, urlsplit

# A clock that goes on while the machine sleeps. macOS has no BOOTTIME; its MONOTONIC counts sleep already.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_seconds() -> float:
    """Seconds on a clock that no one sets and that goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a clock that counts suspension (CLOCK_BOOTTIME, in seconds). Means nothing to another machine."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """So many seconds from now."""
        return cls(boot_seconds() + seconds)

    def left(self) -> float:
        """Seconds until then; 0 once it has passed."""
        return max(0.0, self.at - boot_seconds())

    def passed(self) -> bool:
        """Whether it is too late."""
        return self.left() == 0.0


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is never in memory whole: exactly `size` bytes, from the iterator that `open()` gives."""

    size: int
    open: Callable[[], AsyncIterator[bytes]] = field(repr=False)

    def __len__(self) -> int:
        return self.size


Piece = bytes | Stream
_NO_CHARACTERS = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart form: a field, or a file where `filename` is set."""

    name: str
    content: bytes | str | Stream = field(repr=False)
    filename: str | None = None
    mime: str | None = None


class Named(Enum):
    """Who named the address of a request; this decides where it may lead beside the public internet."""

    PLATFORM = "a platform's or an account's server: those that the operator set may be anywhere"
    OPERATOR = "the settings: where our files are, and ourselves"
    STRANGER = "a person or a remote answer: nowhere else"


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One request. At most one of `json`, `body`, `parts`, `form` is set; `form` is sent as a browser sends one without
    files. `largest_answer` bounds the answer's body in bytes.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    body: bytes | Stream | None = None
    parts: Sequence[Part] | None = None
    form: Mapping[str, str] | None = None
    largest_answer: int = 2_000_000
    named: Named = Named.PLATFORM

    def __repr__(self) -> str:
        return f"<Request {self.method} {_without_secrets(self.url)}>"


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What came back: status, headers (names in lower case), the whole body, and the address that answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Any:
        """The body as JSON, as far as any database could keep it: what is no character in it becomes a mark.

        Raises ValueError where it is none (proxies answer in HTML), and where it is nested beyond reading.
        """
        try:
            return _keepable(json.loads(self.body.decode("utf-8-sig")))
        except RecursionError:
            raise ValueError("nested too deeply") from None

    @property
    def text(self) -> str:
        """The body as text, whatever bytes it holds."""
        return plain(self.body.decode("utf-8", "replace"))

    def __repr__(self) -> str:
        return f"<Answer {self.status}, {len(self.body)} bytes, from {_without_secrets(self.url)}>"


def plain(text: str) -> str:
    """Text that any database and any answer can carry: NUL and halves of surrogate pairs become marks."""
    return _NO_CHARACTERS.sub("\ufffd", text)


def _keepable(value: Any) -> Any:
    match value:
        case str():
            return plain(value)
        case float():
            if not math.isfinite(value):
                raise ValueError("a number beyond all bounds")
        case list():
            return [_keepable(entry) for entry in value]
        case dict():
            return {plain(name): _keepable(entry) for name, entry in value.items()}
    return value


def body_of(request: Request) -> tuple[str | None, Sequence[Piece]]:
    """The request's content type, where the body decides it, and its body in pieces (large files are not copied).

    Raises ValueError where more than one of `json`, `body`, `parts` and `form` is set, or json cannot be written as JSON.
    """
    if sum(given is not None for given in (request.json, request.body, request.parts, request.form)) > 1:
        raise ValueError("a request has one body: json, body, parts or form")
    if request.json is not None:
        return "application/json", [json.dumps(request.json, ensure_ascii=False, allow_nan=False).encode()]
    if request.form is not None:
        return "application/x-www-form-urlencoded", [urlencode(request.form).encode()]
    if request.parts is not None:
        boundary = secrets.token_hex(16)
        return f"multipart/form-data; boundary={boundary}", list(_form(request.parts, boundary))
    return None, [request.body] if request.body else []


def streamed_bytes(request: Request) -> int:
    """How many bytes of its body come from streams: these may take longer than an ordinary call."""
    bodies = [request.body, *(part.content for part in request.parts or ())]
    return sum(body.size for body in bodies if isinstance(body, Stream))


def _form(parts: Sequence[Part], boundary: str) -> Iterator[Piece]:
    """multipart/form-data (RFC 7578), names escaped as browsers do (HTML standard, "multipart form data")."""
    opening = f"--{boundary}\r\n"
    for part in parts:
        head = f'{opening}Content-Disposition: form-data; name="{_escaped(part.name)}"'
        mime = part.mime
        if part.filename is not None:
            head += f'; filename="{_escaped(part.filename)}"'
            mime = mime or "application/octet-stream"
        if mime:
            if not mime.isprintable():
                raise ValueError("a content type is one printable line")
            head += f"\r\nContent-Type: {mime}"
        yield f"{head}\r\n\r\n".encode()
        yield part.content.encode() if isinstance(part.content, str) else part.content
        opening = f"\r\n--{boundary}\r\n"
    yield f"{opening.rstrip()}--\r\n".encode()


def _escaped(name: str) -> str:
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _without_secrets(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "?"
    return f"{parts.scheme}://{parts.hostname or '?'}{parts.path}"
