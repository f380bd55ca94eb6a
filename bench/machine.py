"""The head of the page: the machine, the versions of everything, how fast the disk commits. Figures here are measured as well."""

import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
from tests.servers.postgres import _program
from tests.servers.rabbitmq import _script

ROOT = Path(__file__).resolve().parents[1]
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
OURS = ("hayon", "aiohttp", "aio-pika", "asyncpg", "fastapi", "sqlalchemy", "uvicorn", "uvloop")
PEERS = ("celery", "kombu", "gevent", "dramatiq", "taskiq", "taskiq-aio-pika", "procrastinate", "psycopg")
SYNCS = 200
BLOCK = b"x" * 8192


def describe() -> dict[str, str]:
    """By heading, as it is shown."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "measured": datetime.now(UTC).strftime("%d %B %Y"), "commit": _commit(),
        "processor": f"{_processor()}, {os.cpu_count()} cores", "memory": f"{memory:.0f} GiB",
        "system": f"{_system()}, Linux {platform.release()}", "disk": _disk(),
        "Python": platform.python_version(), "PostgreSQL": _said([str(_program("postgres")), "--version"], r"\d+\.\d+"),
        "RabbitMQ": _rabbitmq(), "SQLite": __import__("sqlite3").sqlite_version,
        "libraries": ", ".join(f"{name} {_version(name)}" for name in OURS if _version(name)),
        "peers": _peers() or "not installed",
    }  # fmt: skip


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    found = re.search(r'PRETTY_NAME="([^"]+)"', Path("/etc/os-release").read_text(encoding="utf-8"))
    return found[1] if found else platform.system()


def _disk() -> str:
    """How long it takes until 8 KiB more of a file are on the disk: what every commit waits for."""
    took = []
    with tempfile.NamedTemporaryFile(prefix="hayon-bench-") as file:
        for _ in range(SYNCS):
            file.write(BLOCK)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    ordered = sorted(took)
    return (
        f"fdatasync of 8 KiB more: median {statistics.median(ordered):.2f} ms, p99 {ordered[int(SYNCS * 0.99)]:.2f} ms"
    )


def _rabbitmq() -> str:
    # the package's folder carries it; asking the server itself would start a virtual machine
    found = re.search(r"rabbitmq_server-([\d.]+)", str(_script("rabbitmq-server")))
    return found[1] if found else "unknown"


def _said(command: list[str], pattern: str) -> str:
    found = re.search(pattern, subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found[0] if found else "unknown"


def _commit() -> str:
    """The commit, and whether what is measured differs from it; results that were just written do not count."""
    asked = [["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--", "src", "bench/*.py", "bench/peers"]]
    commit, changed = (
        subprocess.run(["git", "-C", str(ROOT), *one], check=False, capture_output=True, text=True).stdout.strip()
        for one in asked
    )
    return (commit or "no repository") + (" with changes" if changed else "")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return __import__("hayon").__version__ if name == "hayon" else ""


def _peers() -> str:
    if not PEERS_PYTHON.exists():
        return ""
    asked = (
        "import importlib.metadata as m, json, sys; "
        "print(json.dumps({d.metadata['Name'].lower(): d.version for d in m.distributions()}))"
    )
    said = subprocess.run([str(PEERS_PYTHON), "-c", asked], check=True, capture_output=True, text=True).stdout
    found = json.loads(said)
    return ", ".join(f"{name} {found[name]}" for name in PEERS if name in found)
