"""An instance by script, for what real ones and the sandbox do too seldom: every call gets the answer written for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from hayon.errors import Unreachable
from hayon.outgoing import Answer, Outgoing, Request
from hayon.platforms.contract import Look
from hayon.platforms.mastodon import Mastodon
from tests.platforms.parcels import NOW, make_account, make_parcel

ADDRESS = "https://social.example"
HOST = "social.example"
CREDENTIAL = {"accessToken": "token"}

VERIFY = "GET /api/v1/accounts/verify_credentials"
APP = "GET /api/v1/apps/verify_credentials"
V1, V2 = "GET /api/v1/instance", "GET /api/v2/instance"
UPLOAD = "POST /api/v2/media"
CREATE = "POST /api/v1/statuses"
LISTING = "GET /api/v1/accounts/7/statuses"


def answered(body: Any = None, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with this body: text as it is, anything else as JSON."""
    content = body if isinstance(body, str) else json.dumps(body)
    return Answer(status, dict(headers or {}), content.encode(), ADDRESS)


def refused(status: int, words: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error as Mastodon words it."""
    return answered({"error": words}, status, headers)


Scripted = Answer | Exception


@dataclass
class Server:
    """Answers by method and path, without the query. A list gives its entries one by one.

    What is not scripted is unreachable. `asked` keeps every request in order.
    """

    answers: dict[str, Scripted | list[Scripted]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)

    @property
    def outgoing(self) -> Outgoing:
        """Itself, where an Outgoing is wanted."""
        return cast("Outgoing", self)

    @property
    def calls(self) -> list[str]:
        """Methods and paths asked, in order."""
        return [f"{request.method} {request.url.removeprefix(ADDRESS)}" for request in self.asked]

    async def send(self, request: Request, **options: Any) -> Answer:
        """As Outgoing.send."""
        self.asked.append(request)
        script = self.answers.get(self.calls[-1], Unreachable(f"{self.calls[-1]} is not scripted", host=HOST))
        if isinstance(script, list):
            script = script.pop(0)
        if isinstance(script, Exception):
            raise script
        return script


SENT = NOW - timedelta(minutes=5)


def status(number: int = 9, at: datetime = SENT, **changes: Any) -> dict[str, Any]:
    """A post as a listing shows it."""
    return {
        "id": str(number),
        "url": f"{ADDRESS}/@alice/{number}",
        "created_at": at.isoformat().replace("+00:00", "Z"),
        "spoiler_text": "",
        "visibility": "public",
        "language": "en",
        "edited_at": None,
        "application": {"name": "Hayon", "website": None},
        "media_attachments": [],
        **changes,
    }


def written(number: int, text: str = "Hello", warning: str = "") -> dict[str, Scripted]:
    """The script for the source of a post."""
    source = {"id": str(number), "text": text, "spoiler_text": warning}
    return {f"GET /api/v1/statuses/{number}/source": answered(source)}


async def look_at(server: Server, **changes: Any) -> Look:
    """A look for "Hello", sent five minutes ago."""
    first_sent_at = changes.pop("first_sent_at", SENT)
    handles = {"idempotencyKey": "key", "accountId": "7", "status": "Hello", "mediaIds": [], **changes}
    parcel = make_parcel(make_account("mastodon", ADDRESS, "7"), CREDENTIAL, "Hello", first_sent_at=first_sent_at)
    found = await Mastodon().reconcile(parcel, handles, server.outgoing)
    assert {request.method for request in server.asked} <= {"GET"}
    return found


def listed(*statuses: dict[str, Any], **sources: Any) -> Server:
    """An account that made these posts, each saying "Hello"."""
    scripts: dict[str, Scripted | list[Scripted]] = {LISTING: answered(list(statuses))}
    for one in statuses:
        scripts |= written(int(one["id"]))
    return Server(scripts | sources)
