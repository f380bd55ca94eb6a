"""Our own sandbox (`python -m hayon.sandbox`) as a process of its own, as tests and people start it."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.servers.processes import Process, start


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox and the process it runs in."""

    url: str
    process: Process

    def add_account(self, platform: str, handle: str) -> dict[str, Any]:
        """A fresh simulated account, as its control API shows it: with all that one needs to connect it."""
        return dict(self.control("accounts", {"platform": platform, "handle": handle}))

    def ledger(self, platform: str) -> list[dict[str, Any]]:
        """What took effect there, the oldest first."""
        return list(self.control(f"ledger?platform={platform}")["entries"])

    def control(self, what: str, body: Any = None) -> Any:
        """Asks the control API, or tells it something."""
        sent = None if body is None else json.dumps(body).encode()
        asked = Request(f"{self.url}/control/{what}", sent, {"Content-Type": "application/json"})  # noqa: S310 - our own
        with urlopen(asked, timeout=20) as answer:  # noqa: S310 - our own
            return json.loads(answer.read() or b"{}")


@contextlib.contextmanager
def running_sandbox(log: Path, *, limits: str = "real") -> Iterator[Sandbox]:
    """Started for the length of a `with`. `limits` is "real" or "none"; `log` a path without ending,
    beside which it keeps its world."""
    world = log.with_name(log.name + "-world")
    process = start(
        [sys.executable, "-m", "hayon.sandbox", "--port", "0", "--limits", limits, "--path", world], log=log
    )
    try:
        yield Sandbox(process.ready["url"], process)
    finally:
        process.kill9()
