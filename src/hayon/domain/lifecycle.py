"""The statuses, the legal moves between them, and the two functions that decide: settle() and summarize().

Nothing here reads or writes; the store carries out what is decided. `docs/lifecycle.md` shows the same tables, and a
test holds the two together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hayon.domain import pacing
from hayon.domain.allowance import LINED_UP
from hayon.domain.model import Receipt


class TargetStatus(StrEnum):
    """Where one target (one post on one account) stands."""

    PENDING = "pending"  # waits for its due time; a worker takes it from here
    PROCESSING = "processing"  # one worker holds the lease; that worker, or the sweep, takes it from here
    UNCONFIRMED = "unconfirmed"  # perhaps published; a worker looks again, or a person decides
    COMPLETED = "completed"  # a receipt is stored; nobody takes it from here
    FAILED = "failed"  # nothing is live; only its author takes it from here
    CANCELLED = "cancelled"  # nothing is live and nothing will be sent; nobody takes it from here


class PostStatus(StrEnum):
    """Where a whole post stands: always computed from its targets, never set by hand."""

    DRAFT = "DRAFT"
    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    PARTIAL_SUCCESS = "PARTIAL_SUCCESS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


T = TargetStatus
MOVES: dict[tuple[TargetStatus, TargetStatus], str] = {
    (T.PENDING, T.PROCESSING): "a worker claims it: due, and nobody else's",
    (T.PENDING, T.CANCELLED): "the author cancels",
    (T.PENDING, T.FAILED): "too late by the post's own rule; the account is gone",
    (T.PENDING, T.UNCONFIRMED): "the database was restored from a backup, and it was due since then",
    (T.PROCESSING, T.COMPLETED): "a receipt",
    (T.PROCESSING, T.PENDING): "not yet, rate limited, unavailable, worker stopped, lease expired before the intent",
    (T.PROCESSING, T.CANCELLED): "the author cancels while no intent is open; a stop was asked and nothing went live",
    (
        T.PROCESSING,
        T.UNCONFIRMED,
    ): "sent without a trustworthy answer; lease expired after the intent; still unclear; restored from a backup",
    (T.PROCESSING, T.FAILED): "rejected, disconnected, patience used up: only while no intent is unanswered",
    (T.UNCONFIRMED, T.PROCESSING): "claimed again, to reconcile first; a person permits one more look and try",
    (T.UNCONFIRMED, T.COMPLETED): "a person says: it is there",
    (T.UNCONFIRMED, T.FAILED): "a person says: it is not there, leave it",
    (T.UNCONFIRMED, T.CANCELLED): "a stop was asked, and a person says: it is not there",
    (T.FAILED, T.PENDING): "the author retries",
    (T.PENDING, T.COMPLETED): "a receipt from the call's own answer, however late",
    (T.FAILED, T.COMPLETED): "a receipt from the call's own answer, however late",
    (T.CANCELLED, T.COMPLETED): "a receipt from the call's own answer, however late",
    (T.COMPLETED, T.UNCONFIRMED): "its adopted copy turned out to be another target's",
}
ENDED = frozenset({T.COMPLETED, T.FAILED, T.CANCELLED})
MAY_HOLD_AN_OPEN_INTENT = frozenset({T.PROCESSING, T.UNCONFIRMED})


class Ended(StrEnum):
    """The closed set of what one try of a delivery can come to."""

    PUBLISHED = "published"  # the platform's own answer, or a copy found by reconcile
    NOT_YET = "not_yet"  # waiting, not failing; uncounted
    RATE_LIMITED = "rate_limited"  # the platform's own time; uncounted
    UNREACHABLE = "unreachable"  # nobody can reach the host; uncounted
    UNAVAILABLE = "unavailable"  # nothing happened; counted, the ladder applies
    EXPIRED = "expired"  # the credential has to be refreshed; counted, so that it cannot go round for ever
    REJECTED = "rejected"  # never like this
    DISCONNECTED = "disconnected"  # the account asks to be reconnected
    TOO_LATE = "too_late"  # by the post's own rule
    OVERTAKEN = "overtaken"  # edited, stopped or claimed by another while it was prepared; handed back, uncounted
    INTERRUPTED = "interrupted"  # the worker stops and hands back; uncounted
    UNCONFIRMED = "unconfirmed"  # perhaps it happened


class WaitsFor(StrEnum):
    """Whose rule it is that a target is not tried sooner."""

    SCHEDULE = "schedule"  # the time its author chose
    PLATFORM = "platform"  # a time that the platform named in its answer
    PAUSE = "pause"  # our own pause between tries or looks; the platform named no time
    ALLOWANCE = "allowance"  # its turn within what the platform lets its account do
    APP = "app"  # what the platform lets the app of this Hayon do, for all accounts together
    HOST = "host"  # nobody reaches the host; one target asks for all
    QUIET = "quiet"  # until then the platform may still show it, and not seeing it proves nothing
    PERSON = "person"  # a person is asked


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one try came to.

    `proves_absence`: the answer proves that nothing went live. `until` is the platform's own time (aware, UTC),
    `wait_seconds` a wish to wait. `planned`: it waits for its turn within an allowance that we know of, and no platform refused
    anything. `guessed`: that time is ours, for the platform named none. `of_app`: what limits it is the budget of the app, and so all accounts of the platform. `adopted` tells a copy found by looking from the call's own answer, `exact` that it was
    found by a handle no other target can share.
    """

    ended: Ended
    message: str = ""
    code: str = ""
    http_status: int | None = None
    proves_absence: bool = False
    until: datetime | None = None
    wait_seconds: float = 0.0
    planned: bool = False
    of_app: bool = False
    guessed: bool = False
    receipt: Receipt | None = None
    adopted: bool = False
    exact: bool = False
    health: str | None = None
    credential_version: int | None = None

    @property
    def waiting_for(self) -> str:
        """The kind of wait this is: rows of one kind are counted together."""
        return "allowance" if self.planned else str(self.ended)


@dataclass(frozen=True, slots=True)
class Standing:
    """What settle() must know of a target: counters so far, and whether an intent is unanswered.

    `doubted`: an earlier intent of this target ended otherwise than by a receipt or a proof of absence, so that no
    later refusal proves anything (a refusal of a repeat may mean that the first one landed).
    `restored`: the open intent comes from before a backup was restored, or is not known by it, so that no absence answers it.
    `first_wait_at` is when the present row of uncounted waits began, `waiting_for` of which kind they are; `due_at` what the row says now, which an edit may
    have moved.
    """

    intent_open: bool = False
    doubted: bool = False
    stop_asked: bool = False
    tries: int = 0
    waits: int = 0
    looks: int = 0
    first_try_at: datetime | None = None
    first_wait_at: datetime | None = None
    waiting_for: str = ""
    quiet_until: datetime | None = None
    due_at: datetime | None = None
    restored: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is written because of an outcome. `due_at` None on an unconfirmed target means: a person is asked.

    `waits_for` says whose rule `due_at` is; None where it is nobody's but its author's.
    """

    status: TargetStatus
    due_at: datetime | None = None
    answers_intent: bool = False
    tries: int = 0
    waits: int = 0
    looks: int = 0
    first_wait_at: datetime | None = None
    message: str = ""
    health: str | None = None
    waits_for: WaitsFor | None = None


def settle(standing: Standing, outcome: Outcome, now: datetime, patience: pacing.Patience) -> Settlement:
    """Decides what becomes of a target after one try.

    The one thing it must never get wrong: while an intent is unanswered, every way but a receipt or a proof of
    absence leads to `unconfirmed`.
    """
    if outcome.ended is Ended.PUBLISHED:
        return Settlement(T.COMPLETED, answers_intent=True, tries=standing.tries, looks=standing.looks)
    if standing.intent_open and not (outcome.proves_absence and not standing.doubted):
        return _unanswered(standing, outcome, now, patience)
    answered = standing.intent_open
    if standing.stop_asked:
        return Settlement(T.CANCELLED, answers_intent=answered, tries=standing.tries, message=outcome.message)
    match outcome.ended:
        case Ended.REJECTED | Ended.DISCONNECTED | Ended.TOO_LATE:
            tries = standing.tries + (outcome.ended is Ended.REJECTED)
            return Settlement(T.FAILED, None, answered, tries, message=outcome.message, health=outcome.health)
        case Ended.OVERTAKEN | Ended.INTERRUPTED:
            due_at, waits, since = standing.due_at or now, standing.waits, standing.first_wait_at
            return Settlement(T.PENDING, due_at, answered, standing.tries, waits, 0, since, outcome.message)
        case Ended.NOT_YET | Ended.RATE_LIMITED | Ended.UNREACHABLE:
            return _wait(standing, outcome, now, patience, answered)
        case _:
            return _climb(standing, outcome, now, patience, answered)


def _unanswered(standing: Standing, outcome: Outcome, now: datetime, patience: pacing.Patience) -> Settlement:
    looks = standing.looks + 1
    due_at = pacing.next_look(looks, standing.quiet_until, outcome.until, now, patience)
    if standing.restored and outcome.ended is Ended.UNCONFIRMED and looks > len(patience.look_steps):
        due_at = (
            None  # it happened long ago if at all: what was not found by now appears no more, and a person is asked
        )
    waits_for = None
    if due_at is not None:
        quiet = outcome.ended is Ended.UNCONFIRMED and due_at in {outcome.until, standing.quiet_until}
        waits_for = WaitsFor.QUIET if quiet else _whose_rule(outcome, due_at)
    return Settlement(
        T.UNCONFIRMED, due_at, False, standing.tries, standing.waits, looks,
        message=outcome.message, health=outcome.health, waits_for=waits_for,
    )  # fmt: skip


def _whose_rule(outcome: Outcome, due_at: datetime) -> WaitsFor:
    """Whose rule the time of the next try is. A pause of our own where that is longer than what the platform named, or shorter."""
    if outcome.planned:
        return WaitsFor.ALLOWANCE if outcome.code == LINED_UP else WaitsFor.APP
    if outcome.of_app:
        return WaitsFor.APP
    if outcome.ended is Ended.UNREACHABLE:
        return WaitsFor.HOST
    named = outcome.ended is Ended.RATE_LIMITED and not outcome.guessed and due_at == outcome.until
    return WaitsFor.PLATFORM if named else WaitsFor.PAUSE


def _wait(standing: Standing, outcome: Outcome, now: datetime, patience: pacing.Patience, answered: bool) -> Settlement:
    same = standing.waiting_for == outcome.waiting_for
    waits, since = standing.waits + 1, (standing.first_wait_at or now) if same else now
    longest = patience.longest_allowance if outcome.planned else {
        Ended.NOT_YET: patience.longest_not_yet,
        Ended.RATE_LIMITED: patience.longest_limit,
        Ended.UNREACHABLE: patience.longest_unreachable,
    }[outcome.ended]  # fmt: skip
    if now - since > longest or waits > patience.most_waits:
        message = f"{outcome.message} It stayed so for {_in_words(now - since)}, so this try ended."
        return Settlement(T.FAILED, None, answered, standing.tries, waits, first_wait_at=since, message=message)
    due_at = pacing.after_wait(
        waits if same else 1, outcome.until, outcome.wait_seconds, now, patience, planned=outcome.planned
    )
    return Settlement(
        T.PENDING, due_at, answered, standing.tries, waits, first_wait_at=since, message=outcome.message,
        waits_for=_whose_rule(outcome, due_at),
    )  # fmt: skip


def _climb(
    standing: Standing, outcome: Outcome, now: datetime, patience: pacing.Patience, answered: bool
) -> Settlement:
    tries = standing.tries + 1
    due_at = pacing.next_try(tries, standing.first_try_at or now, now, patience)
    if due_at is None:
        message = f"{outcome.message} {tries} tries were made, and patience ({_in_words(patience.lasts)}) is used up."
        return Settlement(T.FAILED, None, answered, tries, message=message)
    return Settlement(T.PENDING, due_at, answered, tries, message=outcome.message, waits_for=WaitsFor.PAUSE)


def _in_words(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {word}{'s' if count != 1 else ''}"
    return f"{seconds} seconds"


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """What summarize() must know of one target.

    `claimed`: a worker has had it at least once. `scheduled`: its post was accepted for a time ahead. `person_asked`: about
    an unconfirmed one, or about one that is held since a backup was restored.
    """

    status: TargetStatus
    claimed: bool = False
    scheduled: bool = False
    person_asked: bool = False


def summarize(targets: Iterable[TargetSummary]) -> tuple[PostStatus, bool]:
    """The status of a post from those of its targets, and whether a person is asked for something.

    Cancelled targets do not count unless all are cancelled.
    """
    every = list(targets)
    if not every:
        return PostStatus.DRAFT, False
    counted = [target for target in every if target.status is not T.CANCELLED]
    if not counted:
        return PostStatus.CANCELLED, False
    attention = any(target.person_asked for target in counted)
    statuses = {target.status for target in counted}
    if statuses == {T.PENDING} and not any(target.claimed for target in counted):
        scheduled = all(target.scheduled for target in counted)
        return (PostStatus.SCHEDULED if scheduled else PostStatus.PENDING), attention
    if statuses - ENDED:
        return PostStatus.PROCESSING, attention
    if statuses == {T.COMPLETED}:
        return PostStatus.COMPLETED, False
    if T.COMPLETED in statuses:
        return PostStatus.PARTIAL_SUCCESS, False
    return PostStatus.FAILED, False
