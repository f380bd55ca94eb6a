"""Free TCP ports on 127.0.0.1 for servers that cannot be told to take port 0. No reservation: see `free_port`."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the kernel's ephemeral range (32768 and up), so that no outgoing connection of another test takes the port
# while its server is down, as it is for a moment in every crash test.
_FIRST, _LAST = 20_000, 32_000


def free_port() -> int:
    """A port nobody listens on now. Chosen at random: two tests asking at once hardly ever get the same one."""
    for _ in range(100):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - spread, not secrecy
        if _nobody_listens_on(port):
            return port
    raise RuntimeError(f"no free port found between {_FIRST} and {_LAST}")


def _nobody_listens_on(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
