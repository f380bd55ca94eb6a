"""What Tumblr's unwelcome answers mean, as one table (tumblr/docs: api.md, "Errors and Error Subcodes").

Nothing is asked here and nothing tried again: an answer goes in, the platform error to raise comes out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from hayon.errors import (
    CredentialExpired,
    Disconnected,
    NotYet,
    PlatformError,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
)
from hayon.outgoing import Answer

LONGEST_QUOTE = 300
"""Characters of Tumblr's own words that go into a message."""
UPLOAD_FAILED = frozenset({8006, 8009})
"""Unknown upload errors, of which some are the file's fault."""
ANOTHER_VIDEO_SECONDS = 300.0
"""How long to leave a blog alone whose earlier video is still being transcoded: each new try sends the whole video again."""
DAY_LASTS = timedelta(hours=6)
"""How long a daily limit is believed at most. The day is a calendar day by Tumblr's own clock, and nobody documents its
time zone (tumblr/docs: api.md, "Rate Limits"): so it is asked again at midnight UTC, and every six hours.
"""


class Doing(StrEnum):
    """What was asked for when the answer came; it decides what a refusal says about a post."""

    READING = "reading"
    DRAFTING = "drafting"  # handing over a draft with its files: seen by nobody, repeatable
    PUBLISHING = "publishing"  # turning the draft into a post
    POSTING = "posting"  # making a post in one go


_CALLS = frozenset({Doing.PUBLISHING, Doing.POSTING})


@dataclass(frozen=True, slots=True)
class Said:
    """An error in Tumblr's own words; `code` is its subcode, 0 where there is none."""

    words: str
    code: int


def error_of(
    answer: Answer, doing: Doing, *, now: datetime | None = None, sent_before: bool = False, renewable: bool = False
) -> PlatformError:
    """The error that an answer other than the hoped-for one means.

    After the irreversible call a refusal proves absence only where Tumblr itself gave it (its envelope, since proxies
    answer in HTML), with a status it gives before it stores anything, and where no earlier call was made
    (`sent_before`). `renewable`: the credential can be refreshed. `now` is the reader's clock.
    """
    said = said_in(answer)
    code = said.code if said else 0
    row = next(row for row in (_TUMBLR if said else _PROXY) if row.fits(answer.status, code, doing, renewable))
    words = f' ("{said.words}")' if said and said.words else f" (HTTP {answer.status})"
    message = row.message.format(said=words)
    proof = doing in _CALLS and said is not None and row.error is not Unconfirmed and not sent_before
    if row.error is NotYet:
        waiting = NotYet(message, wait_seconds=ANOTHER_VIDEO_SECONDS)
        waiting.proves_absence = proof
        return waiting
    told: dict[str, Any] = {"code": f"{answer.status}.{code}" if code else "", "http_status": answer.status}
    told["proves_absence"] = proof
    if row.error is Disconnected:
        return Disconnected(message, health=row.health, **told)
    if row.error is RateLimited:
        ends = _day_ends_at(now) if row.daily else limit_ends_at(answer, now)
        return RateLimited(message, until=ends, guessed=row.daily, **told)
    return row.error(message, **told)


def said_in(answer: Answer) -> Said | None:
    """What Tumblr's envelope says of an error, without control characters; None where the answer is no such envelope."""
    try:
        body = read_json(answer)
    except ValueError:
        return None
    if not isinstance(body, Mapping) or not isinstance(body.get("meta"), Mapping):
        return None
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], Mapping) else {}
    words = next((one for one in (first.get("detail"), first.get("title"), body["meta"].get("msg")) if one), "")
    code = first.get("code")
    return Said(
        words="".join(sign if sign.isprintable() else " " for sign in str(words))[:LONGEST_QUOTE].strip(),
        code=code if isinstance(code, int) else 0,
    )


def read_json(answer: Answer) -> Any:
    """The body as JSON. Raises ValueError where it is none, and where it is nested beyond reading."""
    try:
        return answer.json()
    except RecursionError:
        raise ValueError("nested too deeply") from None


def limit_ends_at(answer: Answer, now: datetime | None) -> datetime | None:
    """When a rate limit ends: the longest of those that are used up; None where Tumblr does not say.

    `X-RateLimit-PerHour-Reset` and `-PerDay-Reset` are seconds from now (tumblr/docs issue 139).
    """
    spent = [
        seconds_in(answer, f"x-ratelimit-{span}-reset")
        for span in ("perday", "perhour")
        if seconds_in(answer, f"x-ratelimit-{span}-remaining") == 0
    ]
    known = [seconds for seconds in (*spent, seconds_in(answer, "retry-after")) if seconds is not None]
    return now + timedelta(seconds=max(known)) if now and known else None


def seconds_in(answer: Answer, header: str) -> int | None:
    """A number in a header, below a million; None where there is none."""
    written = answer.headers.get(header, "").strip()
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 7 else None


def _day_ends_at(now: datetime | None) -> datetime | None:
    if now is None:
        return None
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return min(midnight, now + DAY_LASTS)


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the table: which answers it is about, and what they mean. The first one that fits counts."""

    error: type[PlatformError]
    message: str
    statuses: Collection[int] = range(1000)
    codes: Collection[int] = ()
    doing: Collection[Doing] = tuple(Doing)
    only_if_renewable: bool = False
    health: str = ""
    daily: bool = False

    def fits(self, status: int, code: int, doing: Doing, renewable: bool) -> bool:
        return (
            status in self.statuses
            and (not self.codes or code in self.codes)
            and doing in self.doing
            and (renewable or not self.only_if_renewable)
        )


_LOOKS = "Hayon looks before it does anything else."
_REFUSALS = range(400, 500)
_LIMIT = _Row(
    RateLimited, "Tumblr takes no more for the moment{said}. It goes on by itself when the limit has passed.", {429}
)
_UNCLEAR = "Tumblr failed while it took the post{said}, so it may or may not be live. " + _LOOKS

_TUMBLR = (
    _LIMIT,
    _Row(CredentialExpired, "The connection to Tumblr has run out{said} and has to be renewed first.", {401}, only_if_renewable=True),
    _Row(Disconnected, "Tumblr no longer accepts this connection{said}. Reconnect the account.", {401}, health="revoked"),
    _Row(RateLimited, "Tumblr takes no more pictures or videos from this person today{said}. It goes on by itself tomorrow.",
         {403}, {8004, 8011}, daily=True),
    _Row(RateLimited, "Tumblr takes no more posts for this blog today{said}. It goes on by itself tomorrow.",
         {403}, {8022, 8023}, daily=True),
    _Row(NotYet, "Tumblr is still at work on an earlier video of this blog, and takes one at a time.", {403}, {8010}),
    # A draft that is gone may be live under another number: by an earlier call of ours, or by the author's own hand.
    _Row(Unconfirmed, "Tumblr no longer has the draft of this post{said}. It may be live by now. " + _LOOKS,
         {404, 410}, doing={Doing.PUBLISHING}),
    _Row(Disconnected, "Tumblr does not find this blog any more{said}. Was it deleted? Reconnect the account.",
         {404, 410}, doing={Doing.DRAFTING, Doing.POSTING}, health="error"),
    _Row(Disconnected, "Tumblr does not let this connection do that{said}. Put that right there, then reconnect the account.",
         {403}, doing={Doing.READING}, health="error"),
    _Row(Rejected, "Tumblr does not take a picture or video like this{said}. Save it in another format, or use another one.",
         {400}, {8005}),
    _Row(Rejected, "Tumblr refused the post{said}. Make a new post with what it asks for; this one can only be tried again as it is.",
         _REFUSALS, doing={Doing.DRAFTING, *_CALLS}),
    _Row(Unconfirmed, _UNCLEAR, doing=_CALLS),
    _Row(Unavailable, "Tumblr cannot be used at the moment{said}. It is tried again later."),
)  # fmt: skip
"""Answers of the application itself: a JSON object with `meta`, and often with `errors`."""

_PROXY = (
    _LIMIT,
    _Row(Unconfirmed, "Something in front of Tumblr answered{said}, so the post may or may not be live. " + _LOOKS,
         doing=_CALLS),
    _Row(Rejected, "Tumblr takes no file of this size. Use a smaller one.", {413}, doing={Doing.DRAFTING}),
    _Row(Unavailable, "Tumblr cannot be used at the moment: something in front of it answered{said}. It is tried again later."),
)  # fmt: skip
"""Answers of something else under that address."""
