"""The container, which Threads and Instagram share: what is in one, how it stands, and the posts that come of them. No HTTP."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from hayon.sandbox.ground import Ground
from hayon.sandbox.journal import Event
from hayon.sandbox.limits import DAY
from hayon.sandbox.meta.calls import GraphMemory
from hayon.sandbox.meta.tokens import Tokens
from hayon.sandbox.model import Account, Platform

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class State(StrEnum):
    """How a container stands, in the words of both platforms."""

    IN_PROGRESS = "IN_PROGRESS"
    FINISHED = "FINISHED"
    PUBLISHED = "PUBLISHED"
    ERROR = "ERROR"
    EXPIRED = "EXPIRED"


@dataclass(slots=True)
class Piece:
    """One picture or video, by its address; what it is becomes known when it has been fetched."""

    address: str
    video: bool
    alt_text: str = ""
    digest: str = ""
    """Empty until it has been fetched."""
    mime_type: str = ""
    size: int = 0
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Container:
    """What is to be published. Times are unix seconds on the world's clock."""

    container_id: str
    number: int
    account_id: str
    kind: str
    """Its `media_type`."""
    is_item: bool
    """It is only good as a part of a carousel."""
    text: str
    """As it was handed in."""
    piece: Piece | None
    children: list[str]
    options: dict[str, Any]
    """What else the post takes over, by the platform's own names."""
    created_at: float
    ready_at: float
    """Its processing is over from then on, if its file has been fetched by then."""
    failure: str | None = None
    """What its processing ended with, if that was an error."""
    published_as: str | None = None
    shown_at: float = 0.0
    """Its status says that it is published from then on."""


@dataclass(slots=True)
class Post:
    """What was published, or (with a `parent_id`) one picture or video of a carousel. Listings show it from `listed_at` on."""

    media_id: str
    number: int
    account_id: str
    container_id: str
    kind: str
    """Its `media_type`: a post has others than a container."""
    product: str
    text: str
    """As the platform keeps it."""
    pieces: list[Piece]
    children: list[str]
    options: dict[str, Any]
    published_at: float
    listed_at: float
    reply_to: str | None = None
    parent_id: str | None = None

    @property
    def code(self) -> str:
        """What its own address ends with."""
        return shortcode(int(self.media_id))


@dataclass(slots=True)
class Uses:
    """When an account did what is counted within a rolling day."""

    moments: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, what: str, account_id: str, at: float) -> None:
        """It did it once."""
        self.moments.setdefault((what, account_id), []).append(at)

    def within_day(self, what: str, account_id: str, now: float) -> int:
        """How often within the last 24 hours."""
        held = self.moments.get((what, account_id), [])
        return len(held) - bisect_right(held, now - DAY)


class ContainerMemory(GraphMemory):
    """What one of the two platforms remembers."""

    def __init__(self, world: Ground, platform: Platform, tokens: Tokens) -> None:
        super().__init__(platform, tokens)
        self._world = world
        self._platform = platform
        self.containers: dict[str, Container] = {}
        self.posts: dict[str, Post] = {}
        self.by_code: dict[str, str] = {}
        self.by_account: dict[str, list[str]] = {}
        self.uses = Uses()
        self.fetches: dict[str, asyncio.Task[None]] = {}
        """The videos that are being fetched now, by container."""
        self.effects: Mapping[str, Callable[[dict[str, Any]], None]] = {
            **tokens.effects,
            **self.logins.effects,
            f"{platform}.container": self._on_container,
            f"{platform}.fetched": self._on_fetched,
            f"{platform}.published": self._on_published,
            f"{platform}.deleted": self._on_deleted,
        }

    # -- reading ------------------------------------------------------------------------------------------------------

    def kind_of(self, node: str) -> str | None:
        """What kind of object has this id."""
        if node in self.containers:
            return "container"
        if node in self.posts:
            return "media"
        return "user" if (self._platform, node) in self._world.accounts else None

    def find_container(self, account: Account, container_id: str) -> Container | None:
        """The account's own container."""
        held = self.containers.get(container_id)
        return held if held and held.account_id == account.account_id else None

    def find_post(self, account: Account, media_id: str) -> Post | None:
        """The account's own post, or a part of one."""
        held = self.posts.get(media_id)
        return held if held and held.account_id == account.account_id else None

    def state(self, container: Container) -> State:
        """How it stands now; one that was published and does not show it yet stands as before."""
        now = self._world.now()
        if container.published_as and now >= container.shown_at:
            return State.PUBLISHED
        if not container.published_as and now >= container.created_at + DAY:
            return State.EXPIRED
        waits = container.piece is not None and not container.piece.digest and not container.failure
        if now < container.ready_at or waits:
            return State.IN_PROGRESS
        return State.ERROR if container.failure else State.FINISHED

    def list_posts(self, account_id: str) -> list[Post]:
        """An account's posts that listings show by now, newest first."""
        now = self._world.now()
        held = (self.posts[media_id] for media_id in reversed(self.by_account.get(account_id, [])))
        return [post for post in held if post.listed_at <= now]

    # -- events -------------------------------------------------------------------------------------------------------

    def created(self, container: Container) -> Event:
        """The event of a new container."""
        return f"{self._platform}.container", asdict(container)

    def fetched(self, container_id: str, piece: Piece, failure: str | None) -> Event:
        """The event of a video that arrived, or of one that is not good."""
        facts = {"container_id": container_id, "piece": asdict(piece), "failure": failure}
        return f"{self._platform}.fetched", facts

    def published(self, post: Post, parts: list[Post], shown_at: float, counted_as: str) -> Event:
        """The event of a post that lands, with the parts of a carousel. A second copy leaves the container as it is."""
        facts = {
            "post": asdict(post),
            "parts": [asdict(part) for part in parts],
            "shown_at": shown_at,
            "counted_as": counted_as,
        }
        return f"{self._platform}.published", facts

    def deleted(self, media_id: str) -> Event:
        """The event of a post that goes, with its parts."""
        return f"{self._platform}.deleted", {"media_id": media_id, "at": self._world.now()}

    def _on_container(self, facts: dict[str, Any]) -> None:
        piece = Piece(**facts["piece"]) if facts["piece"] else None
        held = Container(**{**facts, "piece": piece})
        self.containers[held.container_id] = held
        self.numbered(held.number)
        self.uses.add("container", held.account_id, held.created_at)

    def _on_fetched(self, facts: dict[str, Any]) -> None:
        held = self.containers[facts["container_id"]]
        held.piece, held.failure = Piece(**facts["piece"]), facts["failure"]

    def _on_published(self, facts: dict[str, Any]) -> None:
        post = _post(facts["post"])
        for one in (post, *map(_post, facts["parts"])):
            self.posts[one.media_id] = one
            self.numbered(one.number)
        self.by_code[post.code] = post.media_id
        self.by_account.setdefault(post.account_id, []).append(post.media_id)
        self.uses.add(facts["counted_as"], post.account_id, post.published_at)
        container = self.containers[post.container_id]
        if container.published_as is None:
            container.published_as, container.shown_at = post.media_id, facts["shown_at"]
        self._world.feed.append((self._platform, post.media_id))

    def _on_deleted(self, facts: dict[str, Any]) -> None:
        post = self.posts.pop(facts["media_id"])
        for part in post.children:
            self.posts.pop(part, None)
        self.by_account[post.account_id].remove(post.media_id)
        del self.by_code[post.code]
        self.uses.add("delete", post.account_id, facts["at"])
        self._world.feed.remove((self._platform, post.media_id))


def shortcode(number: int) -> str:
    """An id as addresses write it."""
    letters = ""
    while number:
        number, place = divmod(number, 64)
        letters = LETTERS[place] + letters
    return f"D{letters}"


def _post(facts: dict[str, Any]) -> Post:
    return Post(**{**facts, "pieces": [Piece(**one) for one in facts["pieces"]]})
