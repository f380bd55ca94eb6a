"""Posts of the simulated Facebook as cards."""

import re
from urllib.parse import urlsplit

from hayon.sandbox.cards import Card, LinkCard, Picture, Segment, followable
from hayon.sandbox.ground import Ground
from hayon.sandbox.meta.facebook.landing import remote_id
from hayon.sandbox.meta.facebook.memory import Post
from hayon.sandbox.meta.facebook.paths import path_of
from hayon.sandbox.meta.facebook.wire import facebook_of
from hayon.sandbox.model import Platform

PART = re.compile(r"(?P<link>https?://[^\s<>\"]+)|(?<![\w&/#])(?P<tag>#\w+)")
AFTER_A_LINK = ".,;:!?'\")]}"
FORMS = {"reel": "reel", "photo_story": "story", "video_story": "story"}


def find_card(world: Ground, post_id: str) -> Card | None:
    """The post with this id of its own, if it is live by now. A story stays in the sandbox's own feed after its day."""
    memory = facebook_of(world)
    post = memory.posts.get(post_id)
    if post is None or not post.live(world.now()):
        return None
    author = world.get_account(Platform.FACEBOOK, post.account_id)
    pictures = [Picture(f"/media/{one.digest}", one.alt_text) for one in (memory.photos[key] for key in post.photos)]
    if post.video_id:
        pictures.append(Picture(f"/media/{memory.videos[post.video_id].digest}", "", "video"))
    return Card(
        Platform.FACEBOOK,
        author,
        path_of(post),
        remote_id(post),
        post.published_at or post.created_at,
        segments(post.message),
        form=_form(post),
        pictures=pictures,
        link=preview(post.link) if post.link else None,
        via=author.app_name or None,
        repeats=sum(entry.repeat for entry in world.landings(Platform.FACEBOOK, remote_id(post))),
    )


def find_by_path(world: Ground, path: str) -> Card | None:
    """The post at this address: a reel or video by the video's id, anything else by its own."""
    name = path.rstrip("/").rsplit("/", maxsplit=1)[-1]
    memory = facebook_of(world)
    video = memory.videos.get(name)
    card = find_card(world, (video.post_id or "") if video else name)
    return card if card and card.permalink == path.rstrip("/") else None


def segments(text: str) -> list[Segment]:
    """The text with its links and hashtags."""
    parts, place = [], 0
    for found in PART.finditer(text):
        kind = str(found.lastgroup)
        shown = found.group().rstrip(AFTER_A_LINK) if kind == "link" else found.group()
        parts += [Segment("text", text[place : found.start()])]
        parts += [Segment(kind, shown, followable(shown) if kind == "link" else None)]
        place = found.start() + len(shown)
    return [part for part in (*parts, Segment("text", text[place:])) if part.text]


def preview(link: str) -> LinkCard:
    """The card of a link, which was found to be there; what stands on its page is not read."""
    return LinkCard(link, followable(link), urlsplit(link).hostname or "", link, "", None)


def _form(post: Post) -> str | None:
    return FORMS.get(post.kind, "album" if len(post.photos) > 1 else None)
