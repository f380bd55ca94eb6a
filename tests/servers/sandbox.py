"""Our own sandbox (`python -m hayon.sandbox`) as a process of its own, as tests and people start it."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.processes import Process, start


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox and the process it runs in."""

    url: str
    process: Process


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
