"""The vocabulary of events. emit() is the one place where an event becomes a log line and a metric; it never raises.

`docs/operating.md` shows the table; a test holds it and EVENTS together. No event carries a secret or the words of a post.
"""

import logging
import sys
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

EVENTS: dict[str, str] = {
    "house.started": "the process is ready",
    "house.stopped": "the process has stopped in good order",
    "post.accepted": "a post was stored; everything that was answered with 2xx is there",
    "post.edited": "the author changed a post; older claims can no longer publish it",
    "post.cancelled": "the author cancelled one or more targets",
    "target.claimed": "a worker holds the lease of a target",
    "target.intended": "the intent is stored; the irreversible call follows",
    "target.settled": "the end of one try is stored",
    "target.rescued": "the lease of a target ran out; the sweep took it back",
    "target.lease_lost": "a worker found that another owns the target by now",
    "target.receipt_kept": "a receipt arrived after its lease had ended; it settles all the same",
    "target.located": "the platform told the address of a published post that its answer had not named",
    "target.not_located": "the platform did not tell that address; it is asked again",
    "account.connected": "an account was connected or reconnected",
    "account.refreshed": "a credential was refreshed",
    "account.disconnected": "an account has to be reconnected by its owner",
    "duty.failed": "a side duty of the process died; the process ends",
    "database.unreachable": "the database did not answer; workers take nothing until it does",
    "database.stalled": "a process stood still within a transaction; its session was ended, so that others can go on",
    "media.unreachable": "the media store did not answer; its upkeep goes on when it does",
    "post.summary_repaired": "a stored status differed from its targets; must never happen",
    "request.unavailable": "an answer of our own API waited for a media store or a platform that could not be used",
    "request.failed": "an answer of our own API was an unforeseen error",
}

REGISTRY = CollectorRegistry()
_counted = Counter(
    "hayon_events", "Events by name, platform and outcome", ["event", "platform", "outcome"], registry=REGISTRY
)
lateness = Histogram(
    "hayon_lateness_seconds", "From due to claimed", registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600),
)  # fmt: skip
calls = Histogram("hayon_publish_seconds", "Duration of the irreversible call", ["platform"], registry=REGISTRY)
in_flight = Gauge("hayon_targets_in_flight", "Targets being delivered by this process", registry=REGISTRY)

_log = structlog.get_logger("hayon")


def emit(event: str, /, *, level: str = "info", **facts: Any) -> None:
    """Tells one event of the vocabulary. Raises KeyError for a word that is not in it (a programming error)."""
    EVENTS[event]
    _counted.labels(event, facts.get("platform", ""), str(facts.get("outcome", ""))).inc()
    getattr(_log, level)(event, **facts)


def set_up(style: str) -> None:
    """Console lines for people, or one JSON document per line for programs, on standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Any = structlog.processors.JSONRenderer(default=str)
    if style == "json":
        shared.append(structlog.processors.format_exc_info)
    else:
        last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=20)
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
