"""A private RabbitMQ node for tests, made from Debian's package: loopback only, an epmd of its own, everything in one
temporary folder. Knows nothing of Hayon. Not for production."""

import base64
import contextlib
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.processes import Process, ProcessFailedError, start

_USER = "guest"  # made by the server itself, also after its data was wiped
_CONFIGURATION = """
listeners.tcp.1 = {host}:{port}
management.tcp.ip = {host}
management.tcp.port = {management_port}
loopback_users = none
collect_statistics_interval = 1000
log.file.level = warning
log.console = false
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
raft.wal_max_size_bytes = 32000000
"""
_READY_WITHIN_SECONDS = 60


class RabbitMissingError(Exception):
    """No RabbitMQ programs here."""


@dataclass(frozen=True)
class RabbitAddress:
    """Where a node listens, and what can be asked of it from any process. `management_port` is 0 where it has no such plugin."""

    port: int
    management_port: int

    def url(self, vhost: str = "/") -> str:
        return f"amqp://{_USER}:{_USER}@{LOOPBACK}:{self.port}/{quote(vhost, safe='')}"

    @property
    def management_url(self) -> str:
        """The address of the management page; its API is below /api (user and password: guest)."""
        return f"http://{LOOPBACK}:{self.management_port}"

    def new_vhost(self) -> str:
        """Makes an empty vhost and returns its name."""
        vhost = f"test-{secrets.token_hex(6)}"
        self.manage("PUT", f"vhosts/{vhost}")
        return vhost

    def drop_vhost(self, vhost: str) -> None:
        """Drops it with all its queues and whoever is still connected to it."""
        self.manage("DELETE", f"vhosts/{vhost}")

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the management API. Raises AssertionError where it is refused."""
        connection = http.client.HTTPConnection(LOOPBACK, self.management_port, timeout=30)
        key = base64.b64encode(f"{_USER}:{_USER}".encode()).decode()
        headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
        try:
            connection.request(method, f"/api/{path}", None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status < 300, f"{method} {path}: {answer.status} {said.decode(errors='replace')}"
            return json.loads(said) if said else None
        finally:
            connection.close()


class RabbitNode:
    """A node of one's own: one folder and one set of ports for its whole life, however often it is killed and started."""

    def __init__(self, folder: Path, plugins: Sequence[str]) -> None:
        self.folder = folder
        self._plugins = tuple(plugins)
        self._epmd: Process | None = None
        self._process: Process | None = None
        self._starts = 0
        self.address = RabbitAddress(0, 0)

    @classmethod
    def create(cls, plugins: Sequence[str] = ()) -> Self:
        """Started and ready: four to six seconds. Raises RabbitMissingError."""
        _script("rabbitmq-server")
        for tries_left in (2, 1, 0):
            node = cls(Path(tempfile.mkdtemp(prefix="hayon-rabbitmq-")), plugins)
            try:
                node._settle()
                node.start()
            except BaseException as failed:
                node.close()
                taken = isinstance(failed, ProcessFailedError) and "address already in use" in str(failed)
                if not tries_left or not taken:
                    raise
            else:
                return node
        raise AssertionError("unreachable")

    @property
    def url(self) -> str:
        """Of its default vhost, which is there also after `wipe`."""
        return self.address.url()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    def start(self) -> None:
        """Starts it and returns when it takes connections."""
        assert self._process is None, "the node runs already"
        self._start_epmd()
        self._starts += 1
        process = start(
            [_script("rabbitmq-server")],
            log=self.folder / f"start-{self._starts}",
            # RUNNING_UNDER_SYSTEMD makes the script replace itself by the server, so that the pid is the server's own.
            env={**self._surroundings(), "RUNNING_UNDER_SYSTEMD": "true"},
            cwd=self.folder,
            ready_within_seconds=None,
        )
        try:
            process.wait_until(self._listens, "it took connections", within_seconds=_READY_WITHIN_SECONDS)
        except ProcessFailedError:
            process.kill9()
            raise
        self._process = process

    def kill9(self) -> None:
        """SIGKILL, and returns when it is gone: whoever speaks to it is cut off. `start` finds what it had on the disk."""
        assert self._process is not None, "the node does not run"
        process, self._process = self._process, None
        process.kill9()

    def restart(self) -> None:
        self.kill9()
        self.start()

    def wipe(self) -> None:
        """Kills it and removes all that it kept: queues, exchanges, messages. `start` makes an empty node."""
        if self._process is not None:
            self.kill9()
        shutil.rmtree(self.folder / "mnesia")
        (self.folder / "feature_flags").unlink(missing_ok=True)

    def ctl(self, *arguments: str) -> str:
        """`rabbitmqctl`, and what it said. Raises CalledProcessError."""
        done = subprocess.run(
            [str(_script("rabbitmqctl")), *arguments],
            check=True, capture_output=True, text=True, timeout=60, cwd=self.folder,
            env={**os.environ, **self._surroundings()},
        )  # fmt: skip
        return done.stdout

    def close(self) -> None:
        """Ends it and removes the folder. Nothing here is worth an orderly end."""
        for process in (self._process, self._epmd):
            if process is not None:
                process.kill9()
        self._process = self._epmd = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _settle(self) -> None:
        """Chooses ports and writes the files that the node reads instead of those in /etc."""
        self.address = RabbitAddress(free_port(), free_port() if "rabbitmq_management" in self._plugins else 0)
        self._distribution_port, self._epmd_port = free_port(), free_port()
        (self.folder / "home").mkdir()
        cookie = self.folder / "home" / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        configuration = _CONFIGURATION.format(
            host=LOOPBACK, port=self.address.port, management_port=self.address.management_port or free_port()
        )
        (self.folder / "rabbitmq.conf").write_text(configuration)
        (self.folder / "rabbitmq-env.conf").touch()
        (self.folder / "advanced.config").write_text("[].")
        (self.folder / "enabled_plugins").write_text(f"[{','.join(self._plugins)}].")

    def _surroundings(self) -> dict[str, str]:
        folder, own = str(self.folder), "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            "HOME": f"{folder}/home",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": f"hayon{self.address.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.address.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONFIG_FILES": f"{folder}/conf.d",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/generated",
            "RABBITMQ_FEATURE_FLAGS_FILE": f"{folder}/feature_flags",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": own,
            "RABBITMQ_CTL_ERL_ARGS": own,
        }

    def _start_epmd(self) -> None:
        """Else the node would start one for the whole machine, on every address, which outlives everything."""
        if self._epmd is not None and self._epmd.running:
            return
        self._epmd = start(
            [_epmd(), "-address", LOOPBACK, "-port", str(self._epmd_port)],
            log=self.folder / "epmd", cwd=self.folder, ready_within_seconds=None,
        )  # fmt: skip
        self._epmd.wait_until(lambda: _accepts(self._epmd_port), "it took connections")

    def _listens(self) -> bool:
        return _accepts(self.address.port)


@contextlib.contextmanager
def running_rabbitmq(plugins: Sequence[str] = ()) -> Iterator[RabbitNode]:
    """A node for the length of a `with`."""
    node = RabbitNode.create(plugins)
    try:
        yield node
    finally:
        node.close()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _script(name: str) -> Path:
    """The package's own script: Debian's wrapper in /usr/sbin refuses other users and goes to /var/lib/rabbitmq."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob(f"rabbitmq_server-*/sbin/{name}"))
    if not found:
        raise RabbitMissingError(
            "RabbitMQ is not installed (Debian: rabbitmq-server): run tests/tools/install, as `make test` does"
        )
    return found[-1]


def _epmd() -> str:
    found = shutil.which("epmd")
    if found is None:
        raise RabbitMissingError("epmd is not installed (Debian: erlang-base): run tests/tools/install")
    return found
