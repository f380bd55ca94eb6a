"""The vocabulary of events. emit() is the one place where an event becomes a log line and a number; it never raises.

`docs/operating.md` shows the table; a test holds it and EVENTS together. No event carries a secret or the words of a post.
"""

import traceback
from typing import Any

import structlog
from prometheus_client import Counter

from hayon.telemetry import metrics

EVENTS: dict[str, str] = {
    "house.started": "the process is ready",
    "house.stopped": "the process has stopped in good order",
    "request.answered": "our own API or a page answered (JSON only)",
    "request.unavailable": "an answer of our own API waited for a media store or a platform that could not be used",
    "request.failed": "an answer of our own API was an unforeseen error",
    "post.accepted": "a post was stored; everything that was answered with 2xx is there",
    "post.edited": "the author changed a post; older claims can no longer publish it",
    "post.cancelled": "the author cancelled one or more targets",
    "bell.rung_again": "a bell was not heard in time and is rung once more",
    "bell.stale": "a bell claimed nothing: stale, doubled, or of a busy account (JSON only)",
    "bell.unroutable": "the broker had no queue for a bell; the wiring is looked at again",
    "target.claimed": "a worker holds the lease of a target (JSON only)",
    "call.answered": "a platform or a media store answered a call of ours (JSON only)",
    "call.unanswered": "such a call had no whole answer; what that means is decided by its caller (JSON only)",
    "target.intended": "the intent is stored; the irreversible call follows",
    "target.unforeseen": "a step met an error that nobody foresaw; what that means for the target is stored all the same",
    "target.settled": "the end of one try is stored",
    "target.rescued": "the lease of a target ran out; the sweep took it back",
    "target.lease_lost": "a worker found that another owns the target by now",
    "target.receipt_kept": "a receipt arrived after its lease had ended; it settles all the same",
    "target.located": "the platform told the address of a published post that its answer had not named",
    "target.not_located": "the platform did not tell that address; it is asked again",
    "target.too_late": "a waiting target was later than its post allows and failed; its author gets one notice of all such",
    "target.parked": "a failed target stands in the parking lot",
    "letter.died": "a message could not be read or came back too often; it is among the dead letters",
    "account.connected": "an account was connected or reconnected",
    "account.refreshed": "a credential was refreshed",
    "account.not_renewed": "a credential that nobody uses could not be refreshed ahead of its end; it is tried again later",
    "account.not_pictured": "the picture of an account could not be copied; that is tried again a few times (JSON only)",
    "account.disconnected": "an account has to be reconnected by its owner",
    "allowance.unread": "how much is left on a platform was asked or told, and could not be read or kept; nothing waits for it",
    "account.given_up": "a person disconnected an account; the outcome says what became of its credential",
    "connection.begun": "somebody is sent to a platform's own page to let us in",
    "connection.ended": "somebody came back from there; the outcome says what came of it",
    "mail.sent": "the mail server took a mail",
    "mail.failed": "a mail was not taken; it is tried again over a day, unless the answer was final",
    "webhook.delivered": "a receiver took an event",
    "webhook.failed": "a receiver did not take an event; it is tried again over three days",
    "webhook.disabled": "a webhook failed for five days, or its receiver wants nothing more; its owner is told",
    "duty.failed": "a side duty of the process died; the process ends",
    "database.unreachable": "the database did not answer; workers take nothing until it does",
    "database.stalled": "a process stood still within a transaction; its session was ended, so that others can go on",
    "generation.unknown": "it cannot be told whether the database was restored from a backup; a start publishes nothing before it can",
    "broker.connected": "a link to the broker stands",
    "broker.unreachable": "the broker did not answer; bells wait",
    "media.unreachable": "the media store did not answer; its upkeep goes on when it does",
    "traces.unreachable": "the collector of traces did not take what it was sent; that part is lost",
    "post.summary_repaired": "a stored status differed from its targets; must never happen",
}

_ALSO_COUNTED: dict[str, Counter] = {
    "bell.rung_again": metrics.rerings,
    "bell.stale": metrics.claim_conflicts,
    "bell.unroutable": metrics.broker_returns,
}
"""Events that also have a number of their own."""

PLACES = 4
"""So many of the calls that led to an unforeseen error are told."""

_counters: dict[tuple[str, str, str], Counter] = {}
_log = structlog.get_logger("hayon")


def emit(event: str, /, *, level: str = "info", **facts: Any) -> None:
    """Tells one event of the vocabulary. Raises KeyError for a word that is not in it (a programming error)."""
    EVENTS[event]
    labels = (event, facts.get("platform", ""), str(facts.get("outcome", "")))
    counter = _counters.get(labels)
    if counter is None:
        counter = _counters[labels] = metrics.events.labels(*labels)
    counter.inc()
    if event in _ALSO_COUNTED:
        _ALSO_COUNTED[event].inc()
    if level == "debug" and not structlog.is_configured():
        return  # a command that speaks to a person in words of its own
    getattr(_log, level)(event, **facts)


def emit_unforeseen(event: str, /, error: BaseException, **facts: Any) -> None:
    """Tells of an error that nobody foresaw by its kind and its place, innermost first: its text may hold secrets."""
    calls = traceback.extract_tb(error.__traceback__)[-PLACES:]
    places = [f"{call.filename.rsplit('/', 1)[-1]}:{call.lineno} {call.name}" for call in reversed(calls)]
    emit(event, level="error", error=type(error).__name__, at=" < ".join(places), **facts)
