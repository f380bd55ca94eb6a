"""A Bluesky server by script, for what real ones do too seldom: every call gets the answer written for it."""

import base64
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from hayon.errors import Unreachable
from hayon.media import fit_bytes
from hayon.outgoing import Answer, Request
from hayon.platforms.bluesky import Bluesky
from hayon.platforms.contract import Parcel
from tests.media.filming import film
from tests.platforms.parcels import Checkpoints, Picture, make_account, make_parcel

HOST = "https://pds.example"
DID = "did:plc:aaaabbbbccccddddeeeeffff"
CREDENTIAL = {"accessJwt": "access", "refreshJwt": "refresh"}

Scripted = Answer | Exception | Callable[[Request], Answer]


def answered(body: Any = None, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with this body: bytes and text as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Answer(status, dict(headers or {}), content, HOST)


def refused(status: int, error: str, message: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """An XRPC error."""
    return answered({"error": error, "message": message}, status, headers)


def token(claims: Mapping[str, Any]) -> str:
    """A JWT with these claims, signed by nobody."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, dict(claims))]
    return ".".join([*parts, "signature"])


def picture(colour: str = "red", width: int = 64, height: int = 48) -> bytes:
    """A small PNG."""
    kept = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(kept, "PNG")
    return kept.getvalue()


def shown(colour: str = "red", width: int = 64, height: int = 48, alt_text: str = "") -> Picture:
    """A small PNG for a parcel, measured as it is."""
    return Picture(picture(colour, width, height), alt_text, width=width, height=height)


def filmed(alt_text: str = "", form: str = "mp4") -> Picture:
    """A real video of a second for a parcel, measured as it is."""
    content = film(form) if form == "mp4" else film(form, video="libvpx-vp9", audio="libopus")
    return Picture(content, alt_text, f"video/{form}", width=160, height=96, duration_seconds=1.0)


def blob(name: str, size: int = 100) -> dict[str, Any]:
    """A blob as a server gives it."""
    return {"$type": "blob", "ref": {"$link": f"bafkrei{name}"}, "mimeType": "image/png", "size": size}


@dataclass
class Server:
    """Answers `send` by the method's last word (putRecord, uploadBlob …) and `fetch_public` by address.

    A list gives its entries one by one. What is not scripted is unreachable. `asked` keeps every request in order.
    """

    answers: dict[str, Scripted | list[Scripted]] = field(default_factory=dict)
    pages: dict[str, Scripted | list[Scripted]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    async def send(self, request: Request, **options: Any) -> Answer:
        """As Outgoing.send."""
        self.asked.append(request)
        return self._give(self.answers, request.url.rsplit("/xrpc/", 1)[1].rsplit(".", 1)[-1], request)

    async def fetch_public(self, url: str, **options: Any) -> Answer:
        """As Outgoing.fetch_public."""
        self.fetched.append(url)
        return self._give(self.pages, url, Request("GET", url))

    @property
    def methods(self) -> list[str]:
        """The last words of the methods asked, in order."""
        return [request.url.rsplit(".", 1)[-1] for request in self.asked]

    def _give(self, scripts: dict[str, Scripted | list[Scripted]], name: str, request: Request) -> Answer:
        script = scripts.get(name, Unreachable(f"{name} is not scripted", host="pds.example"))
        if isinstance(script, list):
            script = script.pop(0)
        if isinstance(script, Exception):
            raise script
        return script(request) if callable(script) else script


ADAPTER = Bluesky(fit=fit_bytes)


def parcel(text: str = "hello", pictures: int = 0, facts: Mapping[str, Any] | None = None, **changes: Any) -> Parcel:
    """A parcel for an account of this server, with that many pictures of different bytes."""
    account = make_account("bluesky", HOST, DID, facts=facts or {})
    given = [shown(width=10 + number, alt_text=f"words {number}") for number in range(pictures)]
    return make_parcel(account, CREDENTIAL, text, pictures=given, **changes)


def taken(name: str) -> Answer:
    """The answer to an upload."""
    return answered({"blob": blob(name)})


async def prepare(of: Parcel, server: Server, adapter: Bluesky = ADAPTER) -> tuple[Mapping[str, Any], Checkpoints]:
    """The handles, and what was saved on the way to them."""
    save = Checkpoints()
    return await adapter.prepare(of, save, server), save
