"""The routes of API keys: make one for some scopes, list them, delete one. Only somebody signed in makes or deletes one."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, Field

from hayon.errors import Invalid, Problem
from hayon.store import users
from hayon.store.database import Tx
from hayon.web import auth
from hayon.web.auth import Caller, InPerson, MayRead
from hayon.web.desk import Desk, TheDesk
from hayon.web.problems import refusals
from hayon.web.scopes import Scope
from hayon.web.wire import Answered, Given, Moment, Word

router = APIRouter(prefix="/api", tags=["people"])

KeyId = Annotated[UUID, Path(alias="keyId")]


class KeyWanted(Given):
    """A name to recognise the key by, what it shall be good for, and until when. Without `expiresAt` it lasts until deleted."""

    name: Word
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=len(Scope))] = (Scope.ALL,)
    expires_at: AwareDatetime | None = None


class KeyOut(Answered):
    """A key as it is listed: never the key itself. `all` is every scope there is."""

    id: UUID
    name: str
    hint: str
    scopes: list[str]
    created_at: Moment
    last_used_at: Moment | None = None
    expires_at: Moment | None = None


class KeyMade(KeyOut):
    """The only time the key itself is shown."""

    key: str


class Keys(Answered):
    """All keys."""

    keys: list[KeyOut]


@router.get("/keys", responses=refusals(401, 403))
async def list_keys(me: MayRead, desk: TheDesk) -> Keys:
    """Your keys, the newest first, without the keys themselves."""
    rows = await desk.hayon.database.read(users.list_keys, me.person.id)
    return Keys(keys=[_key_out(row) for row in rows])


@router.post("/keys", status_code=201, responses=refusals(401, 403, 409))
async def make_key(given: KeyWanted, me: InPerson, desk: TheDesk) -> KeyMade:
    """A new API key. It is shown this once; only a hash of it is kept."""
    return await make_key_for(desk, me, given)


@router.delete("/keys/{keyId}", status_code=204, responses=refusals(401, 403, 404))
async def delete_key(key_id: KeyId, me: InPerson, desk: TheDesk) -> None:
    """The key opens nothing from now on."""
    await desk.hayon.database.write(users.delete_key, me.person.id, key_id)


async def make_key_for(desk: Desk, me: Caller, given: KeyWanted) -> KeyMade:
    """A new key. Raises Invalid where it would be over already, Conflict where there are too many."""
    key = auth.KEY_PREFIX + auth.new_token()
    hint = key[: len(auth.KEY_PREFIX) + 4]
    asked = set(given.scopes)
    scopes = [Scope.ALL] if Scope.ALL in asked else [scope for scope in Scope if scope in asked]

    def work(tx: Tx) -> Any:
        if given.expires_at is not None and given.expires_at <= tx.now():
            raise Invalid([Problem("expiresAt", "past", "This time is over. A key ends at a time to come, or never.")])
        return users.insert_key(tx, me.person.id, given.name, auth.digest(key), hint, scopes, given.expires_at)

    row = await desk.hayon.database.write(work)
    return KeyMade(**_key_out(row).model_dump(), key=key)


def _key_out(row: Any) -> KeyOut:
    return KeyOut(
        id=row.id, name=row.name, hint=row.hint, scopes=list(row.scopes), created_at=row.created_at,
        last_used_at=row.last_used_at, expires_at=row.expires_at,
    )  # fmt: skip
