"""What tests start never outlives them, whichever way they end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.processes import Process, ProcessFailedError, start

_SAYS_READY = "import json, sys, time; print(json.dumps({'n': 1}), flush=True); "
_ROOT = Path(__file__).resolve().parents[2]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_process_is_ready_when_it_says_so(start_process: Callable[..., Process]) -> None:
    process = start_process(sys.executable, "-c", "print('{not json', flush=True); " + _SAYS_READY + "time.sleep(60)")
    assert process.ready == {"n": 1}
    assert process.running
    process.kill9()
    assert process.popen.returncode == -signal.SIGKILL
    assert gone(process.pid)


def test_a_process_that_ends_before_it_is_ready_shows_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailedError, match=r"exit code 3(.|\n)*last words"):
        start(
            [sys.executable, "-c", "import sys; print('last words', file=sys.stderr); sys.exit(3)"],
            log=tmp_path / "log",
        )


def test_a_process_that_will_not_stop_is_killed_and_said_so(start_process: Callable[..., Process]) -> None:
    process = start_process(
        sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); " + _SAYS_READY + "time.sleep(60)"
    )
    with pytest.raises(ProcessFailedError, match="did not stop"):
        process.stop(within_seconds=0.1)
    assert gone(process.pid)


def test_a_process_does_not_inherit_our_settings(
    start_process: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAYON_FROM_A_DEVELOPERS_SHELL", "1")
    process = start_process(
        sys.executable,
        "-c",
        "import json, os; print(json.dumps({'seen': [n for n in os.environ if n.startswith('HAYON_')]}), flush=True)",
        env={"HAYON_FROM_THE_TEST": "1"},
    )
    assert process.ready == {"seen": ["HAYON_FROM_THE_TEST"]}


def test_a_child_dies_with_a_killed_parent(start_process: Callable[..., Process], tmp_path: Path) -> None:
    parent = start_process(
        *(sys.executable, "-c"),
        "import sys, json, time, pathlib; from tests.servers.processes import start; "
        f"child = start(['sleep', '60'], log=pathlib.Path({str(tmp_path / 'child')!r}), ready_within_seconds=None); "
        "print(json.dumps({'child': child.pid}), flush=True); time.sleep(60)",
        cwd=_ROOT,
    )
    child = parent.ready["child"]
    assert not gone(child)
    parent.kill9()
    until(lambda: gone(child))


def test_a_shared_server_ends_with_a_killed_run_and_leaves_nothing(start_process: Callable[..., Process]) -> None:
    run = start_process(
        *(sys.executable, "-c"),
        "import json, time; from tests.servers.shared import TestRun; run = TestRun.open(); "
        "told = run.get_shared('postgres'); assert told == run.get_shared('postgres'); "
        "print(json.dumps({**told, 'folder': str(run.folder)}), flush=True); time.sleep(60)",
        cwd=_ROOT,
    )
    keeper = psutil.Process(run.ready["keeper_pid"])
    servers = keeper.children(recursive=True)
    assert servers
    socket.create_connection((LOOPBACK, run.ready["port"]), timeout=5).close()
    run.kill9()
    until(lambda: gone(keeper.pid) and all(gone(server.pid) for server in servers))
    assert not Path(run.ready["folder"]).exists()


def test_a_shared_server_that_cannot_start_says_why_to_everyone(tmp_path: Path) -> None:
    asked = (
        "from tests.servers.shared import TestRun, SharedServerFailedError; run = TestRun.open()\n"
        "for _ in range(2):\n"
        "    try: run.get_shared('postgres')\n"
        "    except SharedServerFailedError as failed: print(failed)\n"
        "run.close()"
    )
    nowhere = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "TEST_POSTGRES_PROGRAMS": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", asked], cwd=_ROOT, env=nowhere, capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines() == [f"postgres: no initdb in {tmp_path}"] * 2


def test_free_ports_lie_below_the_ephemeral_range_and_are_free() -> None:
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    port = free_port()
    assert port < first_ephemeral
    with socket.socket() as listening:
        listening.bind((LOOPBACK, port))
