"""Posts of the simulated Instagram as cards."""

from hayon.sandbox.cards import Card, Picture
from hayon.sandbox.ground import Ground
from hayon.sandbox.meta.containers import Post
from hayon.sandbox.meta.instagram.reading import path_of
from hayon.sandbox.meta.instagram.text import segments
from hayon.sandbox.meta.instagram.wire import STORY, instagram_of
from hayon.sandbox.model import Platform


def find_card(world: Ground, media_id: str) -> Card | None:
    """The post with this id, unless it is only a part of one. A story stays in the sandbox's own feed after its day."""
    post = instagram_of(world).posts.get(media_id)
    if post is None or post.parent_id:
        return None
    author = world.get_account(Platform.INSTAGRAM, post.account_id)
    return Card(
        Platform.INSTAGRAM,
        author,
        path_of(author.handle, post),
        post.media_id,
        post.published_at,
        segments(post.text),
        form=_form(post),
        pictures=[
            Picture(f"/media/{piece.digest}", piece.alt_text, "video" if piece.video else "image")
            for piece in post.pieces
        ],
        tags=[],
        via=author.app_name or None,
        repeats=sum(entry.repeat for entry in world.landings(Platform.INSTAGRAM, post.media_id)),
    )


def find_by_path(world: Ground, path: str) -> Card | None:
    """The post at this address: a reel under `reel`, a story under its author, by its id; anything else under `p`."""
    name = path.rsplit("/", maxsplit=1)[-1]
    card = find_card(world, instagram_of(world).by_code.get(name, name))
    return card if card and card.permalink == path else None


def _form(post: Post) -> str | None:
    if post.product == STORY:
        return "story"
    return "reel" if post.product == "REELS" else "carousel" if post.children else None
