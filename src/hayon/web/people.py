"""The routes of people: register, sign in and out, who am I, and the keys of their programs."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import AfterValidator, Field, SecretStr

from hayon.domain.schedule import read_zone
from hayon.errors import Forbidden, Invalid, Problem, Unauthenticated
from hayon.store import users
from hayon.store.users import Person
from hayon.web import auth
from hayon.web.auth import Me
from hayon.web.desk import Desk, TheDesk
from hayon.web.passwords import LONGEST, SHORTEST
from hayon.web.problems import refusals
from hayon.web.wire import Answered, Given, Moment, Text, Word

router = APIRouter(prefix="/api", tags=["people"])


def _address(text: str) -> str:
    name, at, host = text.strip().rpartition("@")
    if not (name and at and host) or "@" in name or any(letter.isspace() for letter in text.strip()):
        raise ValueError("must be an e-mail address such as ada@example.org")
    return text.strip().lower()


Email = Annotated[Text, Field(min_length=3, max_length=254), AfterValidator(_address)]


class Registering(Given):
    """Somebody new."""

    email: Email
    password: Annotated[SecretStr, Field(min_length=SHORTEST, max_length=LONGEST)]
    name: Annotated[Text, Field(max_length=100)] = ""
    timezone: Annotated[Text, Field(max_length=64)] = "UTC"


class SigningIn(Given):
    """Somebody known."""

    email: Annotated[Text, Field(max_length=254)]
    password: Annotated[SecretStr, Field(max_length=LONGEST)]


class PersonOut(Answered):
    """Who is signed in."""

    id: UUID
    email: str
    name: str
    timezone: str
    is_admin: bool


class KeyWanted(Given):
    """A name to recognise the key by."""

    name: Word


class KeyOut(Answered):
    """A key as it is listed: never the key itself."""

    id: UUID
    name: str
    hint: str
    created_at: Moment
    last_used_at: Moment | None = None


class KeyMade(KeyOut):
    """The only time the key itself is shown."""

    key: str


class Keys(Answered):
    """All keys."""

    keys: list[KeyOut]


@router.post("/auth/register", status_code=201, responses=refusals(403, 409, 429))
async def register(given: Registering, request: Request, response: Response, desk: TheDesk) -> PersonOut:
    """Registers somebody and signs them in. The first person is the admin; after that registration must be open."""
    auth.refuse_foreign_page(request, desk)
    person, token = await register_person(
        desk, request, given.email, given.password.get_secret_value(), given.name, given.timezone
    )
    auth.set_cookie(response, desk, token)
    return _person_out(person)


@router.post("/auth/login", responses=refusals(401, 403, 429))
async def sign_in(given: SigningIn, request: Request, response: Response, desk: TheDesk) -> PersonOut:
    """Signs somebody in with a session cookie."""
    auth.refuse_foreign_page(request, desk)
    person, token = await sign_person_in(desk, request, given.email, given.password.get_secret_value())
    auth.set_cookie(response, desk, token)
    return _person_out(person)


@router.post("/auth/logout", status_code=204, responses=refusals(401, 403))
async def sign_out(me: Me, response: Response, desk: TheDesk) -> None:
    """Ends the session that asks. A key stays what it is."""
    if me.token is not None:
        await desk.hayon.database.write(users.close_session, auth.digest(me.token))
        auth.drop_cookie(response, desk)


@router.get("/auth/me", responses=refusals(401))
async def who_am_i(me: Me) -> PersonOut:
    """Who is signed in."""
    return _person_out(me.person)


@router.post("/keys", status_code=201, responses=refusals(401, 403, 409))
async def make_key(given: KeyWanted, me: Me, desk: TheDesk) -> KeyMade:
    """A new API key. It is shown this once; only a hash of it is kept."""
    key = auth.KEY_PREFIX + auth.new_token()
    hint = key[: len(auth.KEY_PREFIX) + 4]
    row = await desk.hayon.database.write(users.insert_key, me.person.id, given.name, auth.digest(key), hint)
    return KeyMade(id=row.id, name=row.name, hint=row.hint, created_at=row.created_at, key=key)


@router.get("/keys", responses=refusals(401))
async def list_keys(me: Me, desk: TheDesk) -> Keys:
    """Your keys, the newest first, without the keys themselves."""
    rows = await desk.hayon.database.read(users.list_keys, me.person.id)
    return Keys(
        keys=[
            KeyOut(id=row.id, name=row.name, hint=row.hint, created_at=row.created_at, last_used_at=row.last_used_at)
            for row in rows
        ]
    )


@router.delete("/keys/{keyId}", status_code=204, responses=refusals(401, 403, 404))
async def delete_key(key_id: Annotated[UUID, Path(alias="keyId")], me: Me, desk: TheDesk) -> None:
    """The key opens nothing from now on."""
    await desk.hayon.database.write(users.delete_key, me.person.id, key_id)


async def register_person(
    desk: Desk, request: Request, email: str, password: str, name: str, timezone: str
) -> tuple[Person, str]:
    """Registers somebody; the person and the secret of their first session."""
    zone = read_zone(timezone)
    if isinstance(zone, Problem):
        raise Invalid([zone])
    desk.tries_per_address.take(_from(desk, request))
    only_first = desk.hayon.settings.registration != "open"
    if only_first and await desk.hayon.database.read(users.anybody_registered):
        # asked again where it counts, in the transaction that inserts; here it only saves the work of hashing
        raise Forbidden(users.CLOSED)
    hashed = await desk.passwords.hash(password)
    person = await desk.hayon.database.write(
        users.insert_person, email, hashed, name.strip(), timezone, only_first=only_first
    )
    return person, await _open_session(desk, person)


async def sign_person_in(desk: Desk, request: Request, email: str, password: str) -> tuple[Person, str]:
    """Signs somebody in; the person and the secret of the session. Raises Unauthenticated, or TooMany."""
    email, address = email.strip().lower(), _from(desk, request)
    desk.tries_per_address.take(address)
    desk.tries_per_account.take(email)
    known = await desk.hayon.database.read(users.find_by_email, email)
    person, kept = known or (None, None)
    if not await desk.passwords.fits(kept, password) or person is None or kept is None:
        raise Unauthenticated("E-mail address and password do not belong together.")
    desk.tries_per_address.give_back(address)
    desk.tries_per_account.forget(email)
    if desk.passwords.is_outdated(kept):
        fresh = await desk.passwords.hash(password)
        await desk.hayon.database.write(users.replace_password_hash, person.id, fresh)
    return person, await _open_session(desk, person)


async def _open_session(desk: Desk, person: Person) -> str:
    token = auth.new_token()
    await desk.hayon.database.write(users.open_session, person.id, auth.digest(token), auth.LASTS)
    return token


def _from(desk: Desk, request: Request) -> str:
    return auth.client_address(request, desk.hayon.settings.trusted_proxies)


def _person_out(person: Person) -> PersonOut:
    return PersonOut(
        id=person.id, email=person.email, name=person.name, timezone=person.timezone, is_admin=person.is_admin
    )
