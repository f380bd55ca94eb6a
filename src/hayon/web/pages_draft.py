"""The writing form as it stands: empty, as it was sent when something did not fit, or filled with a draft that is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hayon.domain.schedule import read_zone
from hayon.web.accounts import AccountOut
from hayon.web.pages_form import Form, new_key
from hayon.web.pages_view import offset_of, zone_of
from hayon.web.posts_view import PostOut

ALT_TEXT = "alt-"
"""The field with the description of a picture that is uploaded already is named so, and its id."""
LEFT_OUT = "leaveOut"
"""The field by which somebody without scripts takes a picture out again; with them its fields are gone."""
DIGITS = 9
LONGEST_KEY = 200


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is uploaded already, with its description."""

    media_id: str
    alt_text: str


@dataclass(frozen=True, slots=True)
class Hour:
    """One of the two moments that a wall-clock time can mean on the day the clocks go back."""

    value: str
    words: str


@dataclass(slots=True)
class Draft:
    """What the form holds. `scheduled_at` is wall-clock time; `hour` says which one, where that exists twice.

    `post_id` and `version` are those of the draft that is edited; a new post has none. `alt_text` is for the picture
    that is chosen with the form.
    """

    text: str = ""
    account_ids: list[str] = field(default_factory=list)
    alt_text: str = ""
    pictures: list[Picture] = field(default_factory=list)
    scheduled_at: str = ""
    timezone: str = "UTC"
    hour: str = ""
    key: str = field(default_factory=new_key)
    post_id: str = ""
    version: int = 0
    differs_on: list[str] = field(default_factory=list)

    @property
    def hours(self) -> list[Hour]:
        """What to choose from where the wall-clock time exists twice; nothing where it is clear."""
        both = both_hours(self.scheduled_at, self.timezone)
        said = ("the first time", "the second time")
        return [
            Hour(one.isoformat(timespec="minutes"), f"{one:%H:%M} {words} ({offset_of(one)})")
            for one, words in zip(both, said, strict=False)
        ]

    def body(self, *, keep: bool) -> dict[str, Any]:
        """The fields as the API names them. `keep`: it stays a draft."""
        chosen = next((one.value for one in self.hours if one.value == self.hour), None)
        uses = [{"mediaId": one.media_id, "altText": one.alt_text} for one in self.pictures]
        return {
            "content": {"text": self.text, "mediaItems": uses}, "accountIds": self.account_ids,
            "scheduledAt": chosen or self.scheduled_at or None, "timezone": self.timezone, "draft": keep,
        }  # fmt: skip


def read_draft(form: Form, own_timezone: str) -> Draft:
    """What was sent."""
    version, left_out = form.text("version"), form.texts(LEFT_OUT)
    return Draft(
        text=form.text("text"), account_ids=form.texts("accountIds"), alt_text=form.text("altText"),
        pictures=[Picture(one, form.text(f"{ALT_TEXT}{one}")) for one in form.texts("mediaId") if one not in left_out],
        scheduled_at=form.text("scheduledAt"), timezone=form.text("timezone") or own_timezone, hour=form.text("hour"),
        key=_key_in(form) or new_key(),
        version=int(version[:DIGITS]) if version.isascii() and version.isdigit() else 0,
    )  # fmt: skip


def _key_in(form: Form) -> str:
    """The key that the form carried; nothing where it is none of ours, which no database need keep."""
    key = form.text("key")
    return key if len(key) <= LONGEST_KEY and key.isascii() and key.isprintable() else ""


def draft_of(post: PostOut, accounts: Sequence[AccountOut]) -> Draft:
    """A stored draft in the form. A platform's name is shown as what it means now: its default account."""
    account_ids = [str(one) for one in post.account_ids]
    account_ids += [
        str(one.account_id) for one in accounts if one.is_default and one.platform in post.selected_platforms
    ]
    made = Draft(
        text=post.content.text, account_ids=account_ids, timezone=post.timezone, post_id=str(post.post_id),
        version=post.version, differs_on=sorted(post.platform_specific_content),
        pictures=[Picture(str(use.media_id), use.alt_text) for use in post.content.media_items],
    )  # fmt: skip
    if post.scheduled_at is not None:
        there = post.scheduled_at.astimezone(zone_of(post.timezone))
        made.hour = there.isoformat(timespec="minutes")
        made.scheduled_at = there.replace(tzinfo=None).isoformat(timespec="auto" if there.second else "minutes")
    return made


def both_hours(wall: str, timezone: str) -> tuple[datetime, ...]:
    """The two moments of a wall-clock time on the day the clocks go back; nothing where it exists once or not at all."""
    zone = read_zone(timezone)
    try:
        moment = datetime.fromisoformat(wall)
        if moment.tzinfo is not None or not isinstance(zone, ZoneInfo):
            return ()
        first, second = moment.replace(tzinfo=zone, fold=0), moment.replace(tzinfo=zone, fold=1)
        exists = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment
    except (ValueError, OverflowError):
        return ()
    return (first, second) if exists and first.utcoffset() != second.utcoffset() else ()
