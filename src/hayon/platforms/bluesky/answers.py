"""Reads what a Bluesky server answers when it does not do as asked, and turns it into a platform error with its proof.

Errors come as `{"error": name, "message": text}` (atproto-website: specs/xrpc); proxies answer in HTML, and then nothing
can be concluded. Names: atproto: packages/pds/src/auth-verifier.ts, packages/pds/src/repo/prepare.ts,
packages/pds/src/actor-store/blob/transactor.ts, packages/xrpc-server/src/errors.ts.
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from hayon.errors import (
    CredentialExpired,
    Disconnected,
    PlatformError,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
)
from hayon.outgoing import Answer

NEW_APP_PASSWORD = "Make a new app password in Bluesky's settings and connect the account again."  # noqa: S105 - a sentence


def read_failure(answer: Answer, now: datetime | None = None) -> PlatformError:
    """What the answer to a repeatable call means, when it is not 200. Nothing was published by such a call."""
    name, words = name_and_words(answer)
    return _known(answer, name, words, now) or Unavailable(
        f"The Bluesky server is in trouble: it answered {_what(answer, name)}. "
        "Nothing was published, and there is nothing to change in the post.",
        code=name,
        http_status=answer.status,
        proves_absence=True,
    )


def read_publish_failure(answer: Answer, now: datetime) -> PlatformError:
    """What the answer to the one irreversible call means, when it is not 200.

    Only refusals that the server gives by name before it writes prove that nothing is live. A record under our key that
    differs (InvalidSwap, "already exists") may be an earlier try of ours, a 5xx may have come after the commit.
    """
    name, words = name_and_words(answer)
    if name == "InvalidSwap" or answer.status == 409 or "already exists" in f"{name} {words}".lower():
        return Unconfirmed(
            "Bluesky already has a post under this key, perhaps from an earlier try. Look at your profile.",
            code=name,
            http_status=answer.status,
        )
    return _known(answer, name, words, now) or Unconfirmed(
        f"The Bluesky server answered {_what(answer, name)} after it was handed the post, so it may be live or not. "
        "Look at your profile before publishing it again.",
        code=name,
        http_status=answer.status,
    )


def read_removal_failure(answer: Answer) -> PlatformError:
    """What the answer to deleting a post means, when it is not 200. A repeat does no harm."""
    name, words = name_and_words(answer)
    return _known(answer, name, words, None) or Unavailable(
        f"The Bluesky server answered {_what(answer, name)} when asked to delete the post. Try again later.",
        code=name,
        http_status=answer.status,
    )


def name_and_words(answer: Answer) -> tuple[str, str]:
    """The error's name and its text; both empty where the answer is no XRPC error."""
    try:
        body = read_json(answer)
    except ValueError:
        return "", ""
    if not isinstance(body, dict) or not isinstance(body.get("error"), str):
        return "", ""
    words = body.get("message")
    return body["error"], words if isinstance(words, str) else ""


def read_json(answer: Answer) -> Any:
    """The body as JSON. Raises ValueError where it is none, and where it is nested beyond reading."""
    try:
        return answer.json()
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_until(answer: Answer, now: datetime | None) -> datetime | None:
    """When a rate limit ends: `RateLimit-Reset` in Unix seconds, else `Retry-After` (atproto: packages/xrpc-server)."""
    reset = answer.headers.get("ratelimit-reset", "").strip()
    after = answer.headers.get("retry-after", "").strip()
    try:
        if reset.isascii() and reset.isdigit():
            return datetime.fromtimestamp(int(reset), UTC)
        if after.isascii() and after.isdigit():
            return None if now is None else now + timedelta(seconds=int(after))
        if after:
            return parsedate_to_datetime(after).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass  # a number or date no calendar knows says nothing
    return None


def _known(answer: Answer, name: str, words: str, now: datetime | None) -> PlatformError | None:
    """The error for an answer that proves by itself that the server did nothing; None for any other."""
    status = answer.status
    if status == 429:
        return RateLimited(
            "Bluesky asks to go slower: too many requests came from this account or server.",
            until=read_until(answer, now),
            code=name,
            proves_absence=True,
        )
    if not name or not (400 <= status < 500 or status == 501):
        return None
    if name in _ACCOUNT:
        return Disconnected(_ACCOUNT[name], health="error", code=name, http_status=status, proves_absence=True)
    if name == "ExpiredToken":
        return CredentialExpired(
            "The Bluesky session has run out and has to be renewed before anything can be published.",
            code=name,
            http_status=status,
            proves_absence=True,
        )
    if name == "BlobNotFound":
        return Unavailable(
            "Bluesky has already thrown away an uploaded picture or video; it has to be uploaded once more.",
            code=name,
            http_status=status,
            proves_absence=True,
        )
    if name in _SESSION or status in {401, 403}:
        return Disconnected(
            f"Bluesky no longer accepts this connection ({name}). {NEW_APP_PASSWORD}",
            code=name,
            http_status=status,
            proves_absence=True,
        )
    if name in _CONTENT or status == 413 or (status == 501 and name == "MethodNotImplemented"):
        return Rejected(_refusal(name, words, status), code=name, http_status=status, proves_absence=True)
    return None


_ACCOUNT = {
    "AccountTakedown": "Bluesky has taken this account down, so nothing can be published with it. Ask Bluesky's support.",
    "AccountSuspended": "Bluesky has suspended this account, so nothing can be published with it. Ask Bluesky's support.",
    "AccountDeactivated": "This Bluesky account is deactivated. Activate it again in the Bluesky app, then reconnect it.",
    "AccountNotFound": "This account is no longer on its Bluesky server: it was moved or deleted. Connect it again.",
}

_SESSION = {"InvalidToken", "AuthMissing", "AuthenticationRequired", "invalid_grant", "invalid_token"}

_CONTENT = {"InvalidRequest", "InvalidMimeType", "InvalidSize"}

# The first line's two wordings are those of PDS 0.5 and of 0.4.
_SENTENCES = (
    (r"too big .* at \$\.record\.text|record/text must not be longer",
     "The text is too long for Bluesky. Shorten it and try again."),
    (r"blob too big|file too large",
     "A picture or video is too large for this Bluesky server. Use a smaller one."),
    (r"takendown",
     "Bluesky has taken down one of these pictures or this video and does not take it again. Use another one."),
    (r"slur in record key",
     "Bluesky refuses the key chosen for this post. Write the post anew; it will get another one."),
)  # fmt: skip


def _refusal(name: str, words: str, status: int) -> str:
    """What the platform refuses, in words for the owner of the post."""
    for pattern, sentence in _SENTENCES:
        if re.search(pattern, words, re.IGNORECASE):
            return sentence
    if status == 413:
        return (
            "A picture, the video or the post is too large for this Bluesky server. Use a smaller one or fewer words."
        )
    if status == 501:
        return "This Bluesky server cannot do what is needed for this post. Ask the people who run it."
    if name in {"InvalidMimeType", "InvalidSize"}:
        return "Bluesky does not recognise an uploaded picture or video. Try again with another copy of it."
    told = words.removeprefix("Invalid app.bsky.feed.post record: ").strip().rstrip(".")[:300]
    return f'Bluesky refuses this post: "{told or name}". Change what it names and try again.'


def _what(answer: Answer, name: str) -> str:
    return f"HTTP {answer.status} ({name})" if name else f"HTTP {answer.status}"
