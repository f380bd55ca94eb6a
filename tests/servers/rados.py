"""A private S3 server for tests: Ceph's RADOS gateway, with a monitor and one store that keeps everything in memory.

It checks signatures, expiry, signed headers, checksums and CORS, and answers with S3's own error codes. Knows nothing
of Hayon; speaks to the server with the older signature (version 2), which Hayon does not use. Not for production.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import re
import secrets
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import unescape

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.processes import Process, ProcessFailedError, start

_CONFIGURATION = """
[global]
fsid = {fsid}
mon host = v2:{host}:{monitor_port}
mon initial members = a
public addr = {host}
cluster addr = {host}
ms bind ipv4 = true
ms bind ipv6 = false
keyring = {folder}/keyring
mon data = {folder}/mon
osd data = {folder}/osd
run dir = {folder}/run
crash dir = {folder}/run
admin socket =
pid file =
log file =
log to stderr = true
auth allow insecure global id reclaim = true
mon warn on pool no redundancy = false
mon data avail warn = 1
mon data avail crit = 1
osd objectstore = memstore
memstore device bytes = 2147483648
osd op num shards = 2
osd crush update on start = false
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
# Only these make it ready in seconds instead of many: an empty cluster has nothing to wait for.
paxos propose interval = 0.05
paxos min wait = 0.01
mon tick interval = 1
osd tick interval = 0.2
osd mon report interval = 1
# Else the first bucket made after a kill waits half a minute for the dead gateway to agree.
osd client watch timeout = 2
[client.rgw.a]
rgw frontends = beast endpoint={host}:{port} tcp_nodelay=1
rgw data = {folder}/rgw
rgw dns name = localhost
rgw thread pool size = 16
rgw enable usage log = false
"""
_KEYS = {
    "mon.": ("mon", "allow *"),
    "client.admin": ("mon", "allow *", "osd", "allow *"),
    "osd.0": ("mon", "allow profile osd", "osd", "allow *"),
    "client.rgw.a": ("mon", "allow rw", "osd", "allow rwx"),
}


class RadosMissingError(Exception):
    """No Ceph programs here."""


@dataclass(frozen=True)
class Said:
    """A server's answer: status, headers (names in lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """S3's own word for an error (AccessDenied, SignatureDoesNotMatch …)."""
        found = re.search(rb"<Code>([^<]*)</Code>", self.body)
        return found[1].decode() if found else ""


def ask(method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Said:
    """One request with exactly these headers, as any client may send it; nothing is signed here."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(LOOPBACK, parts.port, timeout=30)  # whatever name the address has
    try:
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, path, body or None, {"Host": parts.netloc, **(headers or {})})
        answer = connection.getresponse()
        return Said(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@dataclass(frozen=True)
class RadosAddress:
    """Where a server listens, and what can be asked of it from any process, with the keys of its only user."""

    port: int
    access_key: str
    secret_key: str

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def new_bucket(self) -> str:
        """Makes a private bucket and returns its name."""
        bucket = f"test-{secrets.token_hex(8)}"
        assert self.call("PUT", f"/{bucket}").status == 200
        return bucket

    def drop_bucket(self, bucket: str) -> None:
        """Removes it with all that is in it."""
        while keys := self.keys(bucket):
            for key in keys:
                self.call("DELETE", f"/{bucket}/{key}")
        self.call("DELETE", f"/{bucket}")

    def keys(self, bucket: str) -> list[str]:
        """The names of what is in it, in order; the first thousand."""
        listed = self.call("GET", f"/{bucket}").body.decode()
        return [unescape(key) for key in re.findall(r"<Key>([^<]*)</Key>", listed)]

    def call(self, method: str, path: str, body: bytes = b"", *, mime: str = "") -> Said:
        """One request in its owner's name. A query in the path may only be a part of the resource (`?cors`)."""
        path, date = quote(path, safe="/?"), formatdate(usegmt=True)
        said = f"{method}\n\n{mime}\n{date}\n{path}".encode()
        signature = base64.b64encode(hmac.digest(self.secret_key.encode(), said, hashlib.sha1)).decode()
        headers = {"Date": date, "Authorization": f"AWS {self.access_key}:{signature}"}
        return ask(method, f"{self.url}{path}", headers | ({"Content-Type": mime} if mime else {}), body)


class RadosServer:
    """A server of one's own in a new temporary folder. Its gateway can be killed and started; what was stored stays."""

    def __init__(self, folder: Path, address: RadosAddress) -> None:
        self.folder = folder
        self.address = address
        self._processes: list[Process] = []
        self._gateway: Process | None = None

    @classmethod
    def create(cls) -> Self:
        """Three processes and one user, in about three seconds. Raises RadosMissingError."""
        for program in ("ceph-mon", "ceph-osd", "radosgw"):
            if shutil.which(program) is None:
                raise RadosMissingError(
                    f"{program} is not installed (Debian: radosgw ceph-mon ceph-osd): run tests/tools/install, as `make test` does"
                )
        for tries_left in (2, 1, 0):
            server = cls(
                Path(tempfile.mkdtemp(prefix="hayon-rados-")),
                RadosAddress(free_port(), secrets.token_hex(10).upper(), secrets.token_hex(20)),
            )
            try:
                server._begin()
            except BaseException as failed:
                server.close()
                if not tries_left or not isinstance(failed, ProcessFailedError) or " bind" not in str(failed):
                    raise
            else:
                return server
        raise AssertionError("unreachable")

    def start_gateway(self) -> None:
        """Starts it and returns when it takes connections."""
        assert self._gateway is None, "the gateway runs already"
        self._gateway = self._start("radosgw", "-n", "client.rgw.a")
        self._gateway.wait_until(self._listens, "it took connections")

    def kill9_gateway(self) -> None:
        """SIGKILL: whoever speaks to it is cut off, and nobody can connect until it is started."""
        assert self._gateway is not None, "the gateway does not run"
        gateway, self._gateway = self._gateway, None
        gateway.kill9()

    def close(self) -> None:
        """Ends everything and removes the folder. Nothing here is worth an orderly end."""
        for process in reversed(self._processes):
            process.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self) -> None:
        monitor_port, fsid, osd_id = free_port(), uuid.uuid4(), uuid.uuid4()
        for name in ("mon", "osd", "rgw", "run"):
            (self.folder / name).mkdir()
        self._configuration.write_text(
            _CONFIGURATION.format(
                fsid=fsid, host=LOOPBACK, port=self.address.port, monitor_port=monitor_port, folder=self.folder
            )
        )
        keyring, map_of_monitors = self.folder / "keyring", self.folder / "monmap"
        keyring.touch(mode=0o600)
        for name, rights in _KEYS.items():
            caps = [
                part for place, right in zip(rights[::2], rights[1::2], strict=True) for part in ("--cap", place, right)
            ]
            self._run("ceph-authtool", keyring, "--gen-key", "-n", name, *caps)
        monitor = f"[v2:{LOOPBACK}:{monitor_port}]"
        self._run("monmaptool", "--create", "--addv", "a", monitor, "--fsid", fsid, map_of_monitors)
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", map_of_monitors, "--keyring", keyring)
        self._start("ceph-mon", "-i", "a")
        self._run("ceph", "--connect-timeout", "30", "osd", "new", osd_id, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd_id)
        self._start("ceph-osd", "-i", "0")
        self._run("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=h")
        self.start_gateway()
        keys = ("--access-key", self.address.access_key, "--secret-key", self.address.secret_key)
        self._run("radosgw-admin", "user", "create", "--uid=tests", "--display-name=tests", *keys)
        # The first object of all makes the pools, which takes a moment; nobody's test shall wait for it.
        bucket = self.address.new_bucket()
        assert self.address.call("PUT", f"/{bucket}/first", b"first").status == 200
        self.address.drop_bucket(bucket)

    @property
    def _configuration(self) -> Path:
        return self.folder / "ceph.conf"

    def _start(self, program: str, *options: object) -> Process:
        process = start(
            [program, "-c", self._configuration, *map(str, options), "-f"],
            log=self.folder / f"{program}-{len(self._processes)}",
            cwd=self.folder,
            ready_within_seconds=None,
        )
        self._processes.append(process)
        return process

    def _run(self, program: str, *options: object) -> None:
        made = start(
            [program, "-c", self._configuration, *map(str, options)],
            log=self.folder / f"{program}-{secrets.token_hex(4)}",
            cwd=self.folder,
            ready_within_seconds=None,
        )
        self._processes.append(made)
        if made.wait(within_seconds=60) != 0:
            running = "".join(process.output() for process in self._processes if process is not made)
            raise ProcessFailedError(f"{program} failed:\n{made.output()[-4000:]}\n{running[-4000:]}")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.address.port)) == 0


@contextlib.contextmanager
def running_rados() -> Iterator[RadosServer]:
    """A server for the length of a `with`."""
    server = RadosServer.create()
    try:
        yield server
    finally:
        server.close()
