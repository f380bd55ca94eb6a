"""One event to one webhook, signed as Standard Webhooks asks (standard-webhooks: spec/standard-webhooks.md). Never retries."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from hayon.errors import Invalid, PlatformError, Problem, Unreachable
from hayon.outgoing import Named, Outgoing, Request
from hayon.outgoing.addresses import is_public, read_url, refuse_port
from hayon.store.leaving import Event
from hayon.vault import Vault

PREFIX = "whsec_"
SECRET_BYTES = 32
ANSWER_SECONDS = 20.0
"""How long a receiver may take; the specification recommends 15 to 30 seconds."""
BOTH_FOR = timedelta(hours=24)
"""After a secret was renewed, events are signed by the old one too for so long, so that the receiver can follow."""
GONE = 410


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of sending an event. `error` is empty where the receiver took it; `asked`: how long it wants to be left alone."""

    error: str = ""
    http_status: int | None = None
    asked: timedelta | None = None

    @property
    def gone(self) -> bool:
        """The receiver wants nothing more, ever."""
        return self.http_status == GONE


def new_secret() -> str:
    """A secret to sign with, in the form that its receiver is shown."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def seal_secret(vault: Vault, secret: str, context: str) -> bytes:
    """The secret of a webhook as it is kept; the context is the webhook's id."""
    return vault.seal({"secret": secret}, context)


def shown_secret(vault: Vault, sealed: bytes, context: str) -> str:
    """The secret as its receiver is shown it."""
    return str(vault.open(sealed, context)["secret"])


def renew(vault: Vault, secret: str, context: str, sealed: bytes, now: datetime) -> bytes:
    """Another secret in the place of the one kept, which signs too for a day."""
    before = shown_secret(vault, sealed, context)
    until = (now + BOTH_FOR).isoformat()
    return vault.seal({"secret": secret, "previous": before, "previousUntil": until}, context)


def secrets_at(vault: Vault, sealed: bytes, context: str, now: datetime) -> list[str]:
    """The secrets that an event sent now is signed by, the newest first."""
    kept = vault.open(sealed, context)
    found = [str(kept["secret"])]
    if "previous" in kept and datetime.fromisoformat(kept["previousUntil"]) > now:
        found.append(str(kept["previous"]))
    return found


def sign(secret: str, event_id: str, timestamp: int, payload: bytes) -> str:
    """One signature of a payload, in the form in which it stands in the header."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = hmac.new(key, f"{event_id}.{timestamp}.".encode() + payload, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def check_address(url: str, *, private: bool) -> None:
    """Raises Invalid where events cannot be sent to this address. `private`: addresses in one's own network are allowed.

    Names are looked up when something is sent, each time anew: nothing is asked of the network here.
    """
    try:
        read = read_url(url)
        refuse_port(read)
    except Unreachable as error:
        raise Invalid([Problem("url", "not_callable", error.message)]) from error
    if private:
        return
    if read.scheme != "https":
        raise Invalid([Problem("url", "not_encrypted", "A webhook's address begins with https://.")])
    host = read.raw_host or ""
    if (":" in host or host.replace(".", "").isdigit()) and not is_public(host):
        message = "This address is private or reserved, and those are not called."
        raise Invalid([Problem("url", "not_callable", message)])


async def send(event: Event, keys: Sequence[str], outgoing: Outgoing, now: datetime) -> Verdict:
    """Sends the event once, and says what the receiver answered. Only its status counts: the rest is not read."""
    payload = json.dumps(event.body, ensure_ascii=False, separators=(",", ":")).encode()
    timestamp, event_id = int(now.timestamp()), str(event.id)
    headers = {
        "Content-Type": "application/json", "webhook-id": event_id, "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(key, event_id, timestamp, payload) for key in keys),
    }  # fmt: skip
    request = Request("POST", event.url, headers=headers, body=payload, named=Named.STRANGER)
    try:
        async with asyncio.timeout(ANSWER_SECONDS), outgoing.stream(request) as answer:
            return _verdict(answer.status, answer.headers, now)
    except TimeoutError:
        return Verdict(f"{host_of(event.url)} did not answer within {ANSWER_SECONDS:.0f} s.")
    except PlatformError as error:
        return Verdict(error.message)


def host_of(url: str) -> str:
    """The host of a webhook's address: the rest may be secret."""
    return urlsplit(url).hostname or ""


def _verdict(status: int, headers: Mapping[str, str], now: datetime) -> Verdict:
    if 200 <= status < 300:
        return Verdict(http_status=status)
    if 300 <= status < 400:
        error = f"It answered {status}: redirects are not followed. Give the webhook its new address."
    elif status == GONE:
        error = "It answered 410: it wants nothing more."
    else:
        error = f"It answered {status}."
    return Verdict(error, status, _asked(headers.get("retry-after", ""), now))


def _asked(retry_after: str, now: datetime) -> timedelta | None:
    """How long the receiver wants to be left alone: seconds, or a date (RFC 9110, 10.2.3)."""
    word = retry_after.strip()
    if word.isascii() and word.isdigit() and len(word) < 10:
        return timedelta(seconds=int(word))
    try:
        at = parsedate_to_datetime(word)
    except (ValueError, TypeError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(at - now, timedelta(0))
