"""Spans as OpenTelemetry records them: who is beneath whom, what is linked, and that no text of an error is in them."""

import asyncio
import http.server
import logging
import sys
import threading
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from hayon.outgoing import Outgoing, Request
from hayon.telemetry import Kind, Trace, begin_span, find_trace, open_child, read_traceparent, ring_together, spans
from tests.outgoing.peer import Peer, answer
from tests.servers.ports import free_port

CALLER = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)


def _trace_of(span: ReadableSpan) -> Trace:
    ids = span.get_span_context()
    assert ids is not None
    return Trace(f"{ids.trace_id:032x}", f"{ids.span_id:016x}", ids.trace_flags.sampled)


def _parent_of(span: ReadableSpan) -> str | None:
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def _links_of(span: ReadableSpan) -> list[tuple[str, str]]:
    return [(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") for link in span.links]


def test_a_request_goes_on_with_its_callers_trace(recorded: InMemorySpanExporter) -> None:
    with begin_span("POST", Kind.SERVER, {"http.request.method": "POST"}, parent=CALLER) as span:
        assert find_trace() == span.trace
        with open_child("GET", Kind.CLIENT, {"server.address": "example.org"}) as child:
            assert child is not None
            child.tell({"http.response.status_code": 200})
        span.rename("POST /api/posts")
    inner, outer = recorded.get_finished_spans()
    assert (outer.name, outer.kind, _parent_of(outer)) == ("POST /api/posts", SpanKind.SERVER, CALLER.span_id)
    assert (inner.kind, _parent_of(inner)) == (SpanKind.CLIENT, span.trace.span_id)
    assert {_trace_of(one).trace_id for one in (inner, outer)} == {CALLER.trace_id}
    assert dict(inner.attributes or {}) == {"server.address": "example.org", "http.response.status_code": 200}
    assert span.trace == _trace_of(outer)


def test_a_try_is_a_trace_of_its_own_linked_to_the_one_before(recorded: InMemorySpanExporter) -> None:
    """Wherever it is begun: here in the middle of a request."""
    with (
        begin_span("POST", Kind.SERVER, parent=CALLER),
        begin_span("deliver bluesky", Kind.CONSUMER, links=["", str(CALLER), "nonsense"]) as span,
    ):
        span.link(f"00-{'a' * 32}-{'b' * 16}-01")
        span.link("")
    delivery, _ = recorded.get_finished_spans()
    assert _parent_of(delivery) is None
    assert _trace_of(delivery).trace_id != CALLER.trace_id
    assert _links_of(delivery) == [(CALLER.trace_id, CALLER.span_id), ("a" * 32, "b" * 16)]


def test_a_failure_tells_its_kind_and_not_its_text(recorded: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="hunter2"), begin_span("work", Kind.INTERNAL):
        raise ValueError("the password is hunter2")
    (span,) = recorded.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert span.events == ()


def test_a_window_of_bells_is_one_span_linked_to_every_post(recorded: InMemorySpanExporter) -> None:
    accepted = [str(CALLER), f"00-{'a' * 32}-{'b' * 16}-00", "", str(CALLER)]
    with ring_together("hayon_social_posts", accepted) as traceparent:
        assert read_traceparent(traceparent) is not None
    (span,) = recorded.get_finished_spans()
    assert (span.name, span.kind, str(_trace_of(span))) == ("send hayon_social_posts", SpanKind.PRODUCER, traceparent)
    assert _links_of(span) == [(CALLER.trace_id, CALLER.span_id), ("a" * 32, "b" * 16)]
    assert (span.attributes or {})["messaging.batch.message_count"] == 4


def test_many_links_are_bounded(recorded: InMemorySpanExporter) -> None:
    with ring_together("somewhere", [f"00-{number:032x}-{'b' * 16}-01" for number in range(1, 1000)]):
        pass
    (span,) = recorded.get_finished_spans()
    assert len(span.links) == 32


async def test_a_call_out_is_a_span_without_secrets_and_carries_no_traceparent(recorded: InMemorySpanExporter) -> None:
    outgoing = Outgoing(identity="Hayon/test", allow_private_addresses=True)
    async with Peer(answer) as peer:
        with begin_span("deliver bluesky", Kind.INTERNAL) as span:
            await outgoing.send(
                Request("GET", f"{peer.url}/v1/{'k' * 60}/thing?token=geheim", {"Authorization": "geheim"})
            )
        (arrived,) = peer.requests
    await outgoing.aclose()
    call, _ = recorded.get_finished_spans()
    assert _parent_of(call) == span.trace.span_id
    assert (call.attributes or {})["url.path"] == "/v1/…/thing"
    assert "geheim" not in str(call.to_json())
    assert "traceparent" not in {name.lower() for name in arrived.headers}


async def test_traces_of_tasks_side_by_side_do_not_mix(recorded: InMemorySpanExporter) -> None:
    async def deliver(number: int) -> tuple[str, str]:
        with begin_span(f"deliver {number}", Kind.INTERNAL) as span:
            await asyncio.sleep(0)
            with open_child("call", Kind.CLIENT):
                await asyncio.sleep(0)
            found = find_trace()
            assert found is not None
            return span.trace.trace_id, found.trace_id

    for mine, found in await asyncio.gather(*(deliver(number) for number in range(20))):
        assert mine == found
    done = recorded.get_finished_spans()
    assert len({_trace_of(span).trace_id for span in done}) == 20
    roots = {_trace_of(span).span_id: _trace_of(span).trace_id for span in done if span.parent is None}
    assert [roots[str(_parent_of(span))] for span in done if span.parent] == [
        _trace_of(span).trace_id for span in done if span.parent
    ]


def test_spans_reach_a_collector() -> None:
    """By the real sender, over OTLP, as a collector reads it."""
    got: list[ExportTraceServiceRequest] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                got.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        end = spans.set_up_traces(f"http://127.0.0.1:{server.server_address[1]}/", "1.2.3")
        with begin_span("deliver bluesky", Kind.INTERNAL) as span:
            pass
        end()
        server.shutdown()
    (sent,) = [
        one for part in got for resource in part.resource_spans for scope in resource.scope_spans for one in scope.spans
    ]
    assert (sent.name, sent.trace_id.hex()) == ("deliver bluesky", span.trace.trace_id)
    about = {one.key: one.value.string_value for one in got[0].resource_spans[0].resource.attributes}
    assert (about["service.name"], about["service.version"]) == ("hayon", "1.2.3")


def test_a_collector_that_is_away_is_an_event_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(spans, "emit", lambda event, **facts: told.append((event, facts)))
    end = spans.set_up_traces(f"http://me:geheim@127.0.0.1:{free_port()}", "1.2.3")
    with begin_span("deliver bluesky", Kind.INTERNAL):
        pass
    logging.getLogger("opentelemetry.exporter").warning("cannot reach %s", "http://me:geheim@collector")
    began = time.monotonic()
    end()
    assert time.monotonic() - began < 5  # of itself it would try for ten seconds
    assert {event for event, _ in told} == {"traces.unreachable"}
    assert "geheim" not in str(told)


def test_without_the_packages_it_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ModuleNotFoundError):
        spans.set_up_traces("http://127.0.0.1:4318", "1.2.3")
    with open_child("call", Kind.CLIENT) as child:
        assert child is None
