"""Who is asking: a browser's session or a program's key, and whether a page of another site speaks through the browser."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from hayon.errors import Forbidden, Unauthenticated
from hayon.store import sessions, users
from hayon.store.users import Person
from hayon.web.desk import Desk, TheDesk
from hayon.web.proxies import client_address, counted_as, is_loopback
from hayon.web.scopes import Scope

COOKIE = "hayon_session"
KEY_PREFIX = "hayon_"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
IN_PERSON = "Only somebody who is signed in may do that. A key may not, whatever its scopes."
ADMINS_ONLY = "Only an admin may do that."


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `token` is the session's own secret and `session_id` its name, both None for a key; `scopes` are the key's."""

    person: Person
    token: str | None = None
    session_id: UUID | None = None
    scopes: frozenset[str] = frozenset({Scope.ALL})

    @property
    def is_admin(self) -> bool:
        """Whether this is an admin, and not with a key that is not good for what admins do."""
        return self.person.is_admin and not self.scopes.isdisjoint({Scope.ALL, Scope.ADMIN})

    def require(self, scope: Scope) -> None:
        """Raises Forbidden where a key asks that was not made for this."""
        if self.scopes.isdisjoint({Scope.ALL, scope}):
            good_for = ", ".join(sorted(self.scopes))
            raise Forbidden(f"This key is not good for that: it needs the scope {scope}, and has {good_for}.")


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
    found = await desk.hayon.database.read(sessions.find_session, digest(token))
    if found is None:
        return None
    if found.stale:
        await desk.hayon.database.write(sessions.note_session_used, digest(token))
    return Caller(found.person, token, found.public_id)


class Door:
    """A route's own word for who may come in: somebody signed in, or a key that is good for this scope.

    It is a dependency. Every route of the API has one of these, or is open to all on purpose (tests/web/test_scopes.py).
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(
        self,
        request: Request,
        desk: TheDesk,
        _key: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(scheme_name="key", auto_error=False))],
        _session: Annotated[str | None, Depends(APIKeyCookie(name=COOKIE, scheme_name="session", auto_error=False))],
    ) -> Caller:
        """Who asks. Raises Unauthenticated for nobody, Forbidden for the wrong key or where another site's page uses the session."""
        return await self.let_in(request, desk)

    async def let_in(self, request: Request, desk: Desk) -> Caller:
        """Who asks, after everything that this door asks of them."""
        caller = await _known_caller(request, desk)
        caller.require(self.scope)
        return caller


class AdminDoor(Door):
    """A door for admins alone."""

    async def let_in(self, request: Request, desk: Desk) -> Caller:
        """The admin who asks. Raises Forbidden for anybody else."""
        caller = await super().let_in(request, desk)
        if not caller.person.is_admin:
            raise Forbidden(ADMINS_ONLY)
        return caller


class MachineDoor(AdminDoor):
    """A door for admins, and for any program on this machine."""

    async def __call__(self, request: Request, desk: TheDesk) -> Caller | None:  # type: ignore[override]  # FastAPI reads the parameters
        """Who asks; None for a program on this machine."""
        if is_loopback(request, desk.hayon.settings.trusted_proxies):
            return None
        return await self.let_in(request, desk)


class OwnDoor:
    """A door that no key opens: only somebody who is signed in."""

    async def __call__(
        self,
        request: Request,
        desk: TheDesk,
        _session: Annotated[str | None, Depends(APIKeyCookie(name=COOKIE, scheme_name="session", auto_error=False))],
    ) -> Caller:
        """Who asks. Raises Unauthenticated, and Forbidden for any key."""
        caller = await _known_caller(request, desk)
        if caller.token is None:
            raise Forbidden(IN_PERSON)
        return caller


MayRead = Annotated[Caller, Depends(Door(Scope.READ))]
MayPost = Annotated[Caller, Depends(Door(Scope.POSTS))]
MayAddMedia = Annotated[Caller, Depends(Door(Scope.MEDIA))]
MayConnect = Annotated[Caller, Depends(Door(Scope.ACCOUNTS))]
MayKeepNotices = Annotated[Caller, Depends(Door(Scope.NOTICES))]
Admin = Annotated[Caller, Depends(AdminDoor(Scope.ADMIN))]
AdminOrMachine = Annotated[Caller | None, Depends(MachineDoor(Scope.ADMIN))]
InPerson = Annotated[Caller, Depends(OwnDoor())]


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


async def _from_no_foreign_page(request: Request, desk: TheDesk) -> None:
    refuse_foreign_page(request, desk)


FromNoForeignPage = Annotated[None, Depends(_from_no_foreign_page)]


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
        COOKIE, token, max_age=int(sessions.LASTS.total_seconds()), httponly=True, samesite="lax", secure=desk.is_secure
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


def counted_address(request: Request, desk: Desk) -> str:
    """The name under which this client's tries are counted."""
    return counted_as(client_address(request, desk.hayon.settings.trusted_proxies))


async def _known_caller(request: Request, desk: Desk) -> Caller:
    caller = await find_caller(request, desk)
    if caller is None:
        raise Unauthenticated("Sign in, or send an API key as 'Authorization: Bearer hayon_…'.")
    if caller.token is not None and request.method not in SAFE:
        require_same_origin(request, desk)
    return caller


async def _by_key(desk: Desk, key: str) -> Caller:
    found = await desk.hayon.database.read(users.find_key, digest(key)) if key.startswith(KEY_PREFIX) else None
    if found is None:
        raise Unauthenticated("This API key opens nothing. It may have been deleted, or its time is over.")
    if found.stale:
        await desk.hayon.database.write(users.note_key_used, found.id)
    return Caller(found.person, scopes=found.scopes)


def _is_our_origin(request: Request, desk: Desk) -> bool:
    origin = request.headers.get("origin", "")
    if not origin or origin == "null":
        return False
    # a proxy may have taken https off, so the scheme is not compared where no public address is set
    return origin == desk.public_origin or urlsplit(origin).netloc == request.headers.get("host")
