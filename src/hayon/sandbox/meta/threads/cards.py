"""Posts of the simulated Threads as cards."""

from hayon.sandbox.cards import Card, Picture
from hayon.sandbox.ground import Ground
from hayon.sandbox.meta.threads.reading import path_of
from hayon.sandbox.meta.threads.text import links_of, preview, segments
from hayon.sandbox.meta.threads.wire import threads_of
from hayon.sandbox.model import Platform


def find_card(world: Ground, media_id: str) -> Card | None:
    """The post with this id, unless it is only a part of one."""
    post = threads_of(world).posts.get(media_id)
    if post is None or post.parent_id:
        return None
    author = world.get_account(Platform.THREADS, post.account_id)
    links = [post.options["link"]] if post.options["link"] else links_of(post.text)
    control, tag = post.options["reply_control"], post.options["topic_tag"]
    return Card(
        Platform.THREADS,
        author,
        path_of(author.handle, post),
        post.media_id,
        post.published_at,
        segments(post.text),
        form="carousel" if post.children else None,
        pictures=[
            Picture(f"/media/{piece.digest}", piece.alt_text, "video" if piece.video else "image")
            for piece in post.pieces
        ],
        link=preview(links[0]) if links and post.kind == "TEXT_POST" else None,
        reply_to=post.reply_to,
        replies=None if control == "everyone" else control.replace("_", " "),
        tags=[tag] if tag else [],
        via=author.app_name or None,
        repeats=sum(entry.repeat for entry in world.landings(Platform.THREADS, post.media_id)),
    )


def find_by_code(world: Ground, handle: str, code: str) -> Card | None:
    """The post at this address."""
    card = find_card(world, threads_of(world).by_code.get(code, ""))
    return card if card and card.author.handle.lower() == handle.lower() else None
