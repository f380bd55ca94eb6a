"""Everybody who is measured. The only place that knows them all."""

from collections.abc import Sequence

from bench.contest import Contestant
from bench.hayon import all_hayons
from bench.servers import Servers


def all_contestants(servers: Servers) -> Sequence[Contestant]:
    """Hayon in its three setups, then the peers; each finds its database and its broker in `servers`."""
    return [*all_hayons(servers), *peers(servers)]


def peers(servers: Servers) -> Sequence[Contestant]:
    """The peers alone; nobody where what they need is not installed (`requirements/install bench`)."""
    try:
        from bench.peers import all_peers
    except ModuleNotFoundError as error:
        if error.name != "bench.peers":
            raise
        return []
    found: Sequence[Contestant] = all_peers(servers)
    return found
