"""One instance as one account speaks to it: addresses, the token, and every call that may safely be repeated."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from hayon.errors import Disconnected, Unavailable, Unconfirmed
from hayon.outgoing import Answer, Outgoing, Part, Request
from hayon.platforms.contract import Parcel
from hayon.platforms.mastodon.answers import Doing, error_of, read_json

LARGEST_LISTING = 8_000_000
"""Bytes of an answer with forty posts; a look that brings more is given up."""


class NotAnInstance(Unavailable):
    """Something answers under that address, but not as a Mastodon server does."""


@dataclass(frozen=True, slots=True)
class Instance:
    """`address` may end in a path (an instance behind a prefix). `now` is the caller's clock, None where it has none."""

    address: str
    token: str
    now: datetime | None = None

    @classmethod
    def of(cls, parcel: Parcel) -> "Instance":
        """The instance of a parcel's account. Raises Disconnected where no token is kept."""
        return cls(parcel.account.host, token_of(parcel.credential), parcel.now)

    @property
    def host(self) -> str:
        """How people call it."""
        return urlsplit(self.address).netloc

    def get(self, path: str, *inner: str, query: Mapping[str, str] | None = None, largest: int = 2_000_000) -> Request:
        """A question. `inner` are further steps of the path, quoted: ids are the instance's words, not ours."""
        whole = "/".join([self.address + path, *(quote(step, safe="") for step in inner)])
        return Request("GET", whole, self._headers(), query or {}, largest_answer=largest)

    def post(
        self, path: str, *, json: Any = None, parts: Sequence[Part] | None = None, key: str | None = None
    ) -> Request:
        """A request to make something. `key` is the idempotency key."""
        headers = self._headers() | ({"Idempotency-Key": key} if key else {})
        return Request("POST", self.address + path, headers, json=json, parts=parts)

    def delete(self, path: str, *inner: str, query: Mapping[str, str] | None = None) -> Request:
        """A request to take something away; `inner` as for a question."""
        return replace(self.get(path, *inner, query=query), method="DELETE")

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
            raise Unavailable(f"{self.host} gave no answer that could be read. It is tried again later.") from error
        if answer.status not in welcome:
            raise error_of(answer, self.host, doing, now=self.now)
        return answer

    def read(self, answer: Answer) -> Any:
        """The JSON of a welcome answer. Raises Unavailable where it is none."""
        try:
            return read_json(answer)
        except ValueError:
            raise self.misread(answer) from None

    def read_id(self, answer: Answer) -> str:
        """The `id` of what a welcome answer shows. Raises Unavailable where there is none."""
        body = self.read(answer)
        if not isinstance(body, Mapping) or not isinstance(body.get("id"), str) or not body["id"]:
            raise self.misread(answer)
        return str(body["id"])

    def misread(self, answer: Answer) -> Unavailable:
        """The error for a welcome answer whose body is not what Mastodon answers."""
        return Unavailable(
            f"{self.host} cannot be used at the moment: its answer was not that of a Mastodon server.",
            http_status=answer.status,
        )

    def none_there(self, answer: Answer) -> "NotAnInstance":
        """The error for an answer that no Mastodon server gives; with the address that it sends visitors to instead."""
        if not 300 <= answer.status < 400:
            words = f"{self.host} does not answer as a Mastodon server does. Check the address."
        else:
            elsewhere = urlsplit(answer.headers.get("location", "")).netloc
            hint = f" It sends visitors to {elsewhere}: give that address." if elsewhere else ""
            words = f"There is no Mastodon server at {self.host}.{hint}"
        return NotAnInstance(words, http_status=answer.status)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}


def token_of(credential: Mapping[str, Any]) -> str:
    """The access token of a credential. Raises Disconnected where there is none."""
    token = credential.get("accessToken")
    if not isinstance(token, str) or not token:
        raise Disconnected("No access token is kept for this account. Reconnect it.", health="error")
    return token
