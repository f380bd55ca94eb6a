"""Tumblr's API as one account speaks to it: addresses, the credential, and every call that may safely be repeated.

Envelope, paths and parameters: tumblr/docs: api.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from hayon.domain.model import Json
from hayon.errors import Unavailable, Unconfirmed
from hayon.outgoing import Answer, Outgoing, Part, Request
from hayon.platforms.tumblr.answers import Doing, error_of, read_json
from hayon.platforms.tumblr.signing import App, authorization, is_renewable

LARGEST_LISTING = 24_000_000
"""Bytes of an answer with twenty posts, each of which may have a megabyte."""


@dataclass(frozen=True, slots=True)
class Api:
    """`host` is the address of the API without a slash at its end, `blog` any identifier of the blog that is meant.

    `now` is the caller's clock, None where it has none.
    """

    host: str
    blog: str
    app: App
    credential: Mapping[str, Any] = field(repr=False)
    now: datetime | None = None

    def get(self, path: str, query: Mapping[str, str] | None = None, largest: int = 2_000_000) -> Request:
        """A question. `path` begins after the version."""
        return self._request("GET", path, query or {}, largest_answer=largest)

    def post(self, path: str, *, json: Any = None, parts: Sequence[Part] | None = None) -> Request:
        """A request to make something, or to take it away."""
        return self._request("POST", path, json=json, parts=parts)

    def put(self, path: str, *, json: Any) -> Request:
        """A request to change something."""
        return self._request("PUT", path, json=json)

    def of_blog(self, *steps: str, blog: str | None = None) -> str:
        """A path below the blog, or below another one. The steps are quoted: ids are Tumblr's words, not ours."""
        # a colon stands in every uuid, and is signed as it stands
        return "/".join(["/blog", *(quote(step, safe=":") for step in (blog or self.blog, *steps))])

    async def ask(
        self,
        outgoing: Outgoing,
        request: Request,
        *,
        doing: Doing = Doing.READING,
        welcome: Collection[int] = (200,),
    ) -> Answer:
        """Sends what may be repeated without harm and returns a welcome answer; raises what any other means.

        A lost answer is Unavailable here, and not Unconfirmed: nothing was put before anybody's eyes.
        """
        try:
            answer = await outgoing.send(request)
        except Unconfirmed as error:
            raise Unavailable("Tumblr gave no answer that could be read. It is tried again later.") from error
        if answer.status not in welcome:
            raise error_of(answer, doing, now=self.now, renewable=is_renewable(self.credential))
        return answer

    async def read(self, outgoing: Outgoing, request: Request) -> Json | None:
        """The `response` of a question as an object; None where Tumblr answers 404. Raises as `ask` does."""
        answer = await self.ask(outgoing, request, welcome=(200, 404))
        response = response_in(answer)
        if response is None:  # also a 404 that is none of Tumblr's
            raise misread(answer)
        return None if answer.status == 404 else response

    def _request(self, method: str, path: str, query: Mapping[str, str] | None = None, **more: Any) -> Request:
        url = f"{self.host}/v2{path}"
        headers = authorization(method, url, query or {}, self.app, self.credential) | {"Accept": "application/json"}
        return Request(method, url, headers, query or {}, **more)


def response_in(answer: Answer) -> Json | None:
    """What stands in an envelope's `response`; empty where it is no object, None where there is no envelope."""
    try:
        body = read_json(answer)
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("meta"), dict):
        return None
    response = body.get("response")
    return response if isinstance(response, dict) else {}


def misread(answer: Answer) -> Unavailable:
    """The error for a welcome answer whose body is not what Tumblr answers."""
    return Unavailable(
        "Tumblr cannot be used at the moment: its answer was not what it documents. It is tried again later.",
        http_status=answer.status,
    )


def id_of(post: Mapping[str, Any]) -> str | None:
    """A post's number as text (they are too large for some readers of JSON); None where there is none."""
    for name in ("id_string", "id"):
        given = post.get(name)
        written = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else ""
        if written.isascii() and written.isdecimal():
            return written
    return None


def url_of(post: Mapping[str, Any]) -> str | None:
    """A post's public address, where it names one."""
    url = post.get("post_url")
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else None


def moment_of(post: Mapping[str, Any]) -> datetime | None:
    """When a post was published, to the second."""
    timestamp = post.get("timestamp")
    if not isinstance(timestamp, int) or isinstance(timestamp, bool):
        return None
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (ValueError, OverflowError, OSError):
        return None
