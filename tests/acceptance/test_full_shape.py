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
