"""Where we are in a trace, and the header `traceparent` that says so to others. Nothing is recorded here.

W3C Trace Context, https://www.w3.org/TR/trace-context/. `tracestate` belongs to vendors and is not passed on.
"""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class Trace:
    """One span of one trace, by its ids in small hexadecimal letters. `sampled`: its beginner wants it recorded."""

    trace_id: str
    span_id: str
    sampled: bool = False

    def __str__(self) -> str:
        """The header that names it."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


here: ContextVar[Trace | None] = ContextVar("trace", default=None)


def find_trace() -> Trace | None:
    """The trace that what runs now belongs to; None outside of requests and deliveries."""
    return here.get()


def read_traceparent(header: str | None) -> Trace | None:
    """What a traceparent says; None for what is none. Later versions are read as far as version 00 goes, as the W3C asks."""
    found = _FORM.fullmatch((header or "").strip(" \t"))
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Trace(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def make_trace() -> Trace:
    """The beginning of a new trace that nobody records."""
    return Trace(secrets.token_hex(16), secrets.token_hex(8))
