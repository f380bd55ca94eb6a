"""Spans for a collector of traces, where the operator named one; else only their ids, for the log. Needs `hayon[traces]` then.

Names and attributes follow OpenTelemetry's conventions (open-telemetry/semantic-conventions: docs/messaging, docs/http).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from threading import Timer
from typing import TYPE_CHECKING, Any

from hayon.telemetry.traceparent import Trace, here, make_trace, read_traceparent
from hayon.telemetry.vocabulary import emit

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Tracer

Facts = Mapping[str, str | int]
"""What a span says of itself, by OpenTelemetry's names."""
_NOTHING: Facts = {}
_LINKS = 32
_END_SECONDS = 2.0
_tracer: "Tracer | None" = None


class Kind(StrEnum):
    """What a span is to its neighbours; OpenTelemetry's words."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"


class Span:
    """One piece of work. Where nothing is recorded, it knows its place in the trace and forgets the rest."""

    __slots__ = ("_recorded", "trace")

    def __init__(self, trace: Trace, recorded: Any = None) -> None:
        self.trace = trace
        self._recorded = recorded

    def tell(self, facts: Facts) -> None:
        """More about it."""
        if self._recorded is not None:
            self._recorded.set_attributes(facts)

    def rename(self, name: str) -> None:
        """Its name, where that is known only later."""
        if self._recorded is not None:
            self._recorded.update_name(name)

    def link(self, traceparent: str) -> None:
        """Work of another trace that this one goes back to. Nothing where that is no traceparent."""
        if self._recorded is not None:
            for link in _links([traceparent]):
                self._recorded.add_link(link.context)

    def fail(self, kind: str) -> None:
        """It failed. `kind` is the name of an error, never its text, which may hold anything."""
        if self._recorded is not None:
            from opentelemetry.trace import StatusCode

            self._recorded.set_status(StatusCode.ERROR)
            self._recorded.set_attribute("error.type", kind)


@contextmanager
def begin_span(
    name: str, kind: Kind, facts: Facts = _NOTHING, *, parent: Trace | None = None, links: Iterable[str] = (),
    recorded: bool = True,
) -> Iterator[Span]:  # fmt: skip
    """A span at the beginning of work: a new trace, or one that goes on with `parent`. What runs inside belongs to it.

    `links` are traceparents of other traces that this work goes back to. `recorded` False: nobody wants to see it.
    """
    if _tracer is None or not recorded:
        trace = parent or make_trace()
        token = here.set(trace)
        try:
            yield Span(trace)
        finally:
            here.reset(token)
        return
    with _recorded(name, kind, _context(parent), list(_links(links)), facts) as span:
        token = here.set(span.trace)
        try:
            yield span
        finally:
            here.reset(token)


@contextmanager
def open_child(name: str, kind: Kind, facts: Facts = _NOTHING) -> Iterator[Span | None]:
    """A span within the one at work; None where nothing is recorded."""
    if _tracer is None:
        yield None
        return
    with _recorded(name, kind, None, [], facts) as span:
        yield span


@contextmanager
def ring_together(destination: str, traceparents: Iterable[str]) -> Iterator[str]:
    """A window of bells is handed to the broker. Gives the traceparent they carry; "" where nothing is recorded.

    `traceparents` are those under which the posts were accepted.
    """
    if _tracer is None:
        yield ""
        return
    behind = list(traceparents)
    facts: Facts = {
        "messaging.system": "rabbitmq", "messaging.operation.name": "send", "messaging.operation.type": "send",
        "messaging.destination.name": destination, "messaging.batch.message_count": len(behind),
    }  # fmt: skip
    with begin_span(f"send {destination}", Kind.PRODUCER, facts, links=dict.fromkeys(behind)) as span:
        yield str(span.trace)


def set_up_traces(address: str, version: str) -> Callable[[], None]:
    """From now on spans are sent to a collector (OTLP over HTTP at `address`); what to call when the process ends.

    Sampling and headers are set by OpenTelemetry's own variables (OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS).
    Raises ModuleNotFoundError where `hayon[traces]` is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    told = logging.getLogger("opentelemetry")
    handler = _Telling()
    told.addHandler(handler)
    told.propagate = False
    provider = TracerProvider(
        resource=Resource.create({"service.name": "hayon", "service.version": version}), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(f"{address.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    record_with(provider.get_tracer("hayon", version))

    def end() -> None:
        record_with(None)
        enough = Timer(_END_SECONDS, exporter.shutdown)  # it would try a collector that is away again and again
        enough.start()
        provider.shutdown()
        enough.cancel()
        told.removeHandler(handler)

    return end


def record_with(tracer: "Tracer | None") -> None:
    """Spans are made by this tracer from now on; None: no more."""
    global _tracer  # noqa: PLW0603 - as the registry of numbers: one for the process
    _tracer = tracer


class _Telling(logging.Handler):
    """What the sender of spans complains of, in our own words: its own may hold an address with a password."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            emit("traces.unreachable", level="warning", reason=record.name)


@contextmanager
def _recorded(name: str, kind: Kind, context: "Context | None", links: "list[Link]", facts: Facts) -> Iterator[Span]:
    from opentelemetry.trace import SpanKind, use_span

    if _tracer is None:
        raise AssertionError("asked before")
    made = _tracer.start_span(name, context, SpanKind[kind], facts, links)
    ids = made.get_span_context()
    span = Span(Trace(f"{ids.trace_id:032x}", f"{ids.span_id:016x}", ids.trace_flags.sampled), made)
    with use_span(made, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield span
        except BaseException as error:
            span.fail(type(error).__name__)
            raise


def _context(parent: Trace | None) -> "Context":
    """Beneath a span of somebody else, or at the root, whatever is at work here."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    if parent is None:
        return Context()
    return set_span_in_context(NonRecordingSpan(_ids(parent)), Context())


def _links(traceparents: Iterable[str]) -> "Iterator[Link]":
    from opentelemetry.trace import Link

    for trace in [read for one in traceparents if (read := read_traceparent(one))][:_LINKS]:
        yield Link(_ids(trace))


def _ids(trace: Trace) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags

    flags = TraceFlags(TraceFlags.SAMPLED if trace.sampled else TraceFlags.DEFAULT)
    return SpanContext(int(trace.trace_id, 16), int(trace.span_id, 16), is_remote=True, trace_flags=flags)
