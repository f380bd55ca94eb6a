"""The requests a Bluesky server understands (XRPC), and asking them where a repeat harms nothing. Knows no post."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeGuard

from hayon.domain.model import Json
from hayon.errors import Unavailable, Unconfirmed
from hayon.outgoing import Answer, Outgoing, Request, Stream
from hayon.platforms.bluesky.answers import read_failure, read_json

LARGEST_ANSWER = 2_000_000


def query(host: str, method: str, parameters: Mapping[str, str], token: str | None = None) -> Request:
    """A reading call. `host` is the server's address without a path, `token` the bearer where one is needed."""
    return Request("GET", _address(host, method), _bearer(token), query=parameters, largest_answer=LARGEST_ANSWER)


def procedure(host: str, method: str, body: Any = None, token: str | None = None) -> Request:
    """A changing call. Without a body none is sent: refreshSession refuses even an empty object."""
    return Request("POST", _address(host, method), _bearer(token), json=body, largest_answer=LARGEST_ANSWER)


def upload(host: str, content: bytes | Stream, mime: str, token: str) -> Request:
    """Hands over a picture or video (atproto: lexicons/com/atproto/repo/uploadBlob.json)."""
    headers = {**_bearer(token), "Content-Type": mime}
    return Request("POST", _address(host, "com.atproto.repo.uploadBlob"), headers, body=content)


async def send_repeatable(outgoing: Outgoing, request: Request) -> Answer:
    """Any answer to a call that may be repeated; no answer means that nothing happened that matters.

    Raises Unreachable, or Unavailable where the server fell silent.
    """
    try:
        return await outgoing.send(request)
    except Unconfirmed as error:
        raise Unavailable(
            f"The Bluesky server did not answer properly: {error.message}", proves_absence=True
        ) from error


async def ask(outgoing: Outgoing, request: Request, now: datetime | None = None) -> Json:
    """The body of a 200 answer as an object. Raises what the answer means otherwise (see `read_failure`)."""
    answer = await send_repeatable(outgoing, request)
    if answer.status != 200:
        raise read_failure(answer, now)
    return read_body(answer)


async def hand_over(outgoing: Outgoing, request: Request, now: datetime | None = None) -> Json:
    """The blob that an upload makes, exactly as the server wrote it: the record has to repeat it unchanged."""
    blob = (await ask(outgoing, request, now)).get("blob")
    if not is_blob(blob):
        raise Unavailable(
            "The Bluesky server took a file but did not say where it keeps it. Nothing was published.",
            proves_absence=True,
        )
    return blob


def is_blob(value: Any) -> TypeGuard[Json]:
    """Whether this is how a server names a blob (atproto-website: specs/data-model, blob type)."""
    return isinstance(value, dict) and "ref" in value


def read_body(answer: Answer) -> Json:
    """The body as a JSON object. Raises Unavailable where it is none."""
    try:
        body = read_json(answer)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Unavailable(
            "The address answers, but not as a Bluesky server does. Check the server's address.",
            http_status=answer.status,
            proves_absence=True,
        )
    return body


def _address(host: str, method: str) -> str:
    return f"{host.rstrip('/')}/xrpc/{method}"


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}
