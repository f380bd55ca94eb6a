"""Everybody who is measured. The only place that knows them all."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from bench.contest import Contestant
from bench.servers import Servers
from bench.setups import all_hayons
from bench.ttl import Waiting


def all_contestants(servers: Servers) -> Sequence[Contestant]:
    """Hayon in its three setups, then the peers, and RabbitMQ's own delay; each finds its database and its broker in `servers`."""
    return [*all_hayons(servers), *peers(servers), Waiting(servers)]


def peers(servers: Servers) -> Sequence[Contestant]:
    """The peers alone; nobody where they are not."""
    if find_spec("bench.peers") is None:
        return []
    found: Sequence[Contestant] = import_module("bench.peers").all_peers(servers)
    return found
