"""The numbers for Prometheus. None is labelled by account, post or person: those grow without end, and are nobody's business.

`docs/operating.md` shows the table; a test holds it and this file together. Each process counts what it does itself; what
`vitals.py` reads from the database is the same wherever it is read.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

UNKNOWN = float("nan")
"""What a number shows that could not be read: none rather than an old one."""

REGISTRY = CollectorRegistry()

# what this process did
events = Counter(
    "hayon_events", "the events below, counted", ["event", "platform", "outcome"], registry=REGISTRY
)  # fmt: skip
accepted = Counter(
    "hayon_posts_accepted", "posts taken in, once for each account they go to", ["platform"], registry=REGISTRY
)
lateness = Histogram(
    "hayon_lateness_seconds", "from due to claimed", registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600),
)  # fmt: skip
calls = Histogram(
    "hayon_publish_seconds", "duration of the irreversible call, and what came of it", ["platform", "outcome"],
    registry=REGISTRY,
)  # fmt: skip
outcomes = Counter(
    "hayon_outcomes", "the status a target had after each try", ["platform", "outcome"], registry=REGISTRY
)
reconciled = Counter(
    "hayon_reconcile", "looks for a post of which nobody knew whether it is there: found, absent or unclear",
    ["platform", "result"], registry=REGISTRY,
)  # fmt: skip
rerings = Counter("hayon_rerings", "bells that were not heard in time and were rung once more", registry=REGISTRY)
claim_conflicts = Counter(
    "hayon_claim_conflicts", "times that bells claimed nothing: stale, doubled, or of a busy account", registry=REGISTRY
)
broker_returns = Counter("hayon_broker_returns", "bells for which the broker had no queue", registry=REGISTRY)
in_flight = Gauge("hayon_targets_in_flight", "targets being delivered by this process", registry=REGISTRY)

# what the database and the broker say
targets = Gauge(
    "hayon_targets", "unfinished targets: pending, processing, unconfirmed (each up to 50,000)", ["status", "platform"],
    registry=REGISTRY,
)  # fmt: skip
oldest_due = Gauge(
    "hayon_oldest_due_seconds", "how long the longest waiting due target has waited", ["platform"], registry=REGISTRY
)
parked = Gauge("hayon_parking_lot", "failed targets that nobody has looked after yet (up to 50,000)", registry=REGISTRY)
unaccounted = Gauge(
    "hayon_unaccounted_posts",
    "posts accepted in the last day that are neither unfinished nor ended in any way; must be 0", registry=REGISTRY,
)  # fmt: skip
bells_waiting = Gauge("hayon_bells_waiting", "bells that nobody holds yet", registry=REGISTRY)
oldest_transaction = Gauge(
    "hayon_database_oldest_transaction_seconds", "age of PostgreSQL's oldest open transaction", registry=REGISTRY
)
for _unread in (parked, unaccounted, bells_waiting, oldest_transaction):
    _unread.set(UNKNOWN)
