"""What people would pick instead of Hayon, made into contestants. Each runs in .venv-bench, apart from Hayon."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.peers.peer import Peer
    from bench.servers import Servers


def all_peers(servers: "Servers") -> "Sequence[Peer]":
    """Each peer, whether it is installed or not."""
    from bench.peers.peer import Peer  # late: what runs beside a peer has none of Hayon's packages
    from bench.peers.recipes import RECIPES

    return [Peer(one, servers) for one in RECIPES]
