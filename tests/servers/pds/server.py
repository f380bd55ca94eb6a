"""Starting the real PDS, and accounts on it. Knows nothing of Hayon; speaks to it as any AT Protocol client does."""

import contextlib
import hashlib
import json
import secrets
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.ports import free_port
from tests.servers.processes import Process, ProcessFailedError, start

_HERE = Path(__file__).resolve().parent
_INSTALLED = _HERE.parents[2] / ".cache"


class PdsMissingError(Exception):
    """The PDS is not installed in this tree."""


class XrpcError(Exception):
    """An answer that is not 200: `status`, and `name` from its body (InvalidSwap, AuthenticationRequired …)."""

    def __init__(self, nsid: str, status: int, body: str) -> None:
        super().__init__(f"{nsid}: {status} {body}")
        self.status = status
        with contextlib.suppress(ValueError):
            self.name = json.loads(body).get("error", "")


@dataclass(frozen=True)
class PdsAccount:
    """An account with both of its passwords; users give the app password to programs like ours."""

    handle: str
    did: str
    password: str
    app_password: str


@dataclass(frozen=True)
class PdsAddress:
    """Where a PDS and its did:plc directory answer, and what can be asked of them from any process."""

    url: str
    plc_url: str

    def new_account(self) -> PdsAccount:
        """An account of one's own, with a random handle under `.test`: some tenths of a second."""
        name, password = f"t{secrets.token_hex(6)}", secrets.token_hex(12)
        made = self.call(
            "com.atproto.server.createAccount",
            {"handle": f"{name}.test", "email": f"{name}@example.test", "password": password},
        )
        app = self.call("com.atproto.server.createAppPassword", {"name": "tests"}, token=made["accessJwt"])
        return PdsAccount(made["handle"], made["did"], password, app["password"])

    def log_in(self, account: PdsAccount) -> str:
        """A session's access token, got with the app password."""
        session = self.call(
            "com.atproto.server.createSession", {"identifier": account.handle, "password": account.app_password}
        )
        return str(session["accessJwt"])

    def call(self, nsid: str, body: dict[str, Any] | None = None, *, token: str | None = None) -> dict[str, Any]:
        """One XRPC procedure (with a body) or query (without; parameters go into `nsid`). Raises XrpcError."""
        headers = {"content-type": "application/json"} if body is not None else {}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        request = urllib.request.Request(  # noqa: S310 - always our own server
            f"{self.url}/xrpc/{nsid}", data=None if body is None else json.dumps(body).encode(), headers=headers
        )
        try:
            with _opener.open(request, timeout=30) as answer:
                parsed: dict[str, Any] = json.loads(answer.read() or b"{}")
                return parsed
        except urllib.error.HTTPError as refused:
            with refused:
                raise XrpcError(nsid, refused.code, refused.read().decode()) from None


@dataclass(frozen=True)
class SharedPds(PdsAddress):
    """A test run's PDS; its two accounts are for reading and for logging in, since tests run side by side."""

    accounts: tuple[PdsAccount, ...]


@dataclass(frozen=True)
class RunningPds:
    """A PDS of one's own and the process it runs in."""

    address: PdsAddress
    process: Process


@contextlib.contextmanager
def running_pds(log: Path, *, rate_limits: bool = False) -> Iterator[RunningPds]:
    """Started for the length of a `with`: two to five seconds and 250 MiB. Raises PdsMissingError.

    Inside a test take the run's shared one (fixture `pds`), unless it is to be killed or to have rate limits.
    """
    with tempfile.TemporaryDirectory(prefix="hayon-pds-") as data:
        process = _start(log, Path(data), rate_limits=rate_limits)
        try:
            yield RunningPds(PdsAddress(process.ready["url"], process.ready["plcUrl"]), process)
        finally:
            process.kill9()


# Straight to 127.0.0.1, whatever proxy the environment names.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _start(log: Path, data: Path, *, rate_limits: bool) -> Process:
    node, modules = _find_installed()
    for tries_left in (2, 1, 0):
        env = {"PDS_PORT": str(free_port()), "PLC_PORT": str(free_port()), "PDS_DATA": str(data)}
        if rate_limits:
            env["PDS_RATE_LIMITS"] = "1"
        try:
            return start([node, _HERE / "start.mjs"], log=log, env=env, cwd=modules, ready_within_seconds=60)
        except ProcessFailedError as failed:
            if not tries_left or "EADDRINUSE" not in str(failed):
                raise
    raise AssertionError("unreachable")


def _find_installed() -> tuple[Path, Path]:
    """The node program and the folder with the PDS's packages, as tests/tools/install names them."""
    node_folder = _INSTALLED / f"node-{_short_hash(_HERE / 'node' / 'package-lock.json')}"
    modules = _INSTALLED / f"pds-{_short_hash(_HERE / 'package-lock.json')}"
    found = sorted(node_folder.glob("node_modules/node-linux-*/bin/node"))
    if not found or not modules.is_dir():
        raise PdsMissingError("the PDS that tests use is not installed: run tests/tools/install, as `make test` does")
    return found[0], modules


def _short_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
