"""The process that owns a shared server: `python -m tests.servers.keeper postgres --run FOLDER --while PID`.

It starts the server, says in FOLDER/<kind>.json how to reach it, and ends it when PID ends or SIGTERM comes.
"""

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=sorted(_KINDS))
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--while", type=int, required=True, dest="owner")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        owner = os.pidfd_open(asked.owner)
    except ProcessLookupError:
        return
    try:
        with _KINDS[asked.kind](asked.run) as reachable:
            _say(asked.run, asked.kind, reachable)
            select.select([owner], [], [])
        shutil.rmtree(asked.run, ignore_errors=True)  # reached only when nobody is left to do it: SIGTERM exits above
    except Exception as problem:  # noqa: BLE001 - whatever it was, those who wait for the server are told
        traceback.print_exc()
        _say(asked.run, asked.kind, {"failed": str(problem)})


@contextlib.contextmanager
def _postgres(_run: Path) -> Iterator[dict[str, Any]]:
    from tests.servers.postgres import running_postgres

    with running_postgres() as server, _undisturbed():
        yield {"port": server.port, "password": server.address.password}


@contextlib.contextmanager
def _pds(run: Path) -> Iterator[dict[str, Any]]:
    from tests.servers.pds.server import running_pds

    with running_pds(run / "pds") as started, _undisturbed():
        pds = started.address
        accounts = [asdict(pds.new_account()) for _ in ("alice", "bob")]
        yield {"address": asdict(pds), "accounts": accounts}


@contextlib.contextmanager
def _rabbitmq(_run: Path) -> Iterator[dict[str, Any]]:
    from tests.servers.rabbitmq import running_rabbitmq

    with running_rabbitmq(["rabbitmq_management"]) as node, _undisturbed():
        yield {"address": asdict(node.address)}


@contextlib.contextmanager
def _rados(_run: Path) -> Iterator[dict[str, Any]]:
    from tests.servers.rados import running_rados

    with running_rados() as server, _undisturbed():
        yield {"address": asdict(server.address)}


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """From the end of its body on, no second SIGTERM breaks the tidying up."""
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


_KINDS: dict[str, Callable[[Path], AbstractContextManager[dict[str, Any]]]] = {
    "postgres": _postgres,
    "pds": _pds,
    "rabbitmq": _rabbitmq,
    "rados": _rados,
}


def _say(run: Path, kind: str, what: dict[str, Any]) -> None:
    unfinished = run / f"{kind}.unfinished"
    unfinished.write_text(json.dumps({**what, "keeper_pid": os.getpid()}))
    unfinished.rename(run / f"{kind}.json")


if __name__ == "__main__":
    main()
