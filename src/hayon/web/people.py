"""The routes of people: register, sign in and out, who am I, my sessions and my password."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, Field

from hayon.domain.schedule import read_zone
from hayon.errors import Forbidden, Invalid, Problem, Unauthenticated
from hayon.store import notices, sessions, tries, users
from hayon.store.database import Tx
from hayon.store.users import Person
from hayon.web import auth
from hayon.web.auth import Caller, FromNoForeignPage, InPerson, MayRead
from hayon.web.desk import TRIES, TRIES_REFILL, Desk, TheDesk
from hayon.web.passwords import LONGEST, SHORTEST
from hayon.web.problems import refusals
from hayon.web.wire import Answered, Given, Moment, Secret, Text, shown

router = APIRouter(prefix="/api", tags=["people"])

AGENT_SHOWN = 200
NOT_YOURS = "This is not your password."
DISABLED = "An admin of this Hayon has shut you out. Ask them to let you in again."
SessionId = Annotated[UUID, Path(alias="sessionId")]


def _address(text: str) -> str:
    name, at, host = text.strip().rpartition("@")
    if not (name and at and host) or "@" in name or not text.strip().isprintable() or " " in text.strip():
        raise ValueError("must be an e-mail address such as ada@example.org")
    return text.strip().lower()


Email = Annotated[Text, Field(min_length=3, max_length=254), AfterValidator(_address)]
NewPassword = Annotated[Secret, Field(min_length=SHORTEST, max_length=LONGEST)]
KnownPassword = Annotated[Secret, Field(max_length=LONGEST)]
Name = Annotated[Text, Field(max_length=100)]
ZoneName = Annotated[Text, Field(max_length=64)]


class Registering(Given):
    """Somebody new."""

    email: Email
    password: NewPassword
    name: Name = ""
    timezone: ZoneName = "UTC"


class SigningIn(Given):
    """Somebody known."""

    email: Annotated[Text, Field(max_length=254)]
    password: KnownPassword


class PersonOut(Answered):
    """Who is signed in."""

    id: UUID
    email: str
    name: str
    timezone: str
    is_admin: bool


class PersonPatch(Given):
    """What shall be different about you. Another e-mail address needs your password."""

    name: Name | None = None
    timezone: ZoneName | None = None
    email: Email | None = None
    password: KnownPassword | None = None


class SessionOut(Answered):
    """A browser that is signed in as you: what it calls itself, and whether it is the one that asks."""

    session_id: UUID
    agent: str
    this_one: bool
    created_at: Moment
    last_used_at: Moment
    expires_at: Moment


class SessionsOut(Answered):
    """Your sessions, the one used last first."""

    sessions: list[SessionOut]


class SessionsEnded(Answered):
    """How many sessions were ended."""

    ended: int


class PasswordChange(Given):
    """Your password as it is, and as it shall be."""

    password: KnownPassword
    new_password: NewPassword


class PasswordChanged(Answered):
    """What the change did."""

    ended_sessions: int
    message: str


@router.post("/auth/register", status_code=201, responses=refusals(403, 409, 429))
async def register(
    given: Registering, request: Request, response: Response, desk: TheDesk, _page: FromNoForeignPage
) -> PersonOut:
    """Registers somebody and signs them in. The first person is the admin; after that registration must be open."""
    person, token = await register_person(
        desk, request, given.email, given.password.get_secret_value(), given.name, given.timezone
    )
    auth.set_cookie(response, desk, token)
    return person_out(person)


@router.post("/auth/login", responses=refusals(401, 403, 429))
async def sign_in(
    given: SigningIn, request: Request, response: Response, desk: TheDesk, _page: FromNoForeignPage
) -> PersonOut:
    """Signs somebody in with a session cookie."""
    person, token = await sign_person_in(desk, request, given.email, given.password.get_secret_value())
    auth.set_cookie(response, desk, token)
    return person_out(person)


@router.post("/auth/logout", status_code=204, responses=refusals(401, 403))
async def sign_out(me: InPerson, response: Response, desk: TheDesk) -> None:
    """Ends the session that asks. Keys stay what they are."""
    await desk.hayon.database.write(sessions.close_session, auth.digest(me.token or ""))
    auth.drop_cookie(response, desk)


@router.get("/auth/me", responses=refusals(401, 403))
async def who_am_i(me: MayRead) -> PersonOut:
    """Who is signed in."""
    return person_out(me.person)


@router.patch("/auth/me", responses=refusals(401, 403, 409, 429))
async def change_me(given: PersonPatch, me: InPerson, desk: TheDesk) -> PersonOut:
    """Changes your name, your time zone, or (with your password) your e-mail address."""
    return person_out(await change_person(desk, me, given))


@router.post("/auth/password", responses=refusals(401, 403, 429))
async def set_password(given: PasswordChange, me: InPerson, desk: TheDesk) -> PasswordChanged:
    """Sets a new password. Your other sessions end; your keys stay what they are."""
    ended = await change_password(desk, me, given.password.get_secret_value(), given.new_password.get_secret_value())
    return PasswordChanged(ended_sessions=ended, message=password_changed(ended))


@router.get("/auth/sessions", responses=refusals(401, 403))
async def list_sessions(me: InPerson, desk: TheDesk) -> SessionsOut:
    """Where you are signed in, the session used last first."""
    rows = await desk.hayon.database.read(sessions.list_sessions, me.person.id)
    return SessionsOut(
        sessions=[
            SessionOut(
                session_id=row.public_id, agent=row.agent, this_one=row.public_id == me.session_id,
                created_at=row.created_at, last_used_at=row.used_at, expires_at=row.expires_at,
            )
            for row in rows
        ]
    )  # fmt: skip


@router.delete("/auth/sessions", responses=refusals(401, 403))
async def end_sessions(
    me: InPerson, response: Response, desk: TheDesk, others: Annotated[bool, Query()] = False
) -> SessionsEnded:
    """Signs you out everywhere; with `others` everywhere but here. Keys stay what they are."""
    kept = me.session_id if others else None
    ended = await desk.hayon.database.write(sessions.close_all, me.person.id, but=kept)
    if not others:
        auth.drop_cookie(response, desk)
    return SessionsEnded(ended=ended)


@router.delete("/auth/sessions/{sessionId}", status_code=204, responses=refusals(401, 403, 404))
async def end_session(session_id: SessionId, me: InPerson, desk: TheDesk) -> None:
    """Ends one of your sessions."""
    await desk.hayon.database.write(sessions.close_one, me.person.id, session_id)


async def register_person(
    desk: Desk, request: Request, email: str, password: str, name: str, timezone: str
) -> tuple[Person, str]:
    """Registers somebody; the person and the secret of their first session."""
    _require_zone(timezone)
    desk.tries_per_address.take(auth.counted_address(request, desk))
    only_first = desk.hayon.settings.registration != "open"
    if only_first and await desk.hayon.database.read(users.anybody_registered):
        # asked again where it counts, in the transaction that inserts; here it only saves the work of hashing
        raise Forbidden(users.CLOSED)
    hashed = await desk.passwords.hash(password)
    token = auth.new_token()

    def work(tx: Tx) -> Person:
        person = users.insert_person(tx, email, hashed, name.strip(), timezone, only_first=only_first)
        sessions.open_session(tx, person.id, auth.digest(token), _agent(request))
        return person

    return await desk.hayon.database.write(work), token


async def sign_person_in(desk: Desk, request: Request, email: str, password: str) -> tuple[Person, str]:
    """Signs somebody in; the person and the secret of the session. Raises Unauthenticated, Forbidden, or TooMany."""
    email, address = email.strip().lower(), auth.counted_address(request, desk)
    desk.tries_per_address.take(address)
    await desk.hayon.database.write(tries.take, _sign_in_tries(email), count=TRIES, refill=TRIES_REFILL)
    known = await desk.hayon.database.read(users.find_by_email, email)
    person, kept = known or (None, None)
    if not await desk.passwords.fits(kept, password) or person is None or kept is None:
        raise Unauthenticated("E-mail address and password do not belong together.")
    if person.disabled:
        raise Forbidden(DISABLED)
    desk.tries_per_address.give_back(address)
    fresh = await desk.passwords.hash(password) if desk.passwords.is_outdated(kept) else None
    token = auth.new_token()

    def work(tx: Tx) -> None:
        tries.forget(tx, _sign_in_tries(email))
        if not users.still_has(tx, person.id, kept):  # changed or disabled while it was compared
            raise Unauthenticated("E-mail address and password do not belong together.")
        if fresh is not None:
            users.replace_password_hash(tx, person.id, fresh)
        sessions.open_session(tx, person.id, auth.digest(token), _agent(request))

    await desk.hayon.database.write(work)
    return person, token


async def change_person(desk: Desk, me: Caller, given: PersonPatch) -> Person:
    """The person as they want to be. Raises Invalid, Conflict, Forbidden for a wrong password, and TooMany."""
    if given.timezone is not None:
        _require_zone(given.timezone)
    kept = None
    if given.email is not None and given.email != me.person.email:
        if given.password is None:
            raise Invalid([Problem("password", "required", "Another e-mail address needs your password.")])
        kept = await _require_password(desk, me.person, given.password.get_secret_value())
    name = None if given.name is None else given.name.strip()

    def work(tx: Tx) -> Person:
        users.keep_profile(tx, me.person.id, name=name, timezone=given.timezone)
        if kept is not None and given.email is not None:
            if not users.still_has(tx, me.person.id, kept):
                raise Forbidden(NOT_YOURS)
            users.change_email(tx, me.person.id, given.email)
            sessions.close_resets(tx, me.person.id)  # they went to the old address
        return users.get_person(tx, me.person.id)

    return await desk.hayon.database.write(work)


async def change_password(desk: Desk, me: Caller, old: str, new: str) -> int:
    """Sets a new password. How many other sessions it ended. Raises Forbidden for a wrong password, and TooMany."""
    kept = await _require_password(desk, me.person, old)
    hashed = await desk.passwords.hash(new)

    def work(tx: Tx) -> int:
        if not users.still_has(tx, me.person.id, kept):
            raise Forbidden(NOT_YOURS)
        return take_password(tx, me.person, hashed, but=me.session_id)

    return await desk.hayon.database.write(work)


def take_password(tx: Tx, person: Person, hashed: str, *, but: UUID | None = None) -> int:
    """A new password, and all that follows from it. How many sessions it ended; the one with this id goes on."""
    users.replace_password_hash(tx, person.id, hashed)
    sessions.close_resets(tx, person.id)
    tries.forget(tx, _sign_in_tries(person.email))
    notices.password_changed(tx, person.id, tx.now())
    return sessions.close_all(tx, person.id, but=but)


def password_changed(ended: int) -> str:
    """What a new password did."""
    browsers = (
        "No other browser was" if not ended else "1 other browser is" if ended == 1 else f"{ended} other browsers are"
    )
    return f"Your password is changed. {browsers} signed out. API keys still open what they did: delete those you do not trust."


def person_out(person: Person) -> PersonOut:
    """A person as the API shows them to themselves."""
    return PersonOut(
        id=person.id, email=person.email, name=person.name, timezone=person.timezone, is_admin=person.is_admin
    )


async def _require_password(desk: Desk, person: Person, password: str) -> str:
    """The hash that this password fits. Raises Forbidden, and TooMany."""
    name = f"password {person.id}"
    await desk.hayon.database.write(tries.take, name, count=TRIES, refill=TRIES_REFILL)
    kept = await desk.hayon.database.read(users.password_hash_of, person.id)
    if not await desk.passwords.fits(kept, password):
        raise Forbidden(NOT_YOURS)
    await desk.hayon.database.write(tries.forget, name)
    return kept


def _require_zone(name: str) -> None:
    zone = read_zone(name)
    if isinstance(zone, Problem):
        raise Invalid([zone])


def _sign_in_tries(email: str) -> str:
    return f"sign-in {email}"


def _agent(request: Request) -> str:
    return shown(request.headers.get("user-agent", "").encode("latin-1"), AGENT_SHOWN)
