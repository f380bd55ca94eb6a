"""The queues in RabbitMQ's own management API while posts go their ways: what fills, and what empties it. docs/rabbitmq.md says so."""

import io
import json
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import pytest
from PIL import Image

from tests.acceptance.shape import Shape
from tests.servers.processes import Process
from tests.servers.rabbitmq import RabbitAddress

STEP = "hayon_retry_queue.8s"
PROBES = 2
"""A relay that starts tries the queue itself and each step; workers throw away what comes of it."""
BROKEN = "not \x1b[31meven JSON"


@dataclass
class Page:
    """RabbitMQ's management page, as a program reads it. Its numbers are about a second old (five, in a node that is set up as it comes)."""

    address: RabbitAddress
    vhost: str
    clock: Process

    def count(self, queue: str) -> int:
        """How many are in it; -1 while a relay that starts has not made it yet."""
        there = {one["name"]: one.get("messages", 0) for one in self.address.manage("GET", f"queues/{self.vhost}")}
        return int(there.get(queue, -1))

    def wait_for(self, queue: str, count: int) -> None:
        self.clock.wait_until(lambda: self.count(queue) == count, f"{count} in {queue}", within_seconds=60)

    def publish(self, exchange: str, key: str, body: str) -> None:
        sent = {"properties": {}, "routing_key": key, "payload": body, "payload_encoding": "string"}
        assert self.address.manage("POST", f"exchanges/{self.vhost}/{exchange}/publish", sent) == {"routed": True}

    def first(self, queue: str) -> Any:
        """The first message, as the page shows it; it stays."""
        asked = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
        return self.address.manage("POST", f"queues/{self.vhost}/{queue}/get", asked)[0]


@pytest.fixture
def page(shape: Shape, rabbitmq: RabbitAddress, rabbitmq_vhost: str) -> Page:
    # no bell is rung twice while the page is behind
    shape.env |= {"HAYON_RETRY_STEPS": "8s,8s,8s", "HAYON_SWEEP_EVERY": "1s", "HAYON_BELL_WAIT": "5m"}
    shape.begin()
    return Page(rabbitmq, rabbitmq_vhost, shape.start("relay"))


def test_what_fills_and_what_empties(shape: Shape, page: Page) -> None:
    account_id = shape.connect("ann")

    # nobody delivers yet: the bell waits
    page.wait_for("hayon_social_posts", PROBES)
    waiting = shape.post("Nobody is at work yet", account_id)
    page.wait_for("hayon_social_posts", PROBES + 1)
    shape.start("worker")
    shape.wait_for(waiting, "COMPLETED")
    page.wait_for("hayon_social_posts", 0)

    # the platform answers 503, then is healed: the bell waits in the step between two tries
    plan(shape, kind="refuse", operation="uploadMedia", status=503, count=None)
    retried = shape.post("With a picture", account_id, content=picture(shape, "With a picture"))
    page.wait_for(STEP, 1)
    assert shape.ask(f"posts/{retried}/status")["status"] == "PROCESSING"
    heal(shape)
    shape.wait_for(retried, "COMPLETED")
    page.wait_for(STEP, 0)

    # the platform refuses one for good, and somebody sends what nobody can read
    plan(shape, kind="refuse", operation="createStatus", status=422, body={"error": "Not like this"})
    refused = shape.post("Refused at first", account_id)
    shape.wait_for(refused, "FAILED")
    page.publish("post_exchange", "post.create.mastodon", BROKEN)
    page.wait_for("hayon_parking_lot", 1)
    page.wait_for("hayon_dead_letters", 1)
    (parked,) = shape.ask("parking")["targets"]
    mirror = page.first("hayon_parking_lot")
    assert json.loads(mirror["payload"])["targetId"] == parked["targetId"]
    headers = mirror["properties"]["headers"]
    assert (headers["x-original-routing-key"], headers["x-retry-count"]) == ("post.create.mastodon", 1)
    assert headers["x-last-error"] == parked["error"]["message"]
    assert "Not like this" in headers["x-last-error"]
    assert headers["x-parked-at"]

    # both are emptied from our side; what is replayed goes out, once
    assert shape.ask("parking/replay", {"targetIds": [parked["targetId"]]})["targets"][0]["answer"] == "retrying"
    shape.wait_for(refused, "COMPLETED")
    page.wait_for("hayon_parking_lot", 0)
    page.publish("dlx_exchange", "dead", bell_of(parked))
    broken, readable = shape.ask("dead-letters")["letters"]
    assert (broken["body"], broken["bell"]) == ("not �[31meven JSON", None)
    assert readable["bell"]["targetId"] == parked["targetId"]
    told = shape.ask("dead-letters/replay", {"letterIds": [broken["letterId"], readable["letterId"]]})["letters"]
    assert [one["answer"] for one in told] == ["not_rung", "rung"]
    told = shape.ask("dead-letters/discard", {"letterIds": [broken["letterId"]]})["letters"]
    assert [one["answer"] for one in told] == ["discarded"]
    page.wait_for("hayon_dead_letters", 0)
    page.wait_for("hayon_social_posts", 0)

    texts = sorted(entry["text"] for entry in shape.sandbox.ledger("mastodon"))
    assert texts == ["Nobody is at work yet", "Refused at first", "With a picture"]


def test_a_discarded_target_leaves_the_mirror_and_stays_failed(shape: Shape, page: Page) -> None:
    shape.start("worker")
    plan(shape, kind="refuse", operation="createStatus", status=422, body={"error": "Not like this"})
    refused = shape.post("Refused", shape.connect("ann"))
    shape.wait_for(refused, "FAILED")
    page.wait_for("hayon_parking_lot", 1)
    (parked,) = shape.ask("parking")["targets"]
    assert shape.ask("parking/discard", {"targetIds": [parked["targetId"]]})["targets"][0]["answer"] == "discarded"
    page.wait_for("hayon_parking_lot", 0)
    assert shape.ask(f"posts/{refused}/status")["status"] == "FAILED"
    assert shape.ask("parking")["targets"] == []


def plan(shape: Shape, **fault: Any) -> None:
    shape.sandbox.control("faults", {"platform": "mastodon"} | fault)


def heal(shape: Shape) -> None:
    with urlopen(Request(f"{shape.sandbox.url}/control/faults", method="DELETE"), timeout=20):  # noqa: S310 - our own
        pass


def picture(shape: Shape, text: str) -> dict[str, Any]:
    """Content with an uploaded picture."""
    drawn = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(drawn, "PNG")
    body = drawn.getvalue()
    grant = shape.ask("media/uploads", {"mimeType": "image/png", "size": len(body), "name": "red.png"})
    url = grant["url"] if grant["url"].startswith("http") else f"{shape.url}{grant['url']}"
    with urlopen(Request(url, body, grant["headers"], method=grant["method"]), timeout=20):  # noqa: S310 - our own
        pass
    shape.ask(f"media/{grant['mediaId']}/complete", {})
    return {"text": text, "mediaItems": [{"mediaId": grant["mediaId"], "altText": "Red"}]}


def bell_of(parked: Any) -> str:
    """A bell that came back too often, say: its target has been delivered since, so it claims nothing."""
    told = {name: parked[name] for name in ("postId", "userId", "platform", "targetId")}
    return json.dumps(told | {"version": 1, "ring": 1, "timestamp": "2026-11-22T03:00:00+00:00", "correlationId": "r"})
