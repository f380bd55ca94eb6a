"""Meta's Graph as Threads, Instagram and Facebook share it: one host and token, and the one table of its errors.

What a platform publishes, and how, is not here. HTTP status is not dependable, so bodies are read whatever it is.
Sources: Meta's pages "Graph API: Error Handling", "Rate Limits", "Instagram: Error Codes", "Threads API Troubleshooting".
"""

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from hayon.errors import Disconnected, PlatformError, RateLimited, Rejected, Unavailable, Unconfirmed
from hayon.outgoing import Answer, Deadline, Outgoing, Request
from hayon.platforms.meta.reading import after_in, body_of, id_in, moment_of

PREPARING_SECONDS = 60
"""Deadline of a call that prepares: Meta fetches pictures within it."""
LONGEST_QUOTE = 300
"""Characters of a platform's own words that go into a message."""
BY_PERSON = ("Threads",)
"""Where the calls of an app are counted for each person by themselves (page "Threads Overview")."""
LISTED_PAGES = 5
LISTED_AT_ONCE = 50


class Doing(StrEnum):
    """What was asked for when the answer came; it decides whether a refusal says anything about a post."""

    READING = "reading"
    PREPARING = "preparing"
    PUBLISHING = "publishing"


@dataclass(frozen=True, slots=True)
class Listing:
    """Entries of a list, newest first. `whole`: none of those asked for is missing."""

    entries: list[Mapping[str, Any]]
    whole: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """One host, version and token as one account speaks to it.

    `address` may end in a path (a sandbox). `version` is the first step of every path; "" for the calls that have none.
    `name` is how messages call the platform, `now` the caller's clock, None where it has none. `secret` is that of the app
    that the token belongs to, where calls are to be proved to come from it.
    """

    address: str
    version: str
    token: str = field(repr=False)
    name: str
    now: datetime | None = None
    secret: str = field(default="", repr=False)

    def url(self, path: str) -> str:
        """The address of a path, without a query. Ids in it are the platform's words, so it is quoted."""
        return "/".join([self.address.rstrip("/"), *([self.version] if self.version else []), quote(path)])

    @property
    def headers(self) -> dict[str, str]:
        """The token, which therefore stands in no address."""
        return {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}

    @property
    def proof(self) -> dict[str, str]:
        """What proves that the app itself is calling (page "Securing Graph API Requests"); nothing without its secret."""
        signed = hmac.new(self.secret.encode(), self.token.encode(), hashlib.sha256).hexdigest()
        return {"appsecret_proof": signed} if self.secret else {}

    def get(self, path: str, **fields: str) -> Request:
        """A question."""
        return Request("GET", self.url(path), self.headers, {**fields, **self.proof})

    def post(self, path: str, form: Mapping[str, Any]) -> Request:
        """A request to make something. What is None is left out, lists and objects are sent as JSON."""
        written = {name: _written(value) for name, value in form.items() if value is not None}
        return Request("POST", self.url(path), self.headers, self.proof, form=written)

    async def ask(self, outgoing: Outgoing, request: Request, *, doing: Doing = Doing.READING) -> Mapping[str, Any]:
        """Sends what may be repeated without harm; gives the JSON of a good answer, raises what any other means.

        A lost answer is Unavailable here, and not Unconfirmed: nothing was put before anybody's eyes.
        """
        deadline = Deadline.after(PREPARING_SECONDS) if doing is Doing.PREPARING else None
        try:
            answer = await outgoing.send(request, deadline=deadline)
        except Unconfirmed as error:
            raise Unavailable(f"{self.name} gave no answer that could be read. It is tried again later.") from error
        body = body_of(answer)
        if body is None or answer.status != 200 or _said_in(body) is not None:
            raise error_of(answer, self.name, doing, now=self.now, sent_before=False)
        return body

    async def make(self, outgoing: Outgoing, path: str, form: Mapping[str, Any]) -> str:
        """The id of something prepared: a container, an unpublished photo."""
        body = await self.ask(outgoing, self.post(path, form), doing=Doing.PREPARING)
        made = id_in(body)
        if made is None:
            raise Unavailable(f"{self.name} took a request but did not name what it made. It is tried again later.")
        return made

    async def listed(self, outgoing: Outgoing, path: str, *, since: datetime, stamp: str, **fields: str) -> Listing:
        """The entries of a list that are not older than `since`, newest first; `stamp` is the field with their time."""
        entries: list[Mapping[str, Any]] = []
        for _ in range(LISTED_PAGES):
            body = await self.ask(outgoing, self.get(path, limit=str(LISTED_AT_ONCE), **fields))
            page = body.get("data")
            if not isinstance(page, list) or not all(isinstance(one, Mapping) and id_in(one) for one in page):
                raise Unavailable(f"{self.name} answered with a list that could not be read. It is tried again later.")
            entries += [one for one in page if (moment_of(one.get(stamp)) or since) >= since]
            after = after_in(body)
            if after is None or not page or (moment_of(page[-1].get(stamp)) or since) < since:
                return Listing(entries, whole=True)
            fields = {**fields, "after": after}
        return Listing(entries, whole=False)

    async def remove(self, outgoing: Outgoing, remote_id: str) -> bool:
        """Deletes a post. True also where it is gone: "does not exist" is believed only if a question says so too."""
        try:
            await self.ask(outgoing, Request("DELETE", self.url(remote_id), self.headers, self.proof))
        except Unavailable as error:
            if error.code != GONE:
                raise
            try:
                await self.ask(outgoing, self.get(remote_id, fields="id"))
            except Unavailable as again:
                if again.code == GONE:
                    return True
            raise
        return True


def token_of(credential: Mapping[str, Any]) -> str:
    """The access token of a credential. Raises Disconnected where there is none."""
    token = credential.get("accessToken")
    if not isinstance(token, str) or not token:
        raise Disconnected("No access token is kept for this account. Reconnect it.", health="error")
    return token


def error_of(answer: Answer, name: str, doing: Doing, *, now: datetime | None, sent_before: bool) -> PlatformError:
    """The error that an answer other than the hoped-for one means.

    While publishing, only what Meta refuses before it begins proves that nothing went live, and only where no earlier
    call was made (`sent_before`); everything else is Unconfirmed, since posts went live under errors of every kind. Only
    a dead token stays Disconnected there, without a proof, so that its owner is asked.
    """
    body = body_of(answer)
    said = (_said_in(body) if body is not None else None) or _Said(0, 0, f"HTTP {answer.status}")
    if said.code == 0 and answer.status == 429:
        said = replace(said, code=613)
    said = replace(said, status=answer.status)
    return _meaning(said, name, doing, regained_at(answer, now), now, sent_before=sent_before)


def words_in(answer: Answer) -> str:
    """What an answer says went wrong, as it may be shown; its status where it says nothing."""
    body = body_of(answer)
    said = _said_in(body) if body is not None else None
    return (said.words if said is not None else "") or f"HTTP {answer.status}"


def published_id(answer: Answer, name: str, *, now: datetime | None, sent_before: bool) -> str:
    """The id in the answer to the call that publishes. Raises what any other answer means."""
    body = body_of(answer)
    made = id_in(body) if body is not None and answer.status == 200 and _said_in(body) is None else None
    if made is None:
        raise error_of(answer, name, Doing.PUBLISHING, now=now, sent_before=sent_before)
    return made


def failure_of(words: str, name: str) -> PlatformError:
    """What the failure of something prepared means, in the words that its status holds (with HTTP 200)."""
    number = re.search(r"\b(?:2207|4279)\d{3}\b", words)
    return _meaning(_Said(0, int(number[0]) if number else 0, _quoted(words)), name, Doing.PREPARING, None, None)


def regained_at(answer: Answer, now: datetime | None) -> datetime | None:
    """When calls are taken again, where `X-Business-Use-Case-Usage` says so (in minutes); None where it does not."""
    try:
        usage = json.loads(answer.headers.get("x-business-use-case-usage", "{}"))
        minutes = max((one["estimated_time_to_regain_access"] for many in usage.values() for one in many), default=0)
        return now + timedelta(minutes=minutes) if now is not None and minutes > 0 else None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class _Said:
    """An error as Meta put it; 0 for a number that it did not give."""

    code: int
    subcode: int
    words: str
    trace: str = ""
    status: int = 200


def _said_in(body: Mapping[str, Any]) -> _Said | None:
    """The error in a body, in each of its shapes: Graph's, that of the token endpoints, that of uploads."""
    error = body.get("error", body.get("debug_info"))
    if error is None and "error_message" in body and "error_type" in body:
        error = {"message": body["error_message"], "code": body.get("code"), "type": body["error_type"]}
    if error is None:
        return None
    if not isinstance(error, Mapping):
        return _Said(0, 0, _quoted(str(error)))
    names = ("error_user_title", "error_user_msg", "message", "type")
    words = ": ".join(dict.fromkeys(error[name] for name in names if isinstance(error.get(name), str) and error[name]))
    trace = error.get("fbtrace_id")
    return _Said(
        _number(error.get("code")), _number(error.get("error_subcode")), _quoted(words),
        trace if isinstance(trace, str) and re.fullmatch(r"[\w\-]{1,39}", trace, re.ASCII) else "",
    )  # fmt: skip


def _meaning(
    said: _Said, name: str, doing: Doing, until: datetime | None, now: datetime | None, *, sent_before: bool = False
) -> PlatformError:
    row = next(row for row in _TABLE if row.fits(said, doing))
    quoted = f' ("{said.words}"{f", trace {said.trace}" if said.trace else ""})' if said.words else ""
    publishing = doing is Doing.PUBLISHING
    proof = publishing and row.proves and said.status < 500 and not sent_before
    error, message = row.error, row.message
    if publishing and not proof and error is not Disconnected:
        error, message = Unconfirmed, _PERHAPS
    told: dict[str, Any] = {
        "code": "/".join(str(number) for number in (said.code, said.subcode) if number),
        "http_status": said.status,
        "proves_absence": proof,
    }
    message = message.format(name=name, said=quoted)
    if error is Disconnected:
        return Disconnected(message, health=row.health, **told)
    if error is RateLimited:
        of_app = row.of_app and name not in BY_PERSON
        ends = until or (now + row.pause if now else None)
        return RateLimited(message, until=ends, of_app=of_app, guessed=until is None, **told)
    return error(message, **told)


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def _quoted(words: str) -> str:
    """Words as they may be shown: printable, not endless, and without anything that could be a token."""
    plain = "".join(sign if sign.isprintable() else " " for sign in words)
    return re.sub(r"(?=[\w\-|.%]*\d)[\w\-|.%]{40,}", "…", plain)[:LONGEST_QUOTE].strip()


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the table: which errors it is about, and what they mean. The first one that fits counts.

    `codes` are Graph's small numbers; `numbers` are long ones, found in code or subcode. `proves`: refused before any
    work, so nothing went live. `pause`: how long a limit lasts where no header says it. `of_app`: it is the app's.
    """

    error: type[PlatformError]
    message: str
    codes: Collection[int] = ()
    numbers: Collection[int] = ()
    sign: str = ""
    doing: Collection[Doing] = tuple(Doing)
    proves: bool = False
    health: str = ""
    pause: timedelta = timedelta(hours=1)
    of_app: bool = False

    def fits(self, said: _Said, doing: Doing) -> bool:
        return (
            (not self.codes or said.code in self.codes)
            and (not self.numbers or said.code in self.numbers or said.subcode in self.numbers)
            and self.sign in said.words.lower()
            and doing in self.doing
        )


GONE = "100/33"
"""The code of what does not exist, or is not shown: seen by mistake too, so it proves nothing by itself."""

_PERHAPS = "{name} answered the call that publishes with an error{said}, so the post may or may not be live. Hayon looks before it does anything else."
_KEY = "{name} no longer accepts the access token{said}. Reconnect the account with a new one."
_STOPPED = "{name} does not let this account publish{said}. Put that right in the app, then reconnect the account."
_SCOPE = "The access token for {name} lacks a permission{said}. Make one with all the permissions the guide names, and reconnect."
_WAIT = "{name} takes no more from this account for the moment{said}. It goes on by itself when the limit has passed."
_LATER = "{name} cannot do this at the moment{said}. It is tried again later."
_READY = "{name} is not ready with what was prepared{said}. The same is tried again shortly."
_FETCH = (
    "{name} could not fetch the file from this Hayon{said}. See that HAYON_PUBLIC_URL can be reached from the internet."
)
_NEVER = (
    "{name} refused the post{said}. Make a new post with what it asks for; this one can only be tried again as it is."
)
_FILE = "{name} cannot use this picture or video{said}. Save it in another format, size or length, or use another one."
_TAG = "{name} does not permit this topic tag{said}. Make a new post with another tag, or without one."
_LINK = "{name} refused a link in the post{said}. Make a new post with another link, or without one."
_TWICE = "{name} says that this was posted already{said}. Make a new post with other words or pictures."

_NOT_PUBLISHING = (Doing.READING, Doing.PREPARING)

_TABLE = (
    _Row(Disconnected, _KEY, {190, 102}, {463}, proves=True, health="expired"),
    _Row(Disconnected, _KEY, {190, 102}, sign="has expired", proves=True, health="expired"),
    _Row(Disconnected, _STOPPED, {190, 102}, {459, 464}, proves=True, health="error"),
    _Row(Disconnected, _KEY, {190, 102}, proves=True, health="revoked"),  # 458, 460, 467, 492 and the rest
    _Row(Disconnected, _STOPPED, numbers={4279013, 2207050}, proves=True, health="error"),
    _Row(Disconnected, _STOPPED, numbers={4854002, 1404006, 1404112, 1404078}, health="error"),
    _Row(RateLimited, _WAIT, numbers={2207042}, proves=True),
    _Row(RateLimited, _WAIT, numbers={2207051, 1390008}, pause=timedelta(hours=6)),
    _Row(Rejected, _TWICE, numbers={1404082, 1366051}),
    _Row(Rejected, _TWICE, {506}),
    _Row(Unavailable, _READY, numbers={4279009, 2207027}, proves=True),
    _Row(Unavailable, _READY, {9007}, proves=True),
    _Row(Unavailable, _FETCH, numbers={2207052}),
    _Row(Unavailable, _FETCH, {9004}),
    _Row(
        Unavailable, _LATER,
        numbers={2207001, 2207003, 2207006, 2207008, 2207020, 2207032, 2207053, 2207077, 2207082, 2207085, 1363047, 1609010},
    ),
    _Row(Rejected, _TAG, numbers={4279071}),
    _Row(Rejected, _FILE, numbers={2207004, 2207005, 2207009, 2207023, 2207026, 2207057, 1366046, 2069019}),
    _Row(Rejected, _FILE, {352, 382, 6000, 36000, 36001, 36003}),
    _Row(Rejected, _LINK, numbers={1609008, 2061006}, proves=True),  # the address itself is refused
    _Row(Rejected, _LINK, numbers={1609005}),
    _Row(Rejected, _LINK, sign="threads_api__link_limit_exceeded"),
    _Row(Rejected, _NEVER, numbers={2207010, 2207018, 2207028, 2207040, 2207081, 1346003, 1404102}),
    _Row(Rejected, _NEVER, {197}, proves=True),  # there was nothing in it
    _Row(Rejected, _NEVER, {36004}),
    *(_Row(Rejected, _NEVER, sign=sign)
      for sign in ("threads_api__feature_not_available", "geo_gating_invalid_country_codes", "at most 500 characters")),
    *(_Row(Disconnected, _KEY, sign=sign, health="revoked")
      for sign in ("revoked_access_token", "session has been invalidated", "not an instagram business")),
    # Where the status of something prepared says why it failed.
    _Row(Unavailable, _FETCH, {0}, sign="failed_downloading"),
    *(_Row(Rejected, _FILE, {0}, sign=sign) for sign in ("failed_processing", "invalid_")),
    _Row(Unconfirmed, _PERHAPS, {20}, {1772107}),  # a comment was made, only its fields could not be shown
    _Row(Disconnected, _SCOPE, {10, *range(200, 300)}, proves=True, health="error"),
    _Row(Disconnected, _SCOPE, {3}, health="error"),
    _Row(RateLimited, _WAIT, {368}, pause=timedelta(hours=6)),
    _Row(RateLimited, _WAIT, {4}, of_app=True),
    _Row(RateLimited, _WAIT, {17, 32, 341, 613, 80001, 80002}),
    _Row(Unavailable, _LATER, {100}, {33}, doing={Doing.READING}),
    _Row(Rejected, _NEVER, {100}, sign="param", proves=True),
    _Row(Rejected, _NEVER, {100}, doing=_NOT_PUBLISHING),
    # 1, 2, -1, -2, 389, 6001, uploads cut short, and whatever nobody foresaw
    _Row(Unavailable, _LATER),
)  # fmt: skip
"""Numbers of one platform are not used by another, so there is one table; what is known best stands first."""
