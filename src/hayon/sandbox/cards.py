"""A landed post as a page shows it: the same few parts for every platform. Values only, nothing is escaped here."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hayon.sandbox.bluesky.facets import shown
from hayon.sandbox.bluesky.pds import POST
from hayon.sandbox.mastodon.text import entities
from hayon.sandbox.model import Account, LedgerEntry, Media, Platform, Record, Status
from hayon.sandbox.world import World

LABELS = {
    "sexual": "Adult content",
    "nudity": "Nudity",
    "porn": "Explicit content",
    "graphic-media": "Graphic media",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text: `text`, `link`, `mention` or `tag`; `href` only where a browser may follow it."""

    kind: str
    text: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture or video of a post."""

    url: str | None
    alt: str
    kind: str = "image"


@dataclass(frozen=True, slots=True)
class LinkCard:
    """The preview of a link."""

    uri: str
    href: str | None
    host: str
    title: str
    description: str
    thumb: str | None


@dataclass(slots=True)
class Card:
    """One post."""

    platform: Platform
    author: Account
    permalink: str
    remote_id: str
    landed_at: float
    segments: list[Segment]
    warning: str | None = None
    sensitive: str | None = None
    pictures: list[Picture] = field(default_factory=list)
    link: LinkCard | None = None
    quoted: str | None = None
    reply_to: str | None = None
    visibility: str = "public"
    languages: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    via: str | None = None
    repeats: int = 0
    problems: list[str] = field(default_factory=list)


def find_bluesky_card(world: World, name: str, rkey: str) -> Card | None:
    """The post of a DID or handle under this record key."""
    account = world.pds.find_repo(name)
    record = world.pds.find_record(account.account_id, POST, rkey) if account else None
    return _of_record(world, account, record) if account and record else None


def find_mastodon_card(world: World, status_id: str) -> Card | None:
    """The status with this id."""
    status = world.instance.statuses.get(status_id)
    return _of_status(world, status) if status else None


def cards(world: World, platform: str | None, account: str | None, before: int) -> Iterator[tuple[int, Card]]:
    """What has landed and still stands, newest first, each with its place in the feed."""
    for place in range(min(before, len(world.feed)) - 1, -1, -1):
        where, key = world.feed[place]
        if platform not in (None, where):
            continue
        if where is Platform.BLUESKY:
            did, _, rkey = key.partition("/")
            card = find_bluesky_card(world, did, rkey)
        else:
            card = find_mastodon_card(world, key)
        if card and account in (None, card.author.account_id, card.author.handle):
            yield place, card


def segments_of(text: str, facets: Any) -> list[Segment]:
    """A Bluesky text cut at its facets' bytes. Facets off their characters or over one another are left out."""
    raw, place = text.encode(), 0
    found: list[Segment] = []
    for facet in shown(raw, facets):
        found.append(Segment("text", raw[place : facet.start].decode()))
        found.append(_feature(raw[facet.start : facet.end].decode(), facet.feature))
        place = facet.end
    found.append(Segment("text", raw[place:].decode()))
    return [segment for segment in found if segment.text]


def _of_record(world: World, account: Account, record: Record) -> Card:
    value = record.value
    entries = _entries(world, record.uri)
    text = value.get("text")
    card = Card(
        Platform.BLUESKY,
        account,
        f"/bluesky/profile/{record.did}/post/{record.rkey}",
        record.uri,
        record.written_at,
        segments_of(text if isinstance(text, str) else "", value.get("facets")),
        languages=_texts(value.get("langs")),
        tags=_texts(value.get("tags")),
        repeats=sum(entry.repeat for entry in entries),
        problems=entries[-1].warnings if entries else [],
    )
    labels = [str(_get(label, "val")) for label in _list(_get(value.get("labels"), "values"))]
    card.sensitive = ", ".join(LABELS.get(label, label) for label in labels) or None
    card.reply_to = _text(_get(value.get("reply"), "parent", "uri")) or None
    _embed(world, record.did, card, value.get("embed"))
    return card


def _embed(world: World, did: str, card: Card, embed: Any) -> None:
    match _text(_get(embed, "$type")).removeprefix("app.bsky.embed."):
        case "images" | "gallery":
            shown = _list(_get(embed, "images")) or _list(_get(embed, "items"))
            card.pictures = [
                Picture(_blob_url(world, did, _get(one, "image")), _text(_get(one, "alt"))) for one in shown
            ]
        case "video":
            card.pictures = [Picture(_blob_url(world, did, _get(embed, "video")), _text(_get(embed, "alt")), "video")]
        case "external":
            given = _get(embed, "external")
            uri = _text(_get(given, "uri"))
            thumb = _blob_url(world, did, _get(given, "thumb"))
            host = uri.partition("://")[2].partition("/")[0]
            words = _text(_get(given, "title")), _text(_get(given, "description"))
            card.link = LinkCard(uri, _followable(uri), host, *words, thumb)
        case "record":
            card.quoted = _text(_get(embed, "record", "uri"))
        case "recordWithMedia":
            card.quoted = _text(_get(embed, "record", "record", "uri"))
            _embed(world, did, card, _get(embed, "media"))


def _of_status(world: World, status: Status) -> Card:
    author = world.instance.get_author(status.account_id)
    media = [world.instance.media[media_id] for media_id in status.media_ids]
    return Card(
        Platform.MASTODON,
        author,
        f"/mastodon/@{author.handle}/{status.status_id}",
        status.status_id,
        status.created_at,
        _mastodon_segments(world, status.text),
        warning=status.spoiler_text or None,
        sensitive="Sensitive content" if status.sensitive else None,
        pictures=[_attachment(one) for one in media],
        reply_to=status.in_reply_to_id,
        visibility=status.visibility,
        languages=[status.language] if status.language else [],
        via=status.app_name or None,
        repeats=sum(entry.repeat for entry in _entries(world, status.status_id)),
    )


def _mastodon_segments(world: World, text: str) -> list[Segment]:
    found, place = [], 0
    for one in entities(text):
        found.append(Segment("text", text[place : one.start]))
        shown, place = text[one.start : one.end], one.end
        if one.kind == "link":
            found.append(Segment("link", shown, _followable(one.value)))
        elif one.kind == "hashtag":
            found.append(Segment("tag", shown))
        else:
            known = world.find_account(Platform.MASTODON, one.value)
            found.append(Segment("mention", shown, f"/?account={known.account_id}" if known else None))
    found.append(Segment("text", text[place:]))
    return [segment for segment in found if segment.text]


def _attachment(media: Media) -> Picture:
    return Picture(f"/media/{media.digest}", media.description or "", media.mime_type.split("/")[0])


def _feature(shown: str, feature: Any) -> Segment:
    match _text(_get(feature, "$type")).rpartition("#")[2]:
        case "link":
            return Segment("link", shown, _followable(_text(_get(feature, "uri"))))
        case "mention":
            return Segment("mention", shown, f"/?account={_text(_get(feature, 'did'))}")
        case "tag":
            return Segment("tag", shown)
        case _:
            return Segment("text", shown)


def _entries(world: World, remote_id: str) -> list[LedgerEntry]:
    return [entry for entry in world.by_remote_id.get(remote_id, []) if entry.operation != "deleteRecord"]


def _blob_url(world: World, did: str, blob: Any) -> str | None:
    known = world.pds.blobs.get((did, _text(_get(blob, "ref", "$link"))))
    return f"/media/{known.digest}" if known else None


def _followable(uri: str) -> str | None:
    return uri if uri.lower().startswith(("https://", "http://")) else None


def _get(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [one for one in _list(value) if isinstance(one, str)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
