"""The frame tells of each request: its trace, its correlation id, its line in the log; and what a post keeps of that."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from hayon import telemetry
from hayon.sandbox.world import World
from hayon.store.schema import posts
from hayon.telemetry import read_traceparent
from tests.web.house import House, Visitor, at_work
from tests.web.test_deciding import wait_for
from tests.web.test_posts import simple

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID = CALLER.split("-")[1]


async def kept(house: House) -> list[str]:
    """The traceparent of each post, the oldest first."""
    statement = sa.select(posts.c.traceparent).order_by(posts.c.id)
    return [row.traceparent for row in await house.hayon.database.read(lambda tx: tx.all(statement))]


def accepted() -> float:
    return telemetry.REGISTRY.get_sample_value("hayon_posts_accepted_total", {"platform": "bluesky"}) or 0.0


async def test_a_post_keeps_the_trace_of_the_request_that_made_it(house: House, ada: Visitor) -> None:
    assert (await ada.post("/api/posts", simple(), headers={"traceparent": CALLER})).status == 201
    assert await kept(house) == [CALLER]  # nothing of ours is recorded, so the caller's span is what it goes back to


@pytest.mark.parametrize("given", ["", "nonsense", CALLER.upper(), CALLER + "-more"])
async def test_without_a_callers_trace_a_new_one_begins(house: House, ada: Visitor, given: str) -> None:
    await ada.post("/api/posts", simple(), headers={"traceparent": given} if given else {})
    (trace,) = [read_traceparent(one) for one in await kept(house)]
    assert trace is not None
    assert (trace.trace_id != TRACE_ID, trace.sampled) == (True, False)


async def test_two_callers_traces_are_none(house: House, ada: Visitor) -> None:
    """https://www.w3.org/TR/trace-context/#traceparent-header: more than one is an invalid one."""
    headers = {**ada.headers, "Content-Type": "application/json", "Connection": "close"}
    cookies = "; ".join(f"{one.key}={one.value}" for one in ada.http.cookie_jar)
    body = b'{"content": {"text": "a"}, "draft": true}'
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{name}: {value}" for name, value in headers.items()] + [f"traceparent: {CALLER}"] * 2
    head = "\r\n".join(["POST /api/posts HTTP/1.1", f"Host: {host}:{port}", f"Cookie: {cookies}", *lines])
    writer.write(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    assert (await reader.read()).startswith(b"HTTP/1.1 201")
    writer.close()
    (trace,) = await kept(house)
    assert TRACE_ID not in trace


async def test_an_edit_is_what_the_post_goes_back_to(house: House, ada: Visitor) -> None:
    made = await ada.post("/api/posts", simple(scheduledAt="2027-01-01T00:00:00Z"), headers={"traceparent": CALLER})
    assert made.status == 201, made.text
    later = CALLER.replace("4bf9", "aaaa")
    changed = {"content": {"text": "Other words"}}
    answer = await ada.ask("PATCH", f"/api/posts/{made.json['postId']}", changed, headers={"traceparent": later})
    assert answer.status == 200
    assert await kept(house) == [later]


async def test_a_post_is_counted_once_for_each_account_and_when_it_is_handed_in(house: House, ada: Visitor) -> None:
    await house.account(ada, handle="eve.test")
    before = accepted()
    both = [one["accountId"] for one in (await ada.get("/api/accounts")).json["accounts"]]
    post = {"content": {"text": "To both"}, "accountIds": both}
    for _ in range(2):
        assert (await ada.post("/api/posts", post, headers={"Idempotency-Key": "k"})).status == 201
    assert accepted() - before == 2
    drafts = [(await ada.post("/api/posts", simple(draft=True))).json["postId"] for _ in range(2)]
    assert accepted() - before == 2
    await ada.post(f"/api/posts/{drafts[0]}/submit")
    assert accepted() - before == 3
    await ada.ask("PATCH", f"/api/posts/{drafts[1]}", {"draft": False})
    assert accepted() - before == 4
    await ada.ask("PATCH", f"/api/posts/{drafts[1]}", {"content": {"text": "Other words"}})
    assert accepted() - before == 4


async def test_each_answer_is_a_line_with_its_route_and_nothing_of_its_path(
    house: House, ada: Visitor, log: list[Any]
) -> None:
    log.clear()
    for path in ("/api/posts?cursor=geheim", "/media/files/geheim", "/geheim", "/healthz", "/static/frame.css"):
        await ada.get(path)
    lines = [(one["method"], one["route"], one["status"]) for one in log if one["event"] == "request.answered"]
    assert lines == [("GET", "/api/posts", 422), ("GET", "/media/files/{token}", 403), ("GET", "", 404)]
    assert "geheim" not in str(log)


async def test_a_request_is_a_span_beneath_its_callers(
    house: House, ada: Visitor, recorded: InMemorySpanExporter
) -> None:
    await ada.get("/api/posts?cursor=geheim", headers={"traceparent": CALLER})
    await ada.get("/healthz", headers={"traceparent": CALLER})
    (span,) = recorded.get_finished_spans()
    assert (span.name, span.kind) == ("GET /api/posts", SpanKind.SERVER)
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" == CALLER[3:-3]
    about: dict[str, Any] = dict(span.attributes or {})
    assert about == {
        "http.request.method": "GET", "http.route": "/api/posts", "http.response.status_code": 422,
    }  # fmt: skip


async def test_a_word_of_ones_own_is_no_method(house: House, recorded: InMemorySpanExporter) -> None:
    """Names of spans are few: strangers cannot make new ones."""
    assert (await house.visitor().ask("GEHEIM", "/api/posts")).status == 400
    assert recorded.get_finished_spans() == ()


async def test_a_try_is_linked_to_the_request_that_accepted_it(
    published: House, world: tuple[World, str], recorded: InMemorySpanExporter
) -> None:
    ada = await published.register()
    account = world[0].add_account("bluesky", "ada.test")
    given = {"identifier": "ada.test", "appPassword": account.secret}
    assert (await ada.post("/api/accounts/bluesky", given)).status == 201
    recorded.clear()
    made = await ada.post("/api/posts", simple(), headers={"traceparent": CALLER})
    async with at_work(published.hayon):
        await wait_for(ada, made.json["postId"], "completed")
    done = recorded.get_finished_spans()
    (request,) = [span for span in done if span.name == "POST /api/posts"]
    (delivery,) = [span for span in done if span.name == "deliver bluesky"]
    assert delivery.parent is None
    assert [link.context.span_id for link in delivery.links] == [request.context.span_id]
    assert (delivery.attributes or {})["hayon.status"] == "completed"
    calls = [
        span for span in done if span.kind is SpanKind.CLIENT and span.context.trace_id == delivery.context.trace_id
    ]
    assert [(call.attributes or {})["url.path"].rpartition("/")[2] for call in calls] == ["com.atproto.repo.putRecord"]
    assert calls[0].parent is not None
    assert calls[0].parent.span_id == delivery.context.span_id
    assert account.secret not in "".join(span.to_json() for span in done)
