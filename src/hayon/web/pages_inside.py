"""What every page of somebody signed in shows beside its own matter: who they are, what they shall know, what needs them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import Response
from fastapi.responses import HTMLResponse, RedirectResponse

from hayon.errors import Problem
from hayon.store import accounts as account_rows
from hayon.store import notices
from hayon.store.database import Tx
from hayon.web import auth
from hayon.web.auth import Caller
from hayon.web.desk import Desk
from hayon.web.pages_view import render

NOTICES_SHOWN = 20
ANSWERS = {
    "made": "Your post is taken in. Below you see what becomes of it.",
    "draft": "Kept as a draft.",
    "cancel": "What could be stopped is stopped; each account below says how it stands.",
    "retry": "It is being tried again.",
    "look": "It is looked up now.",
    "duplicate": "This is a copy, kept as a draft. Nothing is planned or published yet.",
    "duplicate-less": "This is a copy, kept as a draft. Accounts that are no longer connected, or files that are gone, are left out: check it before you publish.",
    "submit": "Your draft is on its way.",
    "delete": "It is deleted here. What was published stays on the platforms.",
    "resolve": "Thank you; that settles it.",
    "confirm": "It goes out as planned.",
    "again": "It is looked up once more, and sent again if it is really not there.",
    "connect": "The account is connected.",
    "check": "The account was asked; below is its answer.",
    "default": "That is the default now.",
    "profile": "Your name and time zone are kept.",
    "email": "Your e-mail address is changed. Sign in with it from now on.",
    "password": "Your password is changed, and other browsers are signed out. API keys still open what they did.",
    "sessions": "Signed out there.",
    "mail": "Your choice is kept.",
    "mail-test": "A test is on its way to you.",
    "file": "The file is here, and can be used in posts.",
    "file-deleted": "The file is deleted.",
    "key": "The key is deleted and opens nothing any more.",
    "disconnect": "The account is disconnected. What was not sent to it yet will fail.",
    "disconnect-left": "The account is disconnected. What was not sent to it yet will fail. Its credential may still be good: remove Hayon on the platform, among the apps that you allow.",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to know, not read yet."""

    notice_id: UUID
    message: str
    post_id: UUID | None
    created_at: datetime


async def show(
    desk: Desk, me: Caller, page: str, *, told: str = "", heading: str = "", problems: Any = (), status: int = 200,
    **facts: Any,
) -> Response:  # fmt: skip
    """A page inside. `told` is a key of ANSWERS; `heading` stands above the problems."""
    if not heading:
        heading = "This does not fit yet" if len(problems) == 1 else f"{len(problems)} things do not fit yet"
    frame = await _frame(desk, me)
    shown = render(page, told=ANSWERS.get(told, ""), heading=heading, problems=problems, **frame, **facts)
    return HTMLResponse(shown, status)


def unknown_button(wish: str) -> Problem:
    """The finding against a form that no page of ours has."""
    return Problem("do", "unknown", f"There is no such button: {wish[:50]!r}.")


def go(address: str) -> Response:
    """On to another page, after a form was taken."""
    return RedirectResponse(address, 303)


async def _frame(desk: Desk, me: Caller) -> dict[str, Any]:
    """What the templates of pages inside need."""

    def read(tx: Tx) -> dict[str, Any]:
        rows = notices.list_notices(tx, me.person.id, unread_only=True, limit=NOTICES_SHOWN + 1)
        broken = [one for one in account_rows.list_accounts(tx, me.person.id) if one.needs_reconnection]
        return {
            "now": tx.now(), "broken": broken, "unread": notices.count_unread(tx, me.person.id), "more_notices": len(rows) > NOTICES_SHOWN,
            "notices": [Notice(row.id, row.message, row.post_id, row.created_at) for row in rows[:NOTICES_SHOWN]],
        }  # fmt: skip

    shown = await desk.hayon.database.read(read)
    return shown | {"person": me.person, "csrf": auth.csrf_token(me.token or "")}
