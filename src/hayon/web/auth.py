"""Who is asking: a browser's session or a program's key, and whether a page of another site speaks through the browser."""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from hayon.errors import Forbidden, Unauthenticated
from hayon.store import users
from hayon.store.users import Person
from hayon.web.desk import Desk, TheDesk

COOKIE = "hayon_session"
KEY_PREFIX = "hayon_"
LASTS = timedelta(days=30)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `token` is the session's own secret, None for a key."""

    person: Person
    token: str | None = None


async def find_caller(request: Request, desk: Desk) -> Caller | None:
    """Who asks, by key or by session. Raises Unauthenticated for a key that opens nothing."""
    given = request.headers.get("authorization")
    if given is not None:
        scheme, _, key = given.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Send your key as 'Authorization: Bearer hayon_…'.")
        return await _by_key(desk, key.strip())
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    person = await desk.hayon.database.read(users.find_session, digest(token))
    return None if person is None else Caller(person, token)


async def signed_in(
    request: Request,
    desk: TheDesk,
    _key: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(scheme_name="key", auto_error=False))],
    _session: Annotated[str | None, Depends(APIKeyCookie(name=COOKIE, scheme_name="session", auto_error=False))],
) -> Caller:
    """Who asks. Raises Unauthenticated for nobody, and Forbidden where another site's page uses this browser's session."""
    caller = await find_caller(request, desk)
    if caller is None:
        raise Unauthenticated("Sign in, or send an API key as 'Authorization: Bearer hayon_…'.")
    if caller.token is not None and request.method not in SAFE:
        require_same_origin(request, desk)
    return caller


Me = Annotated[Caller, Depends(signed_in)]


def require_same_origin(request: Request, desk: Desk) -> None:
    """Raises Forbidden unless the browser says that a page of our own sent this.

    Browsers say so with Sec-Fetch-Site on secure connections and with Origin on every unsafe request
    (https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site).
    """
    site = request.headers.get("sec-fetch-site")
    ours = site == "same-origin" if site is not None else _is_our_origin(request, desk)
    if not ours:
        raise Forbidden("This request did not come from a page of this Hayon. Programs use an API key.")


def refuse_foreign_page(request: Request, desk: Desk) -> None:
    """For what needs no session (signing in): raises Forbidden where a browser says that another site's page sent it."""
    if "sec-fetch-site" in request.headers or "origin" in request.headers:
        require_same_origin(request, desk)


def csrf_token(token: str) -> str:
    """What our own forms carry: derived from the session's secret, which no other site can read."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def require_csrf_token(caller: Caller, given: str) -> None:
    """Raises Forbidden unless the form was made for this session."""
    if caller.token is None or not hmac.compare_digest(csrf_token(caller.token).encode(), given.encode()):
        raise Forbidden("This form is too old or was not made here. Load the page again.")


def set_cookie(response: Response, desk: Desk, token: str) -> None:
    """Hands a session to the browser: out of reach of scripts, not sent along from other sites."""
    response.set_cookie(
        COOKIE, token, max_age=int(LASTS.total_seconds()), httponly=True, samesite="lax", secure=desk.is_secure
    )


def drop_cookie(response: Response, desk: Desk) -> None:
    """Takes the session back from the browser."""
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=desk.is_secure)


def new_token() -> str:
    """A secret of 256 bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is kept of a secret that is random already."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def client_address(request: Request, trusted_proxies: Sequence[str]) -> str:
    """Where the request comes from: what the nearest trusted proxy says, or else the peer itself."""
    address = request.client.host if request.client else "unknown"
    forwarded = [part.strip() for part in request.headers.get("x-forwarded-for", "").split(",") if part.strip()]
    while forwarded and _is_trusted(address, trusted_proxies):
        address = forwarded.pop()
    return address


def is_loopback(request: Request, trusted_proxies: Sequence[str]) -> bool:
    """Whether a program on this machine asks, and not somebody behind a proxy that runs here."""
    peer = request.client.host if request.client else ""
    proxied = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "via"))
    if proxied and not _is_trusted(peer, trusted_proxies):
        return False
    try:
        return ipaddress.ip_address(client_address(request, trusted_proxies)).is_loopback
    except ValueError:
        return False


async def _by_key(desk: Desk, key: str) -> Caller:
    found = await desk.hayon.database.read(users.find_key, digest(key)) if key.startswith(KEY_PREFIX) else None
    if found is None:
        raise Unauthenticated("This API key opens nothing. It may have been deleted.")
    person, key_id, stale = found
    if stale:
        await desk.hayon.database.write(users.note_key_used, key_id)
    return Caller(person)


def _is_our_origin(request: Request, desk: Desk) -> bool:
    origin = request.headers.get("origin", "")
    if not origin or origin == "null":
        return False
    # a proxy may have taken https off, so the scheme is not compared where no public address is set
    return origin == desk.public_origin or urlsplit(origin).netloc == request.headers.get("host")


def _is_trusted(address: str, trusted_proxies: Sequence[str]) -> bool:
    try:
        one = ipaddress.ip_address(address)
        return any(one in ipaddress.ip_network(network, strict=False) for network in trusted_proxies)
    except ValueError:
        return False
