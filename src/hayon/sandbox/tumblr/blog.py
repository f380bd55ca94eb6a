"""The state of the simulated Tumblr: posts in every state, what was uploaded for them, and the events that change them.

A post has another id after every change between draft, queue, transcoding and being published; the id before it leads
nowhere (tumblr/docs: api.md on `genesis_post_id`; staff in TMTumblrSDK#146). No HTTP.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from hayon.sandbox.ground import Ground
from hayon.sandbox.journal import Event
from hayon.sandbox.model import Account, Platform
from hayon.sandbox.tumblr.keys import Keys

FIRST_ID = 740_000_000_000_000_000
STEP = 8_191
"""Ids are over 2^53, as the real ones are, and later posts have higher ones."""
VISIBLE = frozenset({"published", "private"})
Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture or video as it was uploaded. Bytes, pixels, seconds."""

    media_key: str
    account_id: str
    mime_type: str
    size: int
    digest: str
    width: int
    height: int
    seconds: float | None

    @property
    def is_video(self) -> bool:
        """Whether it is one, and no picture."""
        return self.mime_type.startswith("video/")


@dataclass(frozen=True, slots=True)
class Post:
    """A post, in the state that it has or, while its video is being transcoded, will have. Unix seconds."""

    post_id: str
    number: int
    account_id: str
    state: str
    """`published`, `private`, `draft` or `queued`."""
    content: list[Block]
    layout: list[Block]
    tags: list[str]
    slug: str
    source_url: str | None
    reblogs: str
    """Who may: `everyone` or `noone`."""
    reblog_key: str
    genesis_id: str | None
    """The id it had as a draft or in the queue."""
    created_at: float
    published_at: float
    listed_at: float
    early_id: str | None = None
    """The id it has while its video is being transcoded."""
    ready_at: float = 0.0
    """When that ends."""
    failed: bool = False
    """Whether nothing becomes of it then."""


class Tumblr:
    """What Tumblr remembers in one world."""

    def __init__(self, world: Ground) -> None:
        self._world = world
        self.keys = Keys(world)
        self.uploads: dict[str, Upload] = {}
        self.posts: dict[str, Post] = {}
        self.by_account: dict[str, list[str]] = {}
        self.published: set[tuple[str, str]] = set()
        """The accounts and ids of what was a draft, or queued, and is visible under another id now."""
        self._early: dict[str, str] = {}
        self._numbered = 0
        self.effects: dict[str, Callable[[dict[str, Any]], None]] = {
            **self.keys.effects,
            "tumblr.upload": self._on_upload,
            "tumblr.post": self._on_post,
            "tumblr.post_gone": self._on_post_gone,
        }

    # -- reading ----------------------------------------------------------------------------------------------------

    def is_transcoding(self, post: Post) -> bool:
        """Whether its video still is."""
        return self._world.now() < post.ready_at

    def is_there(self, post: Post) -> bool:
        """Whether it is what it was to become."""
        return not post.failed and not self.is_transcoding(post)

    def id_of(self, post: Post) -> str:
        """The id that leads to it now."""
        return post.early_id if post.early_id and self.is_transcoding(post) else post.post_id

    def find_post(self, post_id: str) -> Post | None:
        """The post that has this id now."""
        post = self.posts.get(self._early.get(post_id, post_id))
        if post is None or (post.failed and not self.is_transcoding(post)):
            return None
        return post if self.id_of(post) == post_id else None

    def list_posts(self, account_id: str, *states: str) -> list[Post]:
        """An account's posts in these states that listings show by now; the latest, and of those the last, first."""
        now = self._world.now()
        held = (self.posts[post_id] for post_id in self.by_account.get(account_id, []))
        shown = [one for one in held if one.state in states and self.is_there(one) and one.listed_at <= now]
        return sorted(shown, key=lambda one: (one.published_at, one.number), reverse=True)

    def transcodes_for(self, account_id: str) -> bool:
        """Whether a video of the account is being transcoded."""
        return any(self.is_transcoding(self.posts[post_id]) for post_id in self.by_account.get(account_id, []))

    def find_upload(self, account_id: str, key: str) -> Upload | None:
        """What the account uploaded, by its media key or the digest that its address ends with."""
        held = self.uploads.get(key)
        if held is None:
            held = next(
                (one for one in self.uploads.values() if one.digest == key and one.account_id == account_id), None
            )
        return held if held and held.account_id == account_id else None

    def next_number(self) -> int:
        """The number of the next post."""
        self._numbered += 1
        return self._numbered

    # -- events -----------------------------------------------------------------------------------------------------

    def uploaded(self, upload: Upload) -> Event:
        """A file is kept."""
        return "tumblr.upload", asdict(upload)

    def kept(self, post: Post) -> Event:
        """A post is made, or another version takes the place of the one with the same id."""
        return "tumblr.post", asdict(post)

    def gone(self, post: Post, *, published: bool = False) -> Event:
        """Nothing has this id any more, if only because what had it was published."""
        return "tumblr.post_gone", {"post_id": post.post_id, "published": published}

    def issue(self, account: Account) -> None:
        """Let the account's current secret be a good token."""
        self.keys.issue(account)

    def withdraw(self, account: Account) -> None:
        """Revoke every token of the account."""
        self.keys.withdraw(account)

    def _on_upload(self, facts: dict[str, Any]) -> None:
        self.uploads[facts["media_key"]] = Upload(**facts)

    def _on_post(self, facts: dict[str, Any]) -> None:
        post = Post(**facts)
        self._numbered = max(self._numbered, post.number)
        if post.early_id:
            self._early[post.early_id] = post.post_id
        if post.post_id not in self.posts:
            self.by_account.setdefault(post.account_id, []).append(post.post_id)
            if post.state in VISIBLE:
                self._world.feed.append((Platform.TUMBLR, post.post_id))
        self.posts[post.post_id] = post

    def _on_post_gone(self, facts: dict[str, Any]) -> None:
        post = self.posts.pop(facts["post_id"])
        self.by_account[post.account_id].remove(post.post_id)
        if post.early_id:
            self._early.pop(post.early_id, None)
        if post.state in VISIBLE:
            self._world.feed.remove((Platform.TUMBLR, post.post_id))
        elif facts["published"]:
            self.published.add((post.account_id, post.post_id))


def id_of(number: int) -> str:
    """The id of a post by its number."""
    return str(FIRST_ID + number * STEP)


def tumblr_of(world: Ground) -> Tumblr:
    """This world's Tumblr."""
    return world.memory(Platform.TUMBLR, Tumblr)
