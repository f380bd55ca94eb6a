"""Posts of the simulated Tumblr as cards."""

from itertools import pairwise

from hayon.sandbox.cards import Card, LinkCard, Picture, Segment, followable
from hayon.sandbox.ground import Ground
from hayon.sandbox.model import Platform
from hayon.sandbox.tumblr.blog import VISIBLE, Block, Post, tumblr_of

BETWEEN = "\n\n"
STYLES = {"bold": "bold", "italic": "italic", "strikethrough": "strike", "small": "small"}
SUBTYPES = {
    "heading1": "heading",
    "heading2": "heading",
    "quirky": "italic",
    "quote": "quote",
    "indented": "quote",
    "chat": "code",
}


def find_card(world: Ground, post_id: str) -> Card | None:
    """The post with this id, if it is visible by now."""
    memory = tumblr_of(world)
    post = memory.posts.get(post_id)
    if post is None or post.state not in VISIBLE or not memory.is_there(post):
        return None
    author = world.get_account(Platform.TUMBLR, post.account_id)
    landings = world.landings(Platform.TUMBLR, post_id)
    return Card(
        Platform.TUMBLR,
        author,
        path_of(author.handle, post),
        post_id,
        post.published_at,
        segments_of(world, post.content),
        pictures=[_picture(world, block) for block in post.content if "media" in block],
        link=next((_link(block) for block in post.content if block["type"] == "link"), None),
        visibility="private" if post.state == "private" else "public",
        tags=post.tags,
        via=author.app_name or None,
        repeats=sum(entry.repeat for entry in landings),
        problems=landings[-1].warnings if landings else [],
    )


def find_at(world: Ground, handle: str, post_id: str) -> Card | None:
    """The post at this address."""
    card = find_card(world, post_id)
    return card if card and card.author.handle.lower() == handle.lower() else None


def path_of(handle: str, post: Post) -> str:
    """Where a visible post's page is."""
    return f"/tumblr/{handle}/{post.post_id}{f'/{post.slug}' if post.slug else ''}"


def segments_of(world: Ground, content: list[Block]) -> list[Segment]:
    """The words of a post with their styles; a video elsewhere, and a second link block, as a line with its address."""
    found: list[Segment] = []
    links, number = 0, 0
    before: Block | None = None
    for block in content:
        links += block["type"] == "link"
        if block["type"] != "text" and not ("url" in block and (block["type"] == "video" or links > 1)):
            before = block
            continue
        if found:
            found.append(Segment("text", "\n" if _is_item(before) and _is_item(block) else BETWEEN))
        if block["type"] == "text":
            number = number + 1 if _is_item(before) else 1
            found += [*_mark(block, number), *_words(world, block)]
        else:
            found.append(Segment("link", block["url"], followable(block["url"])))
        before = block
    return found


def _is_item(block: Block | None) -> bool:
    return block is not None and block.get("subtype", "").endswith("list-item")


def _mark(block: Block, number: int) -> list[Segment]:
    if not _is_item(block):
        return []
    mark = f"{number}. " if block["subtype"] == "ordered-list-item" else "• "
    return [Segment("text", "  " * block.get("indent_level", 0) + mark)]


def _words(world: Ground, block: Block) -> list[Segment]:
    text, ranges = block["text"], block.get("formatting", [])
    always = (SUBTYPES[block["subtype"]],) if block.get("subtype") in SUBTYPES else ()
    edges = sorted({0, len(text), *(one["start"] for one in ranges), *(one["end"] for one in ranges)})
    parts = []
    for start, end in pairwise(edges):
        here = [one for one in ranges if one["start"] <= start and end <= one["end"]]
        styles = (*always, *(STYLES[one["type"]] for one in here if one["type"] in STYLES))
        kind, href = "text", None
        for one in here:
            if one["type"] == "link":
                kind, href = "link", followable(one["url"])
            elif one["type"] == "mention":
                known = world.find_account(Platform.TUMBLR, one["blog"]["uuid"])
                kind, href = "mention", f"/?account={known.account_id}" if known else None
        parts.append(Segment(kind, text[start:end], href, tuple(dict.fromkeys(styles))))
    return parts


def _picture(world: Ground, block: Block) -> Picture:
    media = block["media"][0] if isinstance(block["media"], list) else block["media"]
    upload = tumblr_of(world).uploads[media["media_key"]]
    return Picture(f"/media/{upload.digest}", block.get("alt_text") or "", "video" if upload.is_video else "image")


def _link(block: Block) -> LinkCard:
    title, description = block.get("title") or block["url"], block.get("description") or ""
    return LinkCard(block["url"], followable(block["url"]), block.get("site_name") or "", title, description, None)
