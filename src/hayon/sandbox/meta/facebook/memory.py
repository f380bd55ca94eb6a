"""What a simulated Facebook remembers of its Pages: photos, videos, and the posts that show them. Nothing of HTTP."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hayon.sandbox.ground import Ground
from hayon.sandbox.journal import Event
from hayon.sandbox.meta.calls import GraphMemory
from hayon.sandbox.meta.containers import Uses
from hayon.sandbox.meta.facebook.limits import FacebookLimits
from hayon.sandbox.meta.facebook.people import Roles
from hayon.sandbox.meta.tokens import LONG_SECONDS, Tokens
from hayon.sandbox.model import Account, Platform

TOKEN_PREFIX = "EAAP"  # noqa: S105 - what such tokens begin with
SCOPED = 20_000_000_000_000
"""What the id of the person behind a Page is more than the Page's."""
STORIES = ("photo_story", "video_story")


@dataclass(slots=True)
class Photo:
    """One uploaded photo, shown by at most one post or story. Times are unix seconds on the world's clock."""

    photo_id: str
    number: int
    account_id: str
    digest: str
    mime_type: str
    width: int
    height: int
    caption: str
    alt_text: str
    published: bool
    """It became a post by itself when it was uploaded."""
    created_at: float
    used_by: list[str] = field(default_factory=list)
    """The posts that show it, by their own ids."""


@dataclass(slots=True)
class Video:
    """One video on its way: first its bytes, then (once `finished_at`) its processing, then its post."""

    video_id: str
    number: int
    account_id: str
    purpose: str
    """`reel`, `video` or `video_story`: through which of the three it came."""
    session_id: str
    """Of a chunked upload."""
    file_size: int | None
    """As it was announced, if it was."""
    started_at: float
    arrived: int = 0
    """So many of its bytes are there."""
    digest: str = ""
    """Empty until all of it is there."""
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    flaw: str | None = None
    """Why it cannot be published, in Facebook's words."""
    title: str = ""
    description: str = ""
    state: str = ""
    """`PUBLISHED` or `DRAFT` once it was finished."""
    finished_at: float | None = None
    ready_at: float = 0.0
    """Its processing is over from then on."""
    failed: bool = False
    """Its processing ends with an error, and nothing is published."""
    shown_at: float = 0.0
    """It says what became of it from then on."""
    post_id: str | None = None


@dataclass(slots=True)
class Post:
    """What a Page has posted, or will: a draft has no `published_at`."""

    post_id: str
    """Its own part of the id; the whole is `full_id`."""
    number: int
    account_id: str
    kind: str
    """`status`, `link`, `photos`, `reel`, `video`, `photo_story` or `video_story`."""
    message: str
    link: str | None
    photos: list[str]
    video_id: str | None
    created_at: float
    published_at: float | None
    """It is live from then on; later than now for one that waits for its hour or its video."""
    feed_at: float
    """Listings show it from then on, at first perhaps as a draft."""
    listed_at: float
    """Listings show that it is live from then on."""
    found_at: float
    """Read by its id, it is there from then on."""
    shown_at: float
    """Read by its id, it says that it is live from then on."""

    @property
    def full_id(self) -> str:
        """As the API writes it."""
        return f"{self.account_id}_{self.post_id}"

    @property
    def story(self) -> bool:
        """Whether it is a story."""
        return self.kind in STORIES

    def live(self, now: float) -> bool:
        """Whether anybody can see it."""
        return self.published_at is not None and self.published_at <= now


class Facebook(GraphMemory):
    """Pages' photos, videos and posts, by their ids."""

    def __init__(self, world: Ground) -> None:
        scopes = ("pages_show_list", "pages_read_engagement", "pages_read_user_content", "pages_manage_posts")
        super().__init__(
            Platform.FACEBOOK, Tokens(world, Platform.FACEBOOK, TOKEN_PREFIX, scopes, kind="page", lifetime=None)
        )
        self._world = world
        self.photos: dict[str, Photo] = {}
        self.videos: dict[str, Video] = {}
        self.by_session: dict[str, str] = {}
        self.posts: dict[str, Post] = {}
        self.by_account: dict[str, list[str]] = {}
        self.uses = Uses()
        self.roles = Roles(world)
        self.effects: Mapping[str, Callable[[dict[str, Any]], None]] = {
            **self.tokens.effects,
            **self.logins.effects,
            **self.roles.effects,
            "facebook.photo": self._on_photo,
            "facebook.video": self._on_video,
            "facebook.video_changed": self._on_video_changed,
            "facebook.post": self._on_post,
            "facebook.post_changed": self._on_post_changed,
            "facebook.gone": self._on_gone,
        }

    def issue(self, account: Account) -> None:
        """The Page's token, which has no date, and that of the person who may use the Page, which has one."""
        super().issue(account)
        self.tokens.hold(account, account.more["userAccessToken"], "user", LONG_SECONDS)

    # -- reading ------------------------------------------------------------------------------------------------------

    def kind_of(self, node: str) -> str | None:
        """What kind of object has this id."""
        if node in self.photos:
            return "photo"
        if node in self.videos:
            return "video"
        if node.rpartition("_")[2] in self.posts:
            return "post"
        if self.roles.business_named(node):
            return "business"
        person = str(int(node) - SCOPED) if node.isdecimal() else ""
        known = any((Platform.FACEBOOK, one) in self._world.accounts for one in (node, person))
        return "user" if known else None

    def find_photo(self, account: Account, photo_id: str) -> Photo | None:
        """The Page's own photo; one that nothing uses is gone after a day."""
        held = self.photos.get(photo_id)
        if held is None or held.account_id != account.account_id:
            return None
        kept = self._world.limits.of(FacebookLimits).photo_lifetime
        return None if not held.used_by and self._world.now() >= held.created_at + kept else held

    def find_video(self, account: Account, video_id: str) -> Video | None:
        """The Page's own video."""
        held = self.videos.get(video_id)
        return held if held and held.account_id == account.account_id else None

    def find_post(self, account: Account, node: str) -> Post | None:
        """The Page's own post or draft, by its whole id or its own part of it; an old draft is gone."""
        page, _, post_id = node.rpartition("_")
        held = self.posts.get(post_id)
        if held is None or held.account_id != account.account_id or page not in ("", account.account_id):
            return None
        kept = self._world.limits.of(FacebookLimits).draft_lifetime
        return None if held.published_at is None and self._world.now() >= held.created_at + kept else held

    def list_posts(self, account: Account) -> list[Post]:
        """A Page's posts and drafts that listings show by now, newest first."""
        now = self._world.now()
        held = (self.find_post(account, post_id) for post_id in reversed(self.by_account.get(account.account_id, [])))
        return [post for post in held if post and post.feed_at <= now]

    def last_live(self, account: Account) -> Post | None:
        """What the Page posted last, stories left out."""
        now = self._world.now()
        held = (self.posts[post_id] for post_id in self.by_account.get(account.account_id, []))
        live = [post for post in held if post.live(now) and not post.story]
        return max(live, key=lambda post: (post.published_at or 0.0, post.number), default=None)

    # -- events -------------------------------------------------------------------------------------------------------

    def photo_event(self, photo: Photo) -> Event:
        """A new photo."""
        return "facebook.photo", asdict(photo)

    def video_event(self, video: Video) -> Event:
        """A new video, of which nothing is there yet."""
        return "facebook.video", asdict(video)

    def video_changed(self, video_id: str, **facts: Any) -> Event:
        """Of a video this has changed."""
        return "facebook.video_changed", {"video_id": video_id, "facts": facts}

    def post_event(self, post: Post) -> Event:
        """A new post or draft; what it shows is used by it."""
        return "facebook.post", asdict(post)

    def post_changed(self, post_id: str, **facts: Any) -> Event:
        """Of a post this has changed."""
        return "facebook.post_changed", {"post_id": post_id, "facts": facts}

    def gone(self, what: str, key: str) -> Event:
        """A `photo`, `video` or `post` was deleted; a post takes its photos and its video with it."""
        return "facebook.gone", {"what": what, "key": key}

    def _on_photo(self, facts: dict[str, Any]) -> None:
        held = Photo(**facts)
        self.photos[held.photo_id] = held
        self.numbered(held.number)

    def _on_video(self, facts: dict[str, Any]) -> None:
        held = Video(**facts)
        self.videos[held.video_id] = held
        self.by_session[held.session_id] = held.video_id
        self.numbered(held.number)

    def _on_video_changed(self, facts: dict[str, Any]) -> None:
        video = self.videos[facts["video_id"]]
        for name, value in facts["facts"].items():
            setattr(video, name, value)

    def _on_post(self, facts: dict[str, Any]) -> None:
        held = Post(**facts)
        self.posts[held.post_id] = held
        self.by_account.setdefault(held.account_id, []).append(held.post_id)
        self.numbered(held.number)
        for photo_id in held.photos:
            self.photos[photo_id].used_by.append(held.post_id)
        if held.published_at is not None:
            self._landed(held)

    def _on_post_changed(self, facts: dict[str, Any]) -> None:
        post = self.posts[facts["post_id"]]
        draft = post.published_at is None
        for name, value in facts["facts"].items():
            setattr(post, name, value)
        if draft and post.published_at is not None:
            self._landed(post)

    def _landed(self, post: Post) -> None:
        self._world.feed.append((Platform.FACEBOOK, post.post_id))
        if post.kind == "reel":
            self.uses.add("reel", post.account_id, post.created_at)

    def _on_gone(self, facts: dict[str, Any]) -> None:
        what, key = facts["what"], facts["key"]
        if what == "post":
            self._drop_post(key)
        elif what == "video":
            video = self.videos.pop(key)
            self.by_session.pop(video.session_id, None)
            for post in [one for one in self.posts.values() if one.video_id == key]:
                self._drop_post(post.post_id)
        else:
            photo = self.photos.pop(key)
            for post_id in photo.used_by:
                post = self.posts[post_id]
                post.photos.remove(key)
                if not post.photos:
                    self._drop_post(post_id)

    def _drop_post(self, post_id: str) -> None:
        post = self.posts.pop(post_id)
        self.by_account[post.account_id].remove(post_id)
        for photo_id in post.photos:
            photo = self.photos[photo_id]
            photo.used_by.remove(post_id)
            if not photo.used_by:
                del self.photos[photo_id]
        if post.video_id in self.videos and self.videos[post.video_id].post_id == post_id:
            self.by_session.pop(self.videos.pop(post.video_id).session_id, None)
        if post.published_at is not None:
            self._world.feed.remove((Platform.FACEBOOK, post_id))
