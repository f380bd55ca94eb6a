"""The authors: each hands in, edits, puts off and cancels posts, repeats every request until it is answered, and notes what it was told."""

import http.client
import io
import itertools
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from tests.chaos.plan import ACCOUNTS_EACH, PLATFORMS, Ask, Post, Wish
from tests.matrix.kinds import STAGES
from tests.servers.sandbox import Sandbox

ENDED = frozenset({"completed", "failed", "cancelled"})
_ANSWER_SECONDS, _SETTLING_SECONDS = 4.0, 30.0
_AGAIN_SECONDS = 0.3
_TRANSIENT = frozenset({429, 500, 502, 503, 504})


class NeverAnswered(Exception):
    """A request that was repeated until the very end."""


class Unexpected(Exception):
    """An answer that fits nothing that was planned."""


@dataclass(slots=True)
class Told:
    """What the author of one post knows. `words` are those that it was told hold now."""

    post: Post
    words: str
    post_id: str = ""
    version: int = 1
    seen: dict[str, str] = field(default_factory=dict)
    """By target: the end that it was told of."""
    answers: dict[str, str] = field(default_factory=dict)
    """By target: what a cancel was answered, the firmest word of all."""
    targets: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Platform and account of each, by its id."""
    shown: Mapping[str, Any] = field(default_factory=dict)
    """The post as the API shows it when everything has come to rest."""
    wrong: list[str] = field(default_factory=list)


class Clock:
    """Moments of the run. Nothing is repeated any more after `last` (unix seconds)."""

    def __init__(self) -> None:
        self.began = 0.0
        self.last = float("inf")

    def wait_until(self, moment: float) -> None:
        """Returns at once where it has passed."""
        time.sleep(max(0.0, self.began + moment - time.time()))

    def say(self, moment: float | None) -> str | None:
        """As the API takes a time."""
        return None if moment is None else datetime.fromtimestamp(self.began + moment, UTC).isoformat()


class Author(threading.Thread):
    """One person and their program. `failed` says why the program gave up, where it did."""

    def __init__(self, number: int, posts: Sequence[Post], webs: Sequence[str], clock: Clock) -> None:
        super().__init__(name=f"author-{number}", daemon=True)
        self.number = number
        self.told = {post.number: Told(post, post.words) for post in posts}
        self.accounts: dict[tuple[str, int], tuple[str, str]] = {}
        """By platform and which: the account's id here, and its handle there."""
        self.failed = ""
        self.repeated = 0
        self._posts = posts
        self._webs = [*webs[number % len(webs) :], *webs[: number % len(webs)]]
        self._clock = clock
        self._key = ""
        self._picture = ""
        self._answer_seconds = _SETTLING_SECONDS

    def settle_in(self, sandbox: Sandbox) -> None:
        """Registers, connects two accounts on each platform, and uploads a picture."""
        person = {"email": f"a{self.number}@example.test", "password": "a password of the tests", "name": "An author"}
        _, _, cookie = _request(self._webs[0], "POST", "/api/auth/register", person, {})
        given = {"Cookie": cookie, "Origin": self._webs[0]}
        # signed in at one web process only: that one knows its own address
        status, made, _ = _request(self._webs[0], "POST", "/api/keys", {"name": "tests"}, given)
        if status != 201:
            raise Unexpected(f"no key: {status} {made}")
        self._key = made["key"]
        for platform, which in itertools.product(PLATFORMS, range(ACCOUNTS_EACH)):
            stage = STAGES[platform]
            there = sandbox.add_account(platform, stage.handle.format(n=self.number * ACCOUNTS_EACH + which))
            body = {name: there[name] for name in stage.connecting}
            here = self._expect(201, "POST", f"/api/accounts/{platform}", body)
            self.accounts[platform, which] = here["accountId"], there["handle"]
        content = _draw_picture(self.number)
        grant = self._expect(201, "POST", "/api/media/uploads", {"mimeType": "image/jpeg", "size": len(content)})
        parts = urlsplit(grant["url"])
        sent, said, _ = _request(f"{parts.scheme}://{parts.netloc}", grant["method"], f"{parts.path}?{parts.query}",
                                 content, grant["headers"])  # fmt: skip
        if sent >= 300:
            raise Unexpected(f"no picture: {sent} {said}")
        self._expect(200, "POST", f"/api/media/{grant['mediaId']}/complete")
        self._picture, self._answer_seconds = grant["mediaId"], _ANSWER_SECONDS

    def run(self) -> None:
        """Everything this author does, each thing at its moment or as soon as the one before was answered."""
        doings: list[tuple[float, int, Post, Wish | None]] = [(post.at, -1, post, None) for post in self._posts]
        for post in self._posts:
            doings += [(wish.at, place, post, wish) for place, wish in enumerate(post.wishes)]
        try:
            for moment, _, post, wish in sorted(doings, key=lambda one: one[:2]):
                self._clock.wait_until(moment)
                if wish is None:
                    self._hand_in(self.told[post.number])
                else:
                    self._wish(self.told[post.number], wish)
        except Exception as error:  # noqa: BLE001 - told at the end, with everything else that is wrong
            self.failed = f"author {self.number}: {error!r}"

    def look_at_all(self) -> None:
        """Reads every post as it stands in the end."""
        cursor, by_id = "", {told.post_id: told for told in self.told.values() if told.post_id}
        while True:
            page = self._expect(200, "GET", f"/api/posts?limit=100{cursor}")
            for shown in page["posts"]:
                if shown["postId"] in by_id:
                    by_id[shown["postId"]].shown = shown
            if page["nextCursor"] is None:
                return
            cursor = f"&cursor={page['nextCursor']}"

    def _hand_in(self, told: Told) -> None:
        post, content = told.post, {"text": told.post.words}
        body: dict[str, Any] = {
            "content": content, "accountIds": [self.accounts[one][0] for one in post.accounts],
            "scheduledAt": self._clock.say(post.due),
        }  # fmt: skip
        items = [{"mediaId": self._picture, "altText": "a coloured square"}]
        if post.pictured:
            body["content"] = content | {"mediaItems": items}
        elif any(platform == "instagram" for platform, _ in post.accounts):
            body["platformSpecificContent"] = {"instagram": {"mediaItems": items}}
        status, made, _ = self._ask("POST", "/api/posts", body, {"Idempotency-Key": f"post-{post.number}"})
        if status != 201:
            raise Unexpected(f"post {post.number} was refused: {status} {made}")
        if told.post_id and told.post_id != made["postId"]:
            told.wrong.append(f"one Idempotency-Key made two posts: {told.post_id} and {made['postId']}")
        told.post_id = made["postId"]
        told.targets = {one["targetId"]: (one["platform"], one["accountId"]) for one in made["platformStatuses"]}

    def _wish(self, told: Told, wish: Wish) -> None:
        match wish.ask:
            case Ask.EDIT:
                self._change(told, {"content": {"text": wish.words}}, wish.words)
            case Ask.RESCHEDULE:
                self._change(told, {"scheduledAt": self._clock.say(wish.due)}, told.words)
            case Ask.CANCEL | Ask.CANCEL_ONE:
                self._cancel(told, alone=wish.ask is Ask.CANCEL_ONE)
            case Ask.REPEAT:
                self._hand_in(told)
            case Ask.LOOK:
                self._look(told)

    def _change(self, told: Told, change: Mapping[str, Any], words: str) -> None:
        """Under the version that was seen: a request that comes through late, after its repeat, changes nothing any more."""
        repeated = self.repeated
        status, said, _ = self._ask("PATCH", f"/api/posts/{told.post_id}", {**change, "version": told.version})
        if status == 200:
            told.words, told.version = words, said["version"]
            return
        if status != 409:
            raise Unexpected(f"post {told.post.number} could not be changed: {status} {said}")
        shown = self._expect(200, "GET", f"/api/posts/{told.post_id}")
        # refused at the first word: nothing was changed; after a repeat that first word may have been heard
        possible = {told.words} if repeated == self.repeated else {told.words, words}
        if shown["content"]["text"] not in possible:
            told.wrong.append(f"after a refused change it says {shown['content']['text']!r}, not one of {possible}")
        told.words, told.version = shown["content"]["text"], shown["version"]

    def _cancel(self, told: Told, *, alone: bool) -> None:
        body = {"targetIds": sorted(told.targets)[:1]} if alone else {}
        status, said, _ = self._ask("POST", f"/api/posts/{told.post_id}/cancel", body)
        if status != 200:
            raise Unexpected(f"post {told.post.number} could not be cancelled: {status} {said}")
        for one in said["targets"]:
            before = told.answers.get(one["targetId"])
            if before == "cancelled" and one["answer"] != "nothing_to_stop":
                told.wrong.append(f"{one['platform']}: a cancel was answered {before}, and then {one['answer']}")
            if before != "cancelled":
                told.answers[one["targetId"]] = one["answer"]

    def _look(self, told: Told) -> None:
        shown = self._expect(200, "GET", f"/api/posts/{told.post_id}/status")
        for one in shown["platformStatuses"]:
            if one["status"] in ENDED:
                told.seen.setdefault(one["targetId"], one["status"])

    def _expect(self, wanted: int, method: str, path: str, body: Any = None) -> Any:
        status, said, _ = self._ask(method, path, body)
        if status != wanted:
            raise Unexpected(f"{method} {path}: {status} {said}")
        return said

    def _ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, str]:
        """Repeats until it is answered, at one web process after the other."""
        given = {"Authorization": f"Bearer {self._key}", **(headers or {})}
        while True:
            try:
                status, said, cookie = _request(self._webs[0], method, path, body, given, self._answer_seconds)
            except (OSError, http.client.HTTPException, ValueError) as error:
                status, said = 0, repr(error)
            else:
                if status not in _TRANSIENT and not _is_unfetchable(said):
                    return status, said, cookie
            if time.time() > self._clock.last:
                raise NeverAnswered(f"{method} {path}: {status} {said}")
            self.repeated += 1
            self._webs = [*self._webs[1:], self._webs[0]]
            time.sleep(_AGAIN_SECONDS)


def _is_unfetchable(said: Any) -> bool:
    """A file that platforms have to fetch could not be had from our own address, whose server is away at this moment."""
    problems = said.get("problems", ()) if isinstance(said, dict) else ()
    return any(problem["rule"] == "not_fetchable" for problem in problems)


def _request(
    web: str, method: str, path: str, body: Any, headers: Mapping[str, str], seconds: float = _SETTLING_SECONDS
) -> tuple[int, Any, str]:  # fmt: skip
    """Status, body as JSON, and the cookie. A connection of its own for each: whoever answered before may be gone."""
    address = urlsplit(web)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=seconds)
    try:
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        json_is = {"Content-Type": "application/json"} if not isinstance(body, bytes) else {}
        connection.request(method, path, sent, {**json_is, **headers})
        answer = connection.getresponse()
        said = answer.read()
        cookie = (answer.getheader("Set-Cookie") or "").split(";")[0]
        return answer.status, json.loads(said) if said else None, cookie
    finally:
        connection.close()


def _draw_picture(number: int) -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (640, 640), (number * 10 % 256, 80, 160)).save(kept, "JPEG")
    return kept.getvalue()
