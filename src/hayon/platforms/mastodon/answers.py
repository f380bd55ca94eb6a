"""What an instance's unwelcome answers mean, as one table (mastodon: app/controllers/concerns/api/error_handling.rb).

Nothing is asked here and nothing tried again: an answer goes in, the platform error to raise comes out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from hayon.errors import Disconnected, PlatformError, RateLimited, Rejected, Unavailable, Unconfirmed
from hayon.outgoing import Answer

LONGEST_QUOTE = 300
"""Characters of an instance's own words that go into a message."""


class Doing(StrEnum):
    """What was asked for when the answer came; it decides whether a refusal says anything about a post."""

    READING = "reading"
    UPLOADING = "uploading"
    PUBLISHING = "publishing"


def error_of(
    answer: Answer, host: str, doing: Doing, *, now: datetime | None = None, sent_before: bool = False
) -> PlatformError:
    """The error that an answer other than the hoped-for one means.

    While publishing, a refusal proves absence only where the application itself refused (a JSON body, since proxies
    answer in HTML) with a status that it gives before it stores anything. `sent_before`: an earlier call with the same
    key was made. `now` is the reader's clock, by which the end of a rate limit is corrected.
    """
    words = words_of(answer)
    row = next(
        row
        for row in (_MASTODON if words is not None else _PROXY)
        if row.fits(answer.status, words or "", doing, sent_before)
    )
    said = f' ("{words}")' if words else f" (HTTP {answer.status})"
    message = row.message.format(
        host=host, said=said, what="the post" if doing is Doing.PUBLISHING else "a picture or video"
    )
    told: dict[str, Any] = {"code": words or "", "http_status": answer.status}
    told["proves_absence"] = doing is Doing.PUBLISHING and words is not None and row.error is not Unconfirmed
    if row.error is Disconnected:
        return Disconnected(message, health=row.health, **told)
    if row.error is RateLimited:
        return RateLimited(message, until=limit_ends_at(answer, now), **told)
    return row.error(message, **told)


def words_of(answer: Answer) -> str | None:
    """The instance's own words in an error, without control characters; None where it is no error of Mastodon's."""
    try:
        body = read_json(answer)
    except ValueError:
        return None
    if not isinstance(body, Mapping) or not isinstance(body.get("error"), str):
        return None
    more = body.get("error_description")
    words = body["error"] + (f": {more}" if isinstance(more, str) else "")
    return "".join(sign if sign.isprintable() else " " for sign in words)[:LONGEST_QUOTE].strip()


def read_json(answer: Answer) -> Any:
    """The body as JSON. Raises ValueError where it is none, and where it is nested beyond reading."""
    try:
        return answer.json()
    except RecursionError:
        raise ValueError("nested too deeply") from None


def limit_ends_at(answer: Answer, now: datetime | None) -> datetime | None:
    """When a rate limit ends, by our clock where the instance tells its own (`Date`); None where it does not say.

    Mastodon writes ISO 8601 (app/controllers/concerns/rate_limit_headers.rb), GoToSocial seconds since 1970.
    """
    reset, theirs = _moment(answer.headers.get("x-ratelimit-reset", "")), date_of(answer)
    if reset is not None:
        try:
            return now + (reset - theirs) if now and theirs else reset
        except OverflowError:
            return None  # a time beyond every calendar says nothing
    wait = answer.headers.get("retry-after", "")
    return now + timedelta(seconds=int(wait)) if now and _number(wait) and len(wait) < 7 else None


def date_of(answer: Answer) -> datetime | None:
    """The instance's own clock when it answered, to the second."""
    try:
        date = parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def moment_of(value: Any) -> datetime | None:
    """A time of the API (`created_at`) as an aware one; None for anything else."""
    return _moment(value) if isinstance(value, str) else None


def _moment(written: str) -> datetime | None:
    try:
        moment = datetime.fromtimestamp(int(written), UTC) if _number(written) else datetime.fromisoformat(written)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(written: str) -> bool:
    return written.isascii() and written.isdecimal()


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the table: which answers it is about, and what they mean. The first one that fits counts."""

    error: type[PlatformError]
    message: str
    statuses: Collection[int] = range(1000)
    sign: str = ""
    doing: Collection[Doing] = tuple(Doing)
    only_if_sent_before: bool = False
    health: str = ""

    def fits(self, status: int, words: str, doing: Doing, sent_before: bool) -> bool:
        return (
            status in self.statuses
            and self.sign in words.lower()
            and doing in self.doing
            and (sent_before or not self.only_if_sent_before)
        )


_LOOKS = "Hayon looks before it does anything else."
_ACCOUNT_STOPPED = "{host} does not let this account act{said}. Put that right there, then reconnect the account."
_NO_LONGER_ACCEPTED = "{host} no longer accepts the access token{said}. Reconnect the account with a new one."
_LIMIT = _Row(
    RateLimited,
    "{host} takes no more from this account for the moment{said}. It goes on by itself when the limit has passed.",
    {429},
)

_MASTODON = (
    _LIMIT,
    _Row(Disconnected, _NO_LONGER_ACCEPTED, {401}, "expired", health="expired"),
    _Row(Disconnected, _NO_LONGER_ACCEPTED, {401}, health="revoked"),
    _Row(
        Disconnected,
        "The access token for {host} lacks a permission that publishing needs. Make one with the scopes profile, "
        "read:statuses, write:statuses and write:media, and reconnect the account.",
        {403}, "scope", health="error",
    ),
    *(_Row(Disconnected, _ACCOUNT_STOPPED, {403}, sign, health="error")
      for sign in ("disabled", "confirmed e-mail", "pending", "suspended")),
    _Row(
        Disconnected,
        "The access token for {host} belongs to an app and not to a person. Reconnect with a token of the account.",
        {422}, "authenticated user", health="error",
    ),
    _Row(Unavailable, "{host} is still preparing the pictures or the video. It is tried again shortly.", {422}, "not finished processing"),
    # Either an earlier call landed and holds the files, or the instance threw them away: only a look can tell.
    _Row(
        Unconfirmed,
        "{host} says that pictures or video are gone or belong to a post already{said}, so an earlier try may have worked. "
        + _LOOKS,
        {422}, "already attached", {Doing.PUBLISHING},
    ),
    # The key was remembered, but the post it led to is gone (mastodon: app/services/post_status_service.rb).
    _Row(
        Unconfirmed,
        "{host} remembers an earlier try but does not find its post{said}; perhaps it was deleted. " + _LOOKS,
        {404, 410}, "", {Doing.PUBLISHING}, only_if_sent_before=True,
    ),
    _Row(
        Unavailable,
        "{host} does not offer what a Mastodon server offers{said}. Is it still the same server? It is tried again later.",
        {404, 410},
    ),
    _Row(
        Rejected, "{host} refused {what}{said}. Make a new post with what it asks for; this one can only be tried again as it is.",
        {400, 403, 406, 413, 415, 422}, "", {Doing.PUBLISHING, Doing.UPLOADING},
    ),
    _Row(
        Unconfirmed, "{host} failed while it took the post{said}, so it may or may not be live. " + _LOOKS,
        doing={Doing.PUBLISHING},
    ),
    _Row(Unavailable, "{host} cannot be used at the moment{said}. It is tried again later."),
)  # fmt: skip
"""Answers of the application itself: a JSON object with its words in `error`."""

_PROXY = (
    _LIMIT,
    _Row(
        Unconfirmed,
        "{host} answered with something that is no answer of Mastodon's{said}, so the post may or may not be live. "
        + _LOOKS,
        doing={Doing.PUBLISHING},
    ),
    _Row(Rejected, "{host} takes no file of this size. Use a smaller one.", {413}, "", {Doing.UPLOADING}),
    _Row(Unavailable, "{host} cannot be used at the moment: something in front of it answered{said}. It is tried again later."),
)  # fmt: skip
"""Answers of something else under that address."""
