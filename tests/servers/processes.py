"""Child processes for tests: logged, awaited until ready, and never outliving the tests. Not a supervisor.

    server = start([sys.executable, "-m", "hayon", "serve"], log=tmp_path / "serve", env={...})
    server.ready["url"]; server.kill9(); server.stop()

Inside a test prefer the fixture `start_process`, which also kills what the test left running.
"""

import contextlib
import json
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A child is told of the death of the *thread* that started it, so all are started by one thread that lives as long
# as the interpreter. prctl(2), PR_SET_PDEATHSIG.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starts-processes")

# Both replace themselves with the program, so the pid is the program's own. The shell looks whether we died before setpriv
# had asked for the signal, which then never comes.
_UNLESS_ORPHANED = ["sh", "-c", '[ "$PPID" = "$0" ] || exit 1; exec "$@"']

_ROOT = Path(__file__).resolve().parents[2]
_THIS_TREE = (str(_ROOT / "src"), str(_ROOT))

_LOOK_EVERY_SECONDS = 0.01


class ProcessFailedError(Exception):
    """A child ended or kept silent where it should have become ready, or would not stop. Carries its last output."""


@dataclass
class Process:
    """A running child. `ready` is the JSON object it printed first ({} where none was asked for)."""

    argv: list[str]
    popen: subprocess.Popen[bytes]
    log: Path
    ready: dict[str, Any]

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def output(self) -> str:
        """All it has written so far: standard output, then standard error."""
        return "".join(path.read_text(errors="replace") for path in _log_files(self.log))

    def kill9(self) -> None:
        """Ends it as a power cut would, and returns when it is gone. Harmless when it is gone already."""
        self.popen.kill()
        self.wait()

    def stop(self, *, within_seconds: float = 15, by: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end and returns its exit code; raises ProcessFailedError (and kills it) when it does not."""
        with contextlib.suppress(ProcessLookupError):
            self.popen.send_signal(by)
        try:
            return self.wait(within_seconds=within_seconds)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise ProcessFailedError(_account(self, f"did not stop within {within_seconds} s")) from None

    def wait(self, *, within_seconds: float = 15) -> int:
        """Its exit code; negative for a signal. Raises subprocess.TimeoutExpired when it runs on."""
        code = self.popen.wait(timeout=within_seconds)
        if self.popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.popen.stdin.close()
        return code

    def wait_until(self, condition: Callable[[], bool], what: str, *, within_seconds: float = 30) -> None:
        """Looks every few milliseconds; raises ProcessFailedError when the child ends or the time is over first."""
        deadline = time.monotonic() + within_seconds
        while not condition():
            if not self.running and not condition():  # it may have done it with its last breath
                raise ProcessFailedError(_account(self, f"ended (exit code {self.popen.returncode}) before {what}"))
            if time.monotonic() > deadline:
                raise ProcessFailedError(_account(self, f"gave no sign within {within_seconds} s of {what}"))
            time.sleep(_LOOK_EVERY_SECONDS)


def start(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
    ready_within_seconds: float | None = 30,
    on_parent_death: signal.Signals = signal.SIGKILL,
) -> Process:
    """Starts a child and returns when it has printed one line that is a JSON object (`ready_within_seconds=None`: at once).

    `log` is a path without ending; `.out` and `.err` are written beside each other there. `env` is added to ours, from which
    HAYON_* is taken out. The child gets `on_parent_death` when we die, however we die, and the end of its
    standard input. `user` needs root.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    out, err = _log_files(log)
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("HAYON_")}
    surroundings["PYTHONPATH"] = os.pathsep.join(_THIS_TREE)  # never the Hayon of another checkout
    command = [str(part) for part in argv]
    guard = ["setpriv", "--pdeathsig", on_parent_death.name.removeprefix("SIG"), "--", *_UNLESS_ORPHANED]
    with out.open("ab") as stdout, err.open("ab") as stderr:
        seen_before = stdout.tell()
        popen: subprocess.Popen[bytes] = _starter.submit(
            lambda: subprocess.Popen(
                [*guard, str(os.getpid()), *command],
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env={**surroundings, **(env or {})},
                start_new_session=True,  # Ctrl-C reaches the tests only, which then stop their servers in order
                **_identity(user),
            )
        ).result()
    process = Process(command, popen, log, {})
    if ready_within_seconds is not None:
        try:
            process.wait_until(
                lambda: _find_ready_line(out, seen_before, process.ready),
                "its ready line",
                within_seconds=ready_within_seconds,
            )
        except ProcessFailedError:
            process.kill9()
            raise
    return process


def _identity(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _log_files(log: Path) -> tuple[Path, Path]:
    return log.with_name(log.name + ".out"), log.with_name(log.name + ".err")


def _find_ready_line(out: Path, start: int, ready: dict[str, Any]) -> bool:
    with out.open("rb") as written:
        written.seek(start)
        for line in written:
            if line.startswith(b"{") and line.endswith(b"\n"):
                with contextlib.suppress(json.JSONDecodeError):
                    ready.update(json.loads(line))
                    return True
    return False


def _account(process: Process, happened: str) -> str:
    return f"{process.argv} {happened}; its last output:\n{process.output()[-4000:]}"
