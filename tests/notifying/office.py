"""The other ends, real ones: an SMTP server (aiosmtpd) and a receiver of webhooks that verifies with `standardwebhooks`."""

import asyncio
import contextlib
import email
import email.policy
import itertools
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosmtpd.smtp
import sqlalchemy as sa
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from hayon.notifying import Leaving, Postbox, open_postbox, seal_secret
from hayon.outgoing import Outgoing
from hayon.store import webhooks
from hayon.store.schema import mails, notices, webhook_events
from tests.delivery.scripted import House

USER, PASSWORD = "hayon", "a secret of the mail server's"
SENDER = "Hayon <hayon@house.test>"


@dataclass
class Office:
    """What an SMTP server was handed. `says` are the next answers to a mail (None: it is taken), by turns."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    says: list[str | None] = field(default_factory=list)
    always: str | None = None
    refuses: dict[str, str] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event | None = None

    def url(self, scheme: str = "smtp", *, host: str = "127.0.0.1", login: str = "", more: str = "") -> str:
        """Its address as a setting."""
        return f"{scheme}://{login}{host}:{self.port}{more}"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.hold is not None:
            await self.hold.wait()
        answer = self.says.pop(0) if self.says else self.always
        if answer is None:
            self.mails.append(email.message_from_bytes(envelope.original_content, policy=email.policy.default))
            self.recipients.extend(envelope.rcpt_tos)
            self.arrived.set()
        return answer or "250 Taken"


@asynccontextmanager
async def open_office(
    *, tls: ssl.SSLContext | None = None, first: bool = False, starttls: bool = False, login: bool = False
) -> AsyncIterator[Office]:
    """An SMTP server on a free port. `first`: encrypted from the first byte; `starttls`: it offers that."""
    office = Office()

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> Any:
        right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        return aiosmtpd.smtp.AuthResult(success=right, handled=False)

    def protocol() -> aiosmtpd.smtp.SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a login in the open: a client must not fall for it
            return aiosmtpd.smtp.SMTP(
                office, hostname="office.test", tls_context=tls if starttls else None, require_starttls=False,
                authenticator=check if login else None, auth_required=login,
                auth_require_tls=False, loop=asyncio.get_running_loop(),
            )  # fmt: skip

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls if first else None)
    office.port = server.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        if office.hold is not None:
            office.hold.set()
        server.close()


@dataclass
class Receiver:
    """What a receiver of webhooks was sent and found to be signed right. `says` are its next answers, 204 when there are none."""

    url: str = ""
    secrets: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    says: list[int] = field(default_factory=list)
    answering: dict[str, str] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    before: Callable[[], Awaitable[None]] | None = None

    def verify(self, at: int, secret: str) -> Any:
        """The event, as the public library reads it. Raises WebhookVerificationError."""
        return Webhook(secret).verify(self.bodies[at], self.headers[at])

    async def take(self, request: web.Request) -> web.Response:
        """Takes one event."""
        body = (await request.read()).decode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.bodies.append(body)
        self.headers.append(headers)
        self.ids.append(headers["webhook-id"])
        self.arrived.set()
        if self.before is not None:
            await self.before()
        status = self.says.pop(0) if self.says else 204
        return web.Response(status=status, headers=self.answering)


@asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def subscribe(house: House, url: str, *kinds: str, secret: str = SECRET) -> UUID:
    """A webhook of the house's person."""
    return await house.database.write(
        webhooks.insert_webhook, house.user_id, url, kinds, lambda context: seal_secret(house.vault, secret, context)
    )


def leaving_of(house: House, postbox: Postbox | None = None, outgoing: Outgoing | None = None) -> Leaving:
    """The duty of one process of this house."""
    return Leaving(
        house.database, house.vault, outgoing or house.outgoing, postbox, public_url="https://house.test/",
        poll=timedelta(milliseconds=20),
    )  # fmt: skip


def postbox_of(office: Office, **how: Any) -> Postbox:
    """The way to this office."""
    made = open_postbox(office.url(**how), SENDER)
    assert made is not None
    return made


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits until it is so, for half a minute at most."""
    async with asyncio.timeout(30):
        for _ in itertools.count():
            if await holds():
                return
            await asyncio.sleep(0.02)


async def written(house: House, table: sa.Table) -> list[Any]:
    """Every row of mails, events or notices, the oldest first."""
    return list(await house.database.read(lambda tx: tx.all(sa.select(table).order_by(table.c.id))))


async def notices_of(house: House) -> list[Any]:
    return await written(house, notices)


async def mails_of(house: House) -> list[Any]:
    return await written(house, mails)


async def events_of(house: House) -> list[Any]:
    return await written(house, webhook_events)


@contextlib.contextmanager
def certificate(folder: Path, host: str) -> Any:
    """A certificate for this host that signs itself: the server's side, and the file that trusts it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", str(key), "-out", str(cert), "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    yield context, cert
