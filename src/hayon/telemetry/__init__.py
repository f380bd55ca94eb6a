"""What Hayon tells of itself: events as log lines, numbers for Prometheus, and spans for whoever collects traces.

No event, number or span carries a secret or the words of a post.
"""

from hayon.telemetry.logs import set_up
from hayon.telemetry.metrics import (
    REGISTRY,
    accepted,
    bells_waiting,
    broker_returns,
    calls,
    claim_conflicts,
    events,
    in_flight,
    lateness,
    oldest_due,
    oldest_transaction,
    outcomes,
    parked,
    reconciled,
    rerings,
    targets,
    unaccounted,
)
from hayon.telemetry.spans import Kind, Span, begin_span, open_child, ring_together, set_up_traces
from hayon.telemetry.traceparent import Trace, find_trace, read_traceparent
from hayon.telemetry.vocabulary import EVENTS, emit, emit_unforeseen

__all__ = [
    "EVENTS", "REGISTRY", "Kind", "Span", "Trace", "accepted", "begin_span", "bells_waiting", "broker_returns", "calls",
    "claim_conflicts", "emit", "emit_unforeseen", "events", "find_trace", "in_flight", "lateness", "oldest_due", "oldest_transaction",
    "open_child", "outcomes", "parked", "read_traceparent", "reconciled", "rerings", "ring_together", "set_up", "set_up_traces",
    "targets", "unaccounted",
]  # fmt: skip
