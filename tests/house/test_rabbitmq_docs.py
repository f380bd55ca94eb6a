"""docs/rabbitmq.md says of RabbitMQ what the code makes there: names, kinds, ways in and out, and the queues it explains."""

import re

from hayon.brokers.rabbitmq import Topology, lay_out
from hayon.brokers.rabbitmq.topology import DEFAULT_WAITING_STEPS, DELIVERY_LIMIT
from hayon.delivery.mirroring import MOST
from hayon.settings import Settings
from tests.house.tree import ROOT, table

DOCUMENT = "docs/rabbitmq.md"


def names_rows() -> list[list[str]]:
    """The table of names as it has to be, for each way of scheduling at once."""
    by_steps, by_plugin = _laid_out("ttl"), _laid_out("plugin")
    exchanges = {one.name: f"{one.kind} exchange" for one in (*by_steps.exchanges, *by_plugin.exchanges)}
    bindings = dict.fromkeys([*by_steps.bindings, *by_plugin.bindings])
    rows = [[f"`{name}`", kind, "", ""] for name, kind in exchanges.items()]
    for queue in by_steps.queues:
        ways_in = "; ".join(_way(one.exchange, one.key) for one in bindings if one.queue == queue.name)
        to, key = queue.arguments.get("x-dead-letter-exchange"), queue.arguments.get("x-dead-letter-routing-key")
        rows.append(
            [f"`{queue.name}`", f"{queue.arguments['x-queue-type']} queue", ways_in, _way(to, key) if to else ""]
        )
    return rows


def test_every_name_is_documented_as_it_is() -> None:
    assert table(DOCUMENT, "Names") == names_rows()


def test_every_queue_is_explained() -> None:
    """Of the waiting rooms the first and the last are named."""
    told = " ".join(row[0] for row in table(DOCUMENT, "What each queue means"))
    laid_out = _laid_out("ttl")
    between = {step.queue for step in laid_out.waiting[1:-1]}
    wanted = {queue.name for queue in laid_out.queues} - between
    stems = {"hayon_retry_queue", "hayon_waiting_room"}
    named = {name if name[0] != "." else f"{stem}{name}" for name in re.findall(r"`([\w.]+)`", told) for stem in stems}
    assert wanted <= named


def test_its_numbers_are_those_of_the_code() -> None:
    text = " ".join((ROOT / DOCUMENT).read_text(encoding="utf-8").split())
    assert f"delivery limit {DELIVERY_LIMIT}" in text
    assert text.count(f"the newest {MOST:,}") == 2


def _laid_out(schedule_via: str) -> Topology:
    return lay_out(Settings().retry_steps, DEFAULT_WAITING_STEPS, schedule_via, MOST)


def _way(exchange: str, key: str) -> str:
    return f"`{exchange}`: `{key}`"
