"""The mail server that the settings name: a connection, a login, a mail handed over. What a mail says is in writing.py.

SMTP cannot tell a mail that was taken from one whose answer was lost, so a mail may arrive twice; both copies have one
Message-ID, by which mail programs know them for the same.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from hayon.errors import HayonError, Misconfigured

CONNECT_SECONDS = 20.0
MAIL_SECONDS = 30.0
GOODBYE_SECONDS = 2.0
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SHOWN = 200


class Tls(StrEnum):
    """How a connection is encrypted."""

    FIRST = "first"  # from its first byte: smtps://
    REQUIRED = "required"  # by STARTTLS, or not at all
    OFFERED = "offered"  # by STARTTLS where the server offers it
    OFF = "off"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over."""

    host: str
    port: int
    tls: Tls
    user: str = ""
    password: str = field(default="", repr=False)


class NotSentError(HayonError):
    """A mail was not taken, or nobody knows. `for_good`: it never will be as it is. `reason` is fit for a log line."""

    def __init__(self, message: str, reason: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.for_good = for_good


class AwayError(NotSentError):
    """The server cannot be used at all at the moment: no connection, no encryption, no login."""


def read_smtp_url(url: str) -> SmtpServer:
    """The server that an address names. Raises Misconfigured.

    smtps:// is encrypted from the first byte (port 465); smtp:// by STARTTLS (port 587), which the server has to offer
    unless it is this machine. `?tls=required`, `offered` or `off` says otherwise.
    """
    wrong = "HAYON_SMTP_URL takes smtp://user:password@host:587 or smtps://user:password@host:465"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        more = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise Misconfigured(f"{wrong}, not what it holds.") from error
    if parts.scheme not in ("smtp", "smtps") or not host or parts.path.strip("/") or set(more) - {"tls"}:
        raise Misconfigured(f"{wrong}, not what it holds.")
    given = more.get("tls", [""])[-1]
    if parts.scheme == "smtps":
        if given:
            raise Misconfigured("HAYON_SMTP_URL: smtps:// is encrypted from the first byte; leave ?tls= away.")
        tls = Tls.FIRST
    elif given:
        if given not in (Tls.REQUIRED, Tls.OFFERED, Tls.OFF):
            raise Misconfigured("HAYON_SMTP_URL takes ?tls=required, offered or off.")
        tls = Tls(given)
    else:
        tls = Tls.OFFERED if host in LOOPBACK else Tls.REQUIRED
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return SmtpServer(host, port or (465 if tls is Tls.FIRST else 587), tls, user, password)


def read_sender(given: str) -> Address:
    """Who mails come from. Raises Misconfigured for what is no address."""
    name, plain = parseaddr(given)
    try:
        if plain.isascii() and "@" in plain:
            return Address(name, addr_spec=plain)
    except (ValueError, IndexError):
        pass
    raise Misconfigured(
        "HAYON_MAIL_FROM takes an address such as hayon@example.org or Hayon <hayon@example.org>, without accents."
    )


def open_postbox(smtp_url: str, mail_from: str) -> "Postbox | None":
    """The way mails go; None where no server is set. Nothing is connected yet. Raises Misconfigured."""
    if not smtp_url:
        return None
    if not mail_from:
        raise Misconfigured("HAYON_SMTP_URL is set: say in HAYON_MAIL_FROM whom mails come from.")
    return Postbox(read_smtp_url(smtp_url), read_sender(mail_from))


class Postbox:
    """Hands mails to one server. Keeps no connection: each visit makes its own."""

    def __init__(self, server: SmtpServer, sender: Address) -> None:
        self.server = server
        self.sender = sender

    async def check(self) -> str:
        """Connects, logs in and leaves, without a mail. What was found, in words. Raises AwayError."""
        async with self.visit():
            pass
        how = {Tls.OFF: "unencrypted", Tls.OFFERED: "encrypted if offered"}.get(self.server.tls, "encrypted")
        who = f", logged in as {self.server.user}" if self.server.user else ""
        return f"{self.server.host}:{self.server.port} answers, {how}{who}"

    @asynccontextmanager
    async def visit(self) -> AsyncIterator["Visit"]:
        """A connection, for as many mails as there are. Raises AwayError."""
        server = self.server
        client = aiosmtplib.SMTP(
            hostname=server.host, port=server.port, username=server.user or None, password=server.password or None,
            use_tls=server.tls is Tls.FIRST,
            start_tls={Tls.REQUIRED: True, Tls.OFFERED: None}.get(server.tls, False),
            # what it would find out by itself is a question to a name server, which may take long
            local_hostname=self.sender.domain, timeout=MAIL_SECONDS,
            tls_context=None if server.tls is Tls.OFF else ssl.create_default_context(),
        )  # fmt: skip
        try:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await client.connect()
            except Exception as error:
                raise _hindrance(error, server) from error
            yield Visit(client)
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):  # all was answered already
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await client.quit()
        finally:
            client.close()


class Visit:
    """One connection to the mail server, logged in."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client

    async def send(self, message: EmailMessage) -> None:
        """Hands one mail over. Raises NotSentError, and AwayError where the connection is of no use any more."""
        try:
            async with asyncio.timeout(MAIL_SECONDS):
                await self._client.send_message(message)
        except Exception as error:
            raise _refusal(error) from error


def _hindrance(error: Exception, server: SmtpServer) -> AwayError:
    """Why the server cannot be used. The text of an answer to a login is left out: it may hold anything."""
    where = f"{server.host}:{server.port}"
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return AwayError(f"{where} refuses user name and password ({error.code}).", f"login {error.code}")
    if isinstance(error, ssl.SSLCertVerificationError) or isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return AwayError(f"The certificate of {where} is not valid.", "certificate")
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return AwayError(f"No secure connection to {where} could be made.", "tls")
    # what the server has not is raised as the root of the library's errors (cole/aiosmtplib: aiosmtplib/smtp.py)
    if type(error) is aiosmtplib.SMTPException or isinstance(error, aiosmtplib.SMTPNotSupported):
        words = f"{where} offers no encryption by STARTTLS, or no login that is known here."
        return AwayError(words, "not supported")
    if isinstance(error, TimeoutError):
        return AwayError(f"{where} does not answer in time.", "timeout")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return AwayError(f"{where} turns us away: {_answer(error)}.", f"answer {error.code}")
    return AwayError(f"{where} cannot be reached.", type(error).__name__)


def _refusal(error: Exception) -> NotSentError:
    """What it means that a mail was not taken. Answers from 500 on are final (RFC 5321, 4.2.1)."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPServerDisconnected | TimeoutError):
        words = "The mail server did not say whether it took the mail; it may arrive twice."
        return AwayError(words, type(error).__name__)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        for_good = error.code >= 500
        return NotSentError(
            f"The mail server refused it: {_answer(error)}.", f"answer {error.code}", for_good=for_good
        )  # fmt: skip
    if isinstance(error, aiosmtplib.SMTPNotSupported | ValueError):
        return NotSentError("The mail server cannot write to such an address.", "address", for_good=True)
    return AwayError("The connection to the mail server broke.", type(error).__name__)


def _answer(error: aiosmtplib.SMTPResponseException) -> str:
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in error.message).split())
    return f"{error.code} {text[:_SHOWN]}".strip()
