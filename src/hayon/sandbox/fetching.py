"""Media that a platform fetches itself from the address it is given: a real request over HTTP, bounded in size and time.

Private addresses are allowed: whoever posts to a sandbox runs on the same machine.
"""

import asyncio
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from hayon.sandbox.journal import Files
from hayon.sandbox.sniffing import Clip, Picture, clip_of, measure, sniff

CHUNK = 2**16
ANY = "application/octet-stream"
AGENT = "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"
"""As Meta's fetcher names itself (developers.facebook.com/docs/sharing/webmasters/web-crawlers)."""


class Failure(StrEnum):
    """Why nothing was fetched."""

    UNREACHABLE = "unreachable"
    """No such host, no connection, no whole answer in time, or no address at all."""
    STATUS = "status"
    """Answered with another status than 200."""
    PAGE = "page"
    """Answered, perhaps after a redirect, with a page for people."""
    TYPE = "type"
    """Answered with a file of another kind, or one that is declared to be of another."""
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was fetched and now lies among the world's files."""

    address: str
    """Where it was in the end."""
    status: int
    content_type: str
    """As it was declared, in small letters and without parameters; empty if it was not."""
    mime_type: str
    """As its bytes are."""
    size: int
    digest: str
    width: int | None
    """Of a picture or video whose bytes are whole; in pixels."""
    height: int | None
    seconds: float | None
    """How long a video is."""


@dataclass(frozen=True, slots=True)
class NotFetched:
    """What was not fetched. `said` is for the log of whoever looks for the reason."""

    failure: Failure
    said: str
    status: int | None = None


async def fetch(
    files: Files,
    address: str,
    accepted: Collection[str],
    *,
    most_bytes: int,
    most_seconds: float = 20.0,
    agent: str = AGENT,
) -> Fetched | NotFetched:
    """Fetch a file of one of the `accepted` MIME types, following redirects, and keep it. Never raises for a bad peer.

    The event loop goes on meanwhile: what was true of the world before may not be true afterwards.
    """
    got = await asyncio.to_thread(_got, address, frozenset(accepted), most_bytes, most_seconds, agent)
    if isinstance(got, NotFetched):
        return got
    files.put(got.content, got.fetched.digest)
    return got.fetched


@dataclass(frozen=True, slots=True)
class _Got:
    fetched: Fetched
    content: bytes


def _got(address: str, accepted: frozenset[str], most_bytes: int, most_seconds: float, agent: str) -> _Got | NotFetched:
    ends_at = time.monotonic() + most_seconds
    try:
        if urlsplit(address).scheme not in ("http", "https"):
            return NotFetched(Failure.UNREACHABLE, "the address is none of HTTP")
        request = urllib.request.Request(address, headers={"user-agent": agent, "accept": "*/*"})  # noqa: S310 - see above
        with _opener().open(request, timeout=most_seconds) as answer:
            status, reached = answer.status, answer.url
            declared = answer.headers.get("content-type", "").split(";")[0].strip().lower()
            if status != 200:
                return NotFetched(Failure.STATUS, f"answered {status}", status)
            if declared in ("text/html", "application/xhtml+xml"):
                return NotFetched(Failure.PAGE, f"{reached} is a page", status)
            if declared not in ("", ANY, *accepted):
                return NotFetched(Failure.TYPE, f"declared as {declared}", status)
            content = _read(answer, most_bytes, ends_at)
    except urllib.error.HTTPError as refused:
        refused.close()
        return NotFetched(Failure.STATUS, f"answered {refused.code}", refused.code)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return NotFetched(Failure.UNREACHABLE, str(error) or type(error).__name__)
    if content is None:
        return NotFetched(Failure.TOO_LARGE, f"over {most_bytes} bytes", status)
    mime_type = sniff(content)
    if mime_type is None or mime_type not in accepted:
        return NotFetched(Failure.TYPE, f"declared as {declared or 'nothing'}, is {mime_type or 'unknown'}", status)
    digest = Files.digest(content)
    shape: Picture | Clip | None
    shape = clip_of(content) if mime_type.startswith("video/") else measure(content, digest)
    return _Got(
        Fetched(
            reached,
            status,
            declared,
            mime_type,
            len(content),
            digest,
            shape.width if shape else None,
            shape.height if shape else None,
            shape.seconds if isinstance(shape, Clip) else None,
        ),
        content,
    )


def _read(answer: http.client.HTTPResponse, most_bytes: int, ends_at: float) -> bytes | None:
    """The whole body; None if it is too large. TimeoutError when it takes too long, IncompleteRead when it is cut."""
    declared = answer.length or 0
    if declared > most_bytes:
        return None
    content = bytearray()
    while chunk := answer.read1(CHUNK):
        content += chunk
        if len(content) > most_bytes:
            return None
        if time.monotonic() > ends_at:
            raise TimeoutError("it took too long")
    if len(content) < declared:
        raise http.client.IncompleteRead(bytes(content), declared - len(content))
    return bytes(content)


def _opener() -> urllib.request.OpenerDirector:
    """HTTP with redirects, and none of what urllib opens besides: files, FTP, the environment's proxies."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
    ):
        opener.add_handler(handler())
    return opener
