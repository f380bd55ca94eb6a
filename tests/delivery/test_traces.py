"""From the request over the bell to the try: who is linked to whom, where spans are recorded and where they are not."""

from datetime import timedelta

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from hayon.brokers.contract import Bell
from hayon.brokers.embedded import EmbeddedBroker
from hayon.delivery.ringing import Ringing
from hayon.telemetry import Kind, Trace, begin_span
from tests.delivery.scripted import House

CALLER = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)


async def ring_one(house: House) -> Bell:
    """A post accepted under the caller's trace, and the bell that is rung for it."""
    await house.connect("ann")
    with begin_span("POST", Kind.SERVER, parent=CALLER):
        await house.submit()
    broker = EmbeddedBroker()
    ringing = Ringing(
        house.database, broker, ["scripted"], window=10, wait=timedelta(seconds=5), look_ahead=timedelta(0),
        poll=timedelta(seconds=1), retry_steps=(),
    )  # fmt: skip
    assert await ringing.ring_due() == 1
    await broker.start_listening(10)
    (heard,) = await broker.hear(1)
    return heard.bell


async def test_a_bell_carries_the_trace_of_its_post_where_nothing_is_recorded(house: House) -> None:
    assert (await ring_one(house)).traceparent == str(CALLER)


async def test_a_try_is_linked_to_the_ring_and_the_ring_to_the_request(
    house: House, recorded: InMemorySpanExporter
) -> None:
    bell = await ring_one(house)
    (claim,) = await house.claim()
    await house.delivery.deliver(claim, rung_by=bell.traceparent)
    request, ring, delivery = recorded.get_finished_spans()
    assert [span.name for span in (ring, delivery)] == ["send hayon_social_posts", "deliver scripted"]
    assert (ring.kind, delivery.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert [link.context.span_id for link in ring.links] == [request.context.span_id]
    assert [link.context.span_id for link in delivery.links] == [ring.context.span_id, request.context.span_id]
    assert len({span.context.trace_id for span in (request, ring, delivery)}) == 3
    assert (delivery.attributes or {})["messaging.operation.type"] == "process"
    assert (delivery.attributes or {})["hayon.status"] == "completed"
