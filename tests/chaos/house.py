"""The full shape on a machine of its own: servers, processes that are started again whenever they end, and the links between them."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.plan import DEADLINE, LEASE, PARTS, SETTLES
from tests.matrix.kinds import STAGES
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.processes import Process, ProcessFailedError, start
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitNode, running_rabbitmq
from tests.servers.sandbox import Sandbox, running_sandbox

HAYON = (str(Path(sys.executable).with_name("hayon")),)
WITHOUT = (sys.executable, "-m", "tests.chaos.without")
SETTINGS = {
    "HAYON_SECRET_KEY": "a secret of these runs alone, and of no use elsewhere", "HAYON_LOG": "json",
    "HAYON_ALLOW_PRIVATE_ADDRESSES": "true", "HAYON_REGISTRATION": "open",
    "HAYON_LEASE": f"{LEASE}s", "HAYON_CALL_DEADLINE": f"{DEADLINE}s", "HAYON_COMMIT_DEADLINE": f"{DEADLINE}s",
    "HAYON_SETTLES_WITHIN": f"{SETTLES}s", "HAYON_SWEEP_EVERY": "1s", "HAYON_GRACE": "4s", "HAYON_WORKER_SLOTS": "16",
    "HAYON_RETRY_STEPS": "1s,2s,3s", "HAYON_PATIENCE": "0", "HAYON_LOOK_STEPS": "1s,2s,4s,8s", "HAYON_LOOKS_LAST": "30m",
}  # fmt: skip
_ON = "database"
_WATCH_SECONDS = 0.1
_UP_WITHIN_SECONDS = 60.0


@dataclass
class Part:
    """One process that is wanted: whenever it ends it is started again, as a supervisor of services would."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    ended: list[str] = field(default_factory=list)
    """Each time it ended though nobody ended it: its exit code and last words."""
    refused: int = 0
    """How often it did not come up, since what it needs was away."""
    starts: int = 0
    process: Process | None = None
    _held: float = 0.0
    _over: bool = False
    _up: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """From now on it is kept running."""
        self._thread = threading.Thread(target=self._keep, name=f"keeps-{self.name}", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until it is ready. Raises TimeoutError."""
        if not self._up.wait(_UP_WITHIN_SECONDS):
            raise TimeoutError(f"{self.name} did not come up: {self.words()}")

    def kill(self, away_seconds: float) -> None:
        """SIGKILL; it is started again after so long."""
        self._end(signal.SIGKILL, away_seconds)

    def ask(self, away_seconds: float) -> None:
        """SIGTERM: it may finish what it has begun."""
        self._end(signal.SIGTERM, away_seconds)

    def stand_still(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after so long."""
        self.wait()
        process = self.process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)

    def close(self) -> None:
        """Ends it for good."""
        self._over = True
        if self.process is not None:
            self.process.kill9()
        if self._thread is not None:
            self._thread.join()

    def words(self) -> str:
        """The last of what it wrote."""
        return self.process.output()[-1500:] if self.process is not None else "it never started"

    def _end(self, by: signal.Signals, away_seconds: float) -> None:
        self.wait()
        process = self.process
        if process is None:
            return
        self._held = time.monotonic() + away_seconds
        self._up.clear()
        with contextlib.suppress(ProcessFailedError):  # a graceful end may take longer where the database is away
            process.stop(by=by)
        self.wait()

    def _keep(self) -> None:
        while not self._over:
            if self.process is not None and self.process.running:
                time.sleep(_WATCH_SECONDS)
                continue
            if self.process is not None and self._up.is_set():
                self._up.clear()
                if not self._over:
                    self.ended.append(f"{self.name} ended by itself ({self.process.popen.returncode}): {self.words()}")
            if time.monotonic() < self._held or self._over:
                time.sleep(_WATCH_SECONDS)
                continue
            try:
                self.process = start(self.command, log=self.log, env=self.env)
            except ProcessFailedError:
                self.refused += 1
                time.sleep(5 * _WATCH_SECONDS)
            else:
                self.starts += 1
                self._up.set()
                if self._over:
                    self.process.kill9()


@dataclass
class House:
    """All of it. `ports` are those of the web processes, whose front sends platforms to one that is up."""

    folder: Path
    postgres: PostgresServer
    rabbit: RabbitNode
    sandbox: Sandbox
    database: str
    front: Proxy
    ports: dict[str, int]
    links: dict[tuple[str, str], Proxy]
    parts: dict[str, Part]

    @property
    def webs(self) -> list[str]:
        """Their addresses."""
        return [f"http://{LOOPBACK}:{port}" for port in self.ports.values()]

    @property
    def dsn(self) -> str:
        """Of the database, past every proxy: for the judge."""
        return self.postgres.url(self.database).replace("+asyncpg", "")

    def links_of(self, whom: str, server: str) -> list[Proxy]:
        """Of one part, or of all."""
        return [link for (part, to), link in self.links.items() if to == server and whom in {"all", part}]

    def turn_front(self, *, to: str = "", away: str = "") -> None:
        """Platforms fetch files from this web process, or from any but that one, as a load balancer would have it."""
        self.front.target_port = next(
            port for name, port in self.ports.items() if name == to or (away and name != away)
        )

    def log_lines(self, words: str) -> list[str]:
        """Whatever any part wrote with these words in it, in the order of its time."""
        found = []
        for log in sorted(self.folder.glob("*-?.*")):
            lines = log.read_text(errors="replace").splitlines()
            found += [(_time_of(line), f"{log.name}: {line}") for line in lines if words in line]
        return [line for _, line in sorted(found)]

    def count_events(self, name: str) -> int:
        """How often any part told of this event."""
        return len(self.log_lines(f'"{name}"'))


@contextlib.contextmanager
def running_house(folder: Path, without: str = "", settings: Mapping[str, str] | None = None) -> Iterator[House]:
    """Up and ready for the length of a `with`. `without` names what is taken out of Hayon (`without.py`)."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as beside:
        opening = beside.submit(stack.enter_context, running_rabbitmq())
        postgres = stack.enter_context(running_postgres())
        sandbox = stack.enter_context(running_sandbox(folder / "sandbox", limits="none"))
        database = postgres.address.create_database()
        ports = {name: free_port() for name in PARTS if name.startswith("web")}
        front = _proxy(stack, next(iter(ports.values())))
        env = SETTINGS | {
            "HAYON_DATA_DIR": str(folder / "data"), "HAYON_PUBLIC_URL": f"http://{LOOPBACK}:{front.port}",
            "HAYON_MASTODON_URL": f"{sandbox.url}/mastodon",
        }  # fmt: skip
        for stage in STAGES.values():
            env |= {name: value.replace("{sandbox}", sandbox.url) for name, value in stage.settings.items()}
        env |= settings or {}
        rabbit = opening.result()
        house = House(folder, postgres, rabbit, sandbox, database, front, ports, {}, {})
        migrated = start([*HAYON, "migrate"], log=folder / "migrate", ready_within_seconds=None,
                         env=env | {"HAYON_DATABASE_URL": postgres.url(database)})  # fmt: skip
        if migrated.wait(within_seconds=60):
            raise ProcessFailedError(migrated.output())
        hayon = (*WITHOUT, without) if without else HAYON
        for name in PARTS:
            kind = name.split("-", maxsplit=1)[0]
            link = house.links[name, _ON] = _proxy(stack, postgres.port)
            own = {"HAYON_DATABASE_URL": postgres.url(database).replace(f":{postgres.port}/", f":{link.port}/")}
            if kind == "web":
                own["HAYON_PORT"] = str(ports[name])
            else:
                link = house.links[name, "broker"] = _proxy(stack, rabbit.address.port)
                own["HAYON_BROKER_URL"] = rabbit.url.replace(f":{rabbit.address.port}/", f":{link.port}/")
            part = house.parts[name] = Part(name, (*hayon, kind), env | own, folder / name)
            stack.callback(part.close)
            part.begin()
        for part in house.parts.values():
            part.wait()
        yield house


def _proxy(stack: contextlib.ExitStack, port: int) -> Proxy:
    proxy = Proxy(port)
    stack.callback(proxy.close)
    return proxy


def _time_of(line: str) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        said = json.loads(line)
        return str(said.get("timestamp", said.get("time", "")))
    return ""
