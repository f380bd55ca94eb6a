"""Where people may be sent back to from a login page. Which addresses were registered is each platform's to remember."""

from collections.abc import Collection
from urllib.parse import urlsplit

AT_HOME = frozenset({"localhost", "127.0.0.1", "::1"})


def leads_home(uri: str, registered: Collection[str]) -> bool:
    """Whether it is an address that was registered, sign for sign, or any on this machine.

    The latter is this sandbox's own rule: nobody knows beforehand where a Hayon under test listens.
    """
    if uri in registered:
        return True
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.hostname in AT_HOME
