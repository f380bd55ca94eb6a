"""Records of the simulated PDS as cards."""

from typing import Any

from hayon.sandbox.bluesky.facets import shown
from hayon.sandbox.bluesky.pds import POST, pds_of
from hayon.sandbox.cards import Card, LinkCard, Picture, Segment, followable
from hayon.sandbox.ground import Ground
from hayon.sandbox.model import Account, Platform, Record

LABELS = {
    "sexual": "Adult content",
    "nudity": "Nudity",
    "porn": "Explicit content",
    "graphic-media": "Graphic media",
}


def find_card(world: Ground, name: str, rkey: str) -> Card | None:
    """The post of a DID or handle under this record key."""
    pds = pds_of(world)
    account = pds.find_repo(name)
    record = pds.find_record(account.account_id, POST, rkey) if account else None
    return _of_record(world, account, record) if account and record else None


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


def _of_record(world: Ground, account: Account, record: Record) -> Card:
    value = record.value
    landings = world.landings(Platform.BLUESKY, record.uri)
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
        repeats=sum(entry.repeat for entry in landings),
        problems=landings[-1].warnings if landings else [],
    )
    labels = [str(_get(label, "val")) for label in _list(_get(value.get("labels"), "values"))]
    card.sensitive = ", ".join(LABELS.get(label, label) for label in labels) or None
    card.reply_to = _text(_get(value.get("reply"), "parent", "uri")) or None
    _embed(world, record.did, card, value.get("embed"))
    return card


def _embed(world: Ground, did: str, card: Card, embed: Any) -> None:
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
            card.link = LinkCard(uri, followable(uri), host, *words, thumb)
        case "record":
            card.quoted = _text(_get(embed, "record", "uri"))
        case "recordWithMedia":
            card.quoted = _text(_get(embed, "record", "record", "uri"))
            _embed(world, did, card, _get(embed, "media"))


def _feature(shown: str, feature: Any) -> Segment:
    match _text(_get(feature, "$type")).rpartition("#")[2]:
        case "link":
            return Segment("link", shown, followable(_text(_get(feature, "uri"))))
        case "mention":
            return Segment("mention", shown, f"/?account={_text(_get(feature, 'did'))}")
        case "tag":
            return Segment("tag", shown)
        case _:
            return Segment("text", shown)


def _blob_url(world: Ground, did: str, blob: Any) -> str | None:
    known = pds_of(world).blobs.get((did, _text(_get(blob, "ref", "$link"))))
    return f"/media/{known.digest}" if known else None


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
