"""Children made by fork: each takes one step of the matrix with everything imported already, and leaves its answer in a file.

Whoever forks must never have had an event loop of its own running, nor a thread.
"""

import ctypes
import gc
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOOK_EVERY_SECONDS = 0.004
_PR_SET_PDEATHSIG = 1


class ChildFailedError(Exception):
    """A child ended otherwise than it should have, or did not end. Carries its last words."""


@dataclass(slots=True)
class Child:
    """A process of ours. `status` is what waitpid told of its end; None while it has not ended."""

    pid: int
    answer: Path
    log: Path
    status: int | None = None

    def wait(self, within_seconds: float) -> Any:
        """What it answered. Raises ChildFailedError."""
        self._wait_until_gone(within_seconds)
        if self.status != 0:
            raise ChildFailedError(f"a child ended with {self.ending}:\n{self.words()}")
        return json.loads(self.answer.read_text(encoding="utf-8"))

    def wait_until_killed(self, within_seconds: float) -> bool:
        """True if it died by SIGKILL, as it was to; False if it ended in good order."""
        self._wait_until_gone(within_seconds)
        if self.status is not None and os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL:
            return True
        if self.status == 0:
            return False
        raise ChildFailedError(f"a child that was to be killed ended with {self.ending}:\n{self.words()}")

    def wait_until_stopped(self, within_seconds: float) -> bool:
        """True once it stands still; False if it ended in good order instead."""
        deadline = time.monotonic() + within_seconds
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                return True
            if pid:
                self.status = status
                if status == 0:
                    return False
                raise ChildFailedError(f"a child that was to stand still ended with {self.ending}:\n{self.words()}")
            time.sleep(_LOOK_EVERY_SECONDS)
        self.kill()
        raise ChildFailedError(f"a child did not come to its point within {within_seconds} s:\n{self.words()}")

    def go_on(self) -> None:
        """Lets one that stands still go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Ends it now. Harmless when it has ended."""
        if self.status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            _, self.status = os.waitpid(self.pid, 0)

    def words(self, most: int = 6000) -> str:
        """The end of all it has said."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-most:]

    @property
    def ending(self) -> str:
        """How it ended."""
        return "nothing yet" if self.status is None else f"exit code {os.waitstatus_to_exitcode(self.status)}"

    def _wait_until_gone(self, within_seconds: float) -> None:
        if self.status is not None:
            return
        watch = os.pidfd_open(self.pid)
        try:
            if not select.select([watch], [], [], within_seconds)[0]:
                self.kill()
                raise ChildFailedError(f"a child did not end within {within_seconds} s:\n{self.words()}")
            _, self.status = os.waitpid(self.pid, 0)
        finally:
            os.close(watch)


def fork(work: Callable[[], Any], name: Path) -> Child:
    """Does the work in a child, whose answer (anything that JSON holds) and words lie in files beside `name`.

    It dies with us, however we die.
    """
    answer, log = name.with_suffix(".json"), name.with_suffix(".log")
    answer.unlink(missing_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return Child(pid, answer, log)
    code = 70
    try:
        _settle_in(log, parent)
        told = work()
        unfinished = answer.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(told), encoding="utf-8")
        unfinished.rename(answer)
        code = 0
    except BaseException:  # noqa: BLE001 - a child never returns into its parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def freeze() -> None:
    """To be called once, when everything is imported: what is there already is shared by all children."""
    gc.collect()
    gc.freeze()


def _settle_in(log: Path, parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if os.getppid() != parent:
        os._exit(71)
    words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(words, 1)
    os.dup2(words, 2)
    os.close(words)
