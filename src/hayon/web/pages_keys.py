"""The page of API keys: made for some scopes, shown once, listed, deleted. It works without scripts."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from hayon.errors import Conflict, Invalid, Mistake, Problem
from hayon.web import keys
from hayon.web.auth import Caller
from hayon.web.desk import Desk, TheDesk
from hayon.web.pages_form import Form, PageRoute, Sender, TheForm, Visitor, shape
from hayon.web.pages_inside import go, problems_of, show
from hayon.web.scopes import MEANINGS

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LASTS = {"": "until it is deleted", "30": "30 days", "90": "90 days", "365": "a year"}
"""How long a key may last, as the page offers it; the API takes any time."""


@router.get("/settings/keys")
async def show_keys(me: Visitor, desk: TheDesk, told: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Every key, without the keys themselves."""
    return await _keys(desk, me, told=told)


@router.post("/settings/keys")
async def make_key(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """A new key, shown on the page that answers and never again."""
    try:
        made = await keys.make_key_for(desk, me, await _key_wanted(desk, form))
    except (Invalid, Conflict) as error:
        return await _keys(desk, me, form=form, error=error)
    return await _keys(desk, me, made=made)


@router.post("/settings/keys/{keyId}/delete")
async def delete_key(key_id: Annotated[UUID, Path(alias="keyId")], me: Sender, desk: TheDesk) -> Response:
    """The key opens nothing from now on."""
    await keys.delete_key(key_id, me, desk)
    return go("/settings/keys?told=key")


async def _key_wanted(desk: Desk, form: Form) -> keys.KeyWanted:
    given: dict[str, Any] = {"name": form.text("keyName").strip(), "scopes": form.texts("scopes")}
    days = form.text("lasts")
    if days not in LASTS:
        raise Invalid([Problem("lasts", "unknown", "A key lasts as long as one of the choices says.")])
    if days:
        given["expiresAt"] = await desk.hayon.database.read(lambda tx: tx.now()) + timedelta(days=int(days))
    return shape(keys.KeyWanted, given)


async def _keys(
    desk: Desk, me: Caller, *, told: str = "", form: Form | None = None, error: Mistake | None = None,
    made: keys.KeyMade | None = None,
) -> Response:  # fmt: skip
    return await show(
        desk, me, "keys.html", told=told, heading="Not made", problems=problems_of(error),
        status=error.status if error else 200, here="settings", made=made, lasts=LASTS, meanings=MEANINGS,
        typed=form.text("keyName")[:100] if form is not None else "",
        chosen=form.texts("scopes") if form is not None else ["all"],
        chosen_lasts=form.text("lasts") if form is not None else "",
        keys=(await keys.list_keys(me, desk)).keys,
    )  # fmt: skip
