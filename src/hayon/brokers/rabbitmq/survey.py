"""What can be seen of the broker at a glance: its version, what waits where and who listens. For people; changes nothing."""

from dataclasses import dataclass
from uuid import uuid4

from aiormq.exceptions import ConnectionCommandInvalid

from hayon.brokers.rabbitmq.connection import Link
from hayon.brokers.rabbitmq.topology import DEAD_LETTERS, PARKING_LOT, SOCIAL_POSTS, Topology, count
from hayon.brokers.rabbitmq.upkeep import is_there, visiting
from hayon.errors import BrokerUnreachable


@dataclass(frozen=True, slots=True)
class Survey:
    """`missing` are queues and exchanges that are not there; nothing is counted where one of these three queues is.

    `listening` counts connections of workers. `plugin`: whether there is the delayed message exchange; None: not asked.
    """

    version: str
    missing: tuple[str, ...]
    nothing_there: bool
    waiting: int = 0
    listening: int = 0
    parked: int = 0
    dead: int = 0
    plugin: bool | None = None

    def __str__(self) -> str:
        words = f"RabbitMQ {self.version}, {_counted(self.listening, 'listener')}"
        return f"{words}, {_counted(self.waiting, 'bell')} waiting, {self.parked} parked, {_counted(self.dead, 'dead letter')}"


async def survey(url: str, topology: Topology) -> Survey:
    """One look. Raises BrokerUnreachable, and Misconfigured where the broker does not let us in."""
    plugin = await _has_plugin(url) if topology.delayed else None
    async with visiting(url) as link:
        queues = [queue.name for queue in topology.queues if not await is_there(link, queue=queue.name)]
        exchanges = [one.name for one in topology.exchanges if not await is_there(link, exchange=one.name)]
        missing = (*exchanges, *queues)
        nothing_there = len(missing) == len(topology.queues) + len(topology.exchanges)
        if missing:
            return Survey(link.version, missing, nothing_there, plugin=plugin)
        waiting, listening = await _count(link, SOCIAL_POSTS)
        parked, dead = (await _count(link, PARKING_LOT))[0], (await _count(link, DEAD_LETTERS))[0]
        return Survey(link.version, (), nothing_there, waiting, listening, parked, dead, plugin)


async def _has_plugin(url: str) -> bool:
    """Asked by a passing exchange of its kind: without the plugin that ends the connection, so it is one of its own."""
    async with visiting(url) as link:
        try:
            async with link.passing_channel() as channel:
                passing = await channel.declare_exchange(
                    f"hayon_survey.{uuid4().hex}", "x-delayed-message", auto_delete=True,
                    arguments={"x-delayed-type": "topic"},
                )  # fmt: skip
                await passing.delete()
        except BrokerUnreachable as error:
            if isinstance(error.__cause__, ConnectionCommandInvalid):
                return False
            raise
    return True


async def _count(link: Link, queue: str) -> tuple[int, int]:
    async with link.passing_channel() as channel:
        return await count(channel, queue)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
