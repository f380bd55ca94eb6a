"""One server of a kind for a whole test run, however many xdist workers share it. The first who asks has it started.

The server belongs to a keeper, a process of its own that watches the test run's main process and ends with it, so
nothing is left running even when every pytest process is killed.
"""

import contextlib
import fcntl
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_START_WITHIN_SECONDS = 90
_STOP_WITHIN_SECONDS = 30


class SharedServerFailedError(Exception):
    """The keeper could not start the server; says what the server said."""


@dataclass(frozen=True)
class TestRun:
    """One call of pytest: its main process, and a folder where its workers meet."""

    __test__ = False

    folder: Path
    pid: int

    @classmethod
    def open(cls) -> "TestRun":
        """To be called once, by the main process. The folder is made when the first server is asked for."""
        return cls(Path(tempfile.gettempdir()) / f"hayon-tests-{secrets.token_hex(8)}", os.getpid())

    def get_shared(self, kind: str) -> dict[str, Any]:
        """What the keeper said about the server of this kind (see keeper.py); starts it for the first who asks.

        Raises SharedServerFailedError, to each who asks, when it did not start.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        said = self.folder / f"{kind}.json"
        with self._one_at_a_time(kind):
            if not said.exists():
                self._start_keeper(kind)
                _wait_for(said, log=self._log(kind))
        answer: dict[str, Any] = json.loads(said.read_text())
        if "failed" in answer:
            raise SharedServerFailedError(f"{kind}: {answer['failed']}")
        return answer

    def close(self) -> None:
        """Stops the keepers and with them their servers; returns when they are gone. For the main process."""
        for said in self.folder.glob("*.json"):
            _stop(json.loads(said.read_text())["keeper_pid"])
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def _one_at_a_time(self, kind: str) -> Iterator[None]:
        with (self.folder / f"{kind}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _start_keeper(self, kind: str) -> None:
        keeper = [sys.executable, "-m", "tests.servers.keeper", kind, "--run", str(self.folder)]
        with self._log(kind).open("wb") as log:
            subprocess.run(
                ["setsid", "--fork", *keeper, "--while", str(self.pid)],  # no child of the worker that asked first
                check=True,
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _log(self, kind: str) -> Path:
        return self.folder / f"{kind}.log"


def _wait_for(said: Path, *, log: Path) -> None:
    deadline = time.monotonic() + _START_WITHIN_SECONDS
    while not said.exists():
        if time.monotonic() > deadline:
            raise SharedServerFailedError(
                f"no word within {_START_WITHIN_SECONDS} s: {log.read_text(errors='replace')}"
            )
        time.sleep(0.01)


def _stop(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        watch = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(watch, signal.SIGTERM)
            select.select([watch], [], [], _STOP_WITHIN_SECONDS)
        finally:
            os.close(watch)
