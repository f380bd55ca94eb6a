"""Reading an error as the outcome of a try. No decision is made here: settle() decides what follows."""

from dataclasses import replace
from datetime import MINYEAR, UTC, datetime

from hayon.domain.lifecycle import Ended, Outcome
from hayon.domain.model import Receipt
from hayon.errors import (
    CredentialExpired,
    Disconnected,
    NotYet,
    PlatformError,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
    Unreachable,
)

ENDED: dict[type[PlatformError], Ended] = {
    Rejected: Ended.REJECTED,
    Disconnected: Ended.DISCONNECTED,
    CredentialExpired: Ended.EXPIRED,
    RateLimited: Ended.RATE_LIMITED,
    NotYet: Ended.NOT_YET,
    Unavailable: Ended.UNAVAILABLE,
    Unreachable: Ended.UNREACHABLE,
    Unconfirmed: Ended.UNCONFIRMED,
}


class StepEnded(Exception):
    """No error: a step ends the delivery early, with its outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


LONGEST_WORD = 2_000


def storable(outcome: Outcome, credential_version: int | None) -> Outcome:
    """The same outcome in words that every database takes: a platform's answer may hold anything.

    `credential_version` is that of the credential the try was made with.
    """
    receipt = outcome.receipt
    if receipt is not None:
        receipt = Receipt(
            _plain(receipt.remote_id), None if receipt.url is None else _plain(receipt.url), _sane(receipt.published_at)
        )
    return replace(
        outcome, message=_plain(outcome.message), code=_plain(outcome.code), receipt=receipt,
        credential_version=credential_version,
    )  # fmt: skip


def _plain(text: str) -> str:
    return text[:LONGEST_WORD].replace("\x00", "").encode("utf-8", "replace").decode()


def _sane(moment: datetime) -> datetime:
    """A time that a calendar holds in UTC; the nearest end of the calendar for one that does not."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if moment.year > MINYEAR else datetime.min.replace(tzinfo=UTC)


def is_foreseen(error: BaseException) -> bool:
    """Whether it tells by its kind what it means; any other is a mistake of ours, and is told to whoever runs Hayon."""
    return isinstance(error, StepEnded | PlatformError)


def read_error(error: BaseException, *, called: bool) -> Outcome:
    """What an error means. `called`: it came after the intent of this try, so only then may it prove an absence.

    An error nobody foresaw is `unavailable` before the intent and `unconfirmed` after it.
    """
    if isinstance(error, StepEnded):
        return error.outcome
    if isinstance(error, PlatformError):
        ended = next((ENDED[kind] for kind in type(error).__mro__ if kind in ENDED), Ended.UNAVAILABLE)
        if not called and ended is Ended.UNCONFIRMED:
            ended = Ended.UNAVAILABLE  # a read or an upload without an answer: nothing irreversible was asked for
        return Outcome(
            ended, error.message, error.code, error.http_status, called and error.proves_absence,
            until=error.until if isinstance(error, RateLimited) else None,
            of_app=isinstance(error, RateLimited) and error.of_app,
            guessed=isinstance(error, RateLimited) and error.guessed,
            wait_seconds=error.wait_seconds if isinstance(error, NotYet) else 0.0,
            health=error.health if isinstance(error, Disconnected) else None,
        )  # fmt: skip
    if called:
        return Outcome(
            Ended.UNCONFIRMED, "Something unforeseen happened after it was handed over.", type(error).__name__
        )
    return Outcome(Ended.UNAVAILABLE, "Something unforeseen happened on our side.", type(error).__name__)
