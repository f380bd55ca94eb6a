"""The full shape: pages, relays and workers in processes of their own, on PostgreSQL and RabbitMQ, as an operator starts them."""

import signal

from tests.acceptance.shape import Shape


def test_a_post_goes_through_three_processes(shape: Shape) -> None:
    shape.begin()
    account_id = shape.connect("ann")
    waiting = shape.post("Nobody is at work yet", account_id)
    shape.start("relay")
    shape.start("worker")
    shape.wait_for(waiting, "COMPLETED")
    shape.wait_for(shape.post("Everybody is at work", account_id), "COMPLETED")
    assert len(shape.sandbox.ledger("mastodon")) == 2
    for name in ("worker", "relay", "web"):
        assert shape.parts[name].stop(by=signal.SIGTERM) == 0, shape.parts[name].output()


def test_a_worker_that_is_asked_to_stop_finishes_what_it_has_begun_and_leaves_the_rest_to_another(shape: Shape) -> None:
    """SIGTERM loses no try: what was in flight has one receipt, what was not is tried by another, and nothing twice."""
    shape.begin()
    shape.start("relay")
    first = shape.start("worker", "first", HAYON_WORKER_SLOTS="4")
    shape.sandbox.control(
        "faults", {"platform": "mastodon", "operation": "createStatus", "kind": "delay", "seconds": 1.5, "count": 4}
    )
    posts = [shape.post(f"post {number}", shape.connect(f"a{number}")) for number in range(8)]
    first.wait_until(lambda: "target.intended" in first.output(), "a call", within_seconds=30)
    assert first.stop(by=signal.SIGTERM, within_seconds=30) == 0, first.output()
    assert "target.lease_lost" not in first.output()
    shape.start("worker", "second")
    for post_id in posts:
        shape.wait_for(post_id, "COMPLETED")
    told = [shape.ask(f"posts/{post_id}/status")["platformStatuses"] for post_id in posts]
    tries = [target["attemptCount"] for targets in told for target in targets]
    assert len(shape.sandbox.ledger("mastodon")) == 8
    assert max(tries) <= 2  # an interrupted one was handed back


def test_several_processes_that_do_everything_share_one_postgresql_without_rabbitmq(shape: Shape) -> None:
    shape.env["HAYON_BROKER_URL"] = "embedded://"
    shape.begin("serve")
    other = shape.start("serve", "other", HAYON_PORT="0")
    posts = [shape.post(f"post {number}", shape.connect(f"a{number}")) for number in range(6)]
    for post_id in posts:  # what it holds when it dies would be another's only after its lease
        shape.wait_for(post_id, "COMPLETED")
    shape.parts["serve"].kill9()
    shape.url = other.ready["url"]
    posts += [shape.post(f"later {number}", shape.connect(f"b{number}")) for number in range(2)]
    for post_id in posts:
        shape.wait_for(post_id, "COMPLETED")
    assert len(shape.sandbox.ledger("mastodon")) == 8
