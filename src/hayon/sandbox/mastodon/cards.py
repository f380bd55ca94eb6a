"""Statuses of the simulated instance as cards."""

from hayon.sandbox.cards import Card, Picture, Segment, followable
from hayon.sandbox.ground import Ground
from hayon.sandbox.mastodon.instance import instance_of
from hayon.sandbox.mastodon.text import entities
from hayon.sandbox.model import Media, Platform, Status


def find_card(world: Ground, status_id: str) -> Card | None:
    """The status with this id."""
    status = instance_of(world).statuses.get(status_id)
    return _of_status(world, status) if status else None


def _of_status(world: Ground, status: Status) -> Card:
    author = instance_of(world).get_author(status.account_id)
    media = [instance_of(world).media[media_id] for media_id in status.media_ids]
    return Card(
        Platform.MASTODON,
        author,
        f"/mastodon/@{author.handle}/{status.status_id}",
        status.status_id,
        status.created_at,
        _segments(world, status.text),
        warning=status.spoiler_text or None,
        sensitive="Sensitive content" if status.sensitive else None,
        pictures=[_attachment(one) for one in media],
        reply_to=status.in_reply_to_id,
        visibility=status.visibility,
        languages=[status.language] if status.language else [],
        via=status.app_name or None,
        repeats=sum(entry.repeat for entry in world.landings(Platform.MASTODON, status.status_id)),
    )


def _segments(world: Ground, text: str) -> list[Segment]:
    found, place = [], 0
    for one in entities(text):
        found.append(Segment("text", text[place : one.start]))
        shown, place = text[one.start : one.end], one.end
        if one.kind == "link":
            found.append(Segment("link", shown, followable(one.value)))
        elif one.kind == "hashtag":
            found.append(Segment("tag", shown))
        else:
            known = world.find_account(Platform.MASTODON, one.value)
            found.append(Segment("mention", shown, f"/?account={known.account_id}" if known else None))
    found.append(Segment("text", text[place:]))
    return [segment for segment in found if segment.text]


def _attachment(media: Media) -> Picture:
    return Picture(f"/media/{media.digest}", media.description or "", media.mime_type.split("/")[0])
