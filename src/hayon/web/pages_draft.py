"""The writing form as it stands: empty, as it was sent when something did not fit, or filled with a draft that is kept."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hayon.domain.rules import Option
from hayon.domain.schedule import read_zone
from hayon.errors import NotFound
from hayon.web import posts
from hayon.web.accounts import AccountOut
from hayon.web.auth import Caller
from hayon.web.desk import Desk
from hayon.web.pages_form import Form, new_key, read_key
from hayon.web.pages_options import Tables, can_show, read_options, tables_of, was_shown
from hayon.web.pages_view import offset_of, zone_of
from hayon.web.posts_view import OverrideOut, PostOut

ALT_TEXT = "alt-"
"""The field with the description of a picture that is uploaded already is named so, and its id."""
LEFT_OUT = "leaveOut"
"""The field by which somebody without scripts takes a picture out again; with them its fields are gone."""
PLATFORM_OF = "platform-"
"""The field that says of which platform an account of the form is."""
WORDS_ON = "text-"
"""The field with the words for one platform; they count where it is among those that differ."""
DIGITS = 9


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

    `post_id` and `version` are those of the post that is edited; a new one has none. `alt_text` is for the picture
    that is chosen with the form. `platforms`: of which platform each account of the form is. `differs`: where something
    different is said, `words` what (also where it is not said just now). `options` by platform, of those in `shown`: the
    platforms whose fields the form had. `kept` is the post as it was stored, for what no field of the form can say.
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
    platforms: dict[str, str] = field(default_factory=dict)
    differs: list[str] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    tables: Tables = field(default_factory=dict)
    kept: PostOut | None = None

    @property
    def hours(self) -> list[Hour]:
        """What to choose from where the wall-clock time exists twice; nothing where it is clear."""
        both = both_hours(self.scheduled_at, self.timezone)
        said = ("the first time", "the second time")
        return [
            Hour(one.isoformat(timespec="minutes"), f"{one:%H:%M} {words} ({offset_of(one)})")
            for one, words in zip(both, said, strict=False)
        ]

    @property
    def chosen(self) -> set[str]:
        """Where it is to go: the accounts' ids and their platforms."""
        return {*self.account_ids, *(self.platforms[one] for one in self.account_ids if one in self.platforms)}

    @property
    def is_blank(self) -> bool:
        """Whether nothing is said yet anywhere: no words, no file, no option."""
        said = [self.text, *(self.words.get(one, "") for one in self.differs)]
        return not (any(one.strip() for one in said) or self.pictures or any(self.options.values()))

    def body(self, *, keep: bool, at_once: bool = False) -> dict[str, Any]:
        """The fields as the API names them, in the shape of PostIn. `keep`: it stays a draft; `at_once`: whatever its time.

        What is handed in says nothing different for accounts that are not chosen: nobody would ever hear it.
        """
        when = next((one.value for one in self.hours if one.value == self.hour), None)
        uses = [{"mediaId": one.media_id, "altText": one.alt_text} for one in self.pictures]
        different = self._different()
        if not keep and all(one in self.platforms for one in self.account_ids):
            different = {name: one for name, one in different.items() if name in self.chosen}
        return {
            "content": {"text": self.text, "mediaItems": uses, "options": self._options_everywhere()},
            "platformSpecificContent": different, "accountIds": self.account_ids,
            "scheduledAt": None if at_once else when or self.scheduled_at or None, "timezone": self.timezone, "draft": keep,
        }  # fmt: skip

    def patch(self, *, keep: bool, at_once: bool = False) -> dict[str, Any]:
        """The fields as an edit of the post that is `kept`, in the shape of PostPatch."""
        body = self.body(keep=keep, at_once=at_once)
        different: dict[str, Any] = body["platformSpecificContent"]
        stored = self.kept.platform_specific_content if self.kept else {}
        gone = dict.fromkeys(stored.keys() - different.keys())
        # whatever platforms the draft named are chosen in the form as accounts
        return body | {"platformSpecificContent": different | gone, "selectedPlatforms": [], "version": self.version}

    def differs_beyond(self, heard: Collection[str]) -> list[str]:
        """Where something different is said that no field shows, given the platforms that have fields: it stays as it is."""
        kept = self.kept.platform_specific_content if self.kept else {}
        return sorted(name for name, one in kept.items() if name not in heard or one.media_items is not None)

    def _different(self) -> dict[str, dict[str, Any]]:
        """What is said differently, by platform or account, with all that was stored and is not in the form."""
        kept = self.kept.platform_specific_content if self.kept else {}
        made = {}
        for name in sorted({*kept, *self.differs, *self.shown}):
            stored = kept.get(name) or OverrideOut(text=None, media_items=None, options={})
            text, options = stored.text, stored.options
            if name in self.shown or name in self.differs:
                text = self.words.get(name, "") if name in self.differs else None
            if name in self.shown:
                options = self._hidden_options(name) | self.options.get(name, {})
            one: dict[str, Any] = {"text": text} if text is not None else {}
            if stored.media_items is not None:
                uses = stored.media_items
                one["mediaItems"] = [{"mediaId": str(use.media_id), "altText": use.alt_text} for use in uses]
            if options:
                one["options"] = options
            if one:
                made[name] = one
        return made

    def _options_everywhere(self) -> dict[str, Any]:
        """Options for all platforms at once: only an API gives those. What a field of the form shows is said there."""
        stored = self.kept.content.options if self.kept else {}
        return {
            name: value for name, value in stored.items()
            if not any(name in self.tables.get(platform, {}) for platform in self.shown)
        }  # fmt: skip

    def _hidden_options(self, platform: str) -> dict[str, Any]:
        """Stored options of this platform that have no field, or are nothing that their field can hold."""
        table = self.tables.get(platform, {})
        return {
            name: value for name, value in stored_options(self.kept, platform, table).items()
            if name not in table or not can_show(value, table[name])
        }  # fmt: skip


def read_draft(form: Form, own_timezone: str, tables: Tables | None = None) -> Draft:
    """What was sent. `tables` are the options of the platforms; without them no option is read.

    What the post that is edited holds beyond the form's fields is not in it: `find_draft` adds that.
    """
    version, left_out = form.text("version"), form.texts(LEFT_OUT)
    tables = tables or {}
    shown = [one for one in tables if was_shown(form, one)]
    return Draft(
        text=form.text("text"), account_ids=form.texts("accountIds"), alt_text=form.text("altText"),
        pictures=[Picture(one, form.text(f"{ALT_TEXT}{one}")) for one in form.texts("mediaId") if one not in left_out and _is_id(one)],
        scheduled_at=form.text("scheduledAt"), timezone=form.text("timezone") or own_timezone, hour=form.text("hour"),
        key=read_key(form) or new_key(), post_id=form.text("postId"),
        version=int(version[:DIGITS]) if version.isascii() and version.isdigit() else 0,
        platforms=form.named(PLATFORM_OF), differs=[one for one in dict.fromkeys(form.texts("differs")) if not tables or one in tables], words=form.named(WORDS_ON),
        options={one: read_options(form, one, tables[one]) for one in shown}, shown=shown, tables=tables,
    )  # fmt: skip


async def find_draft(desk: Desk, me: Caller, form: Form, post_id: UUID | None = None) -> Draft:
    """What was sent, resting on the post that is named. Raises NotFound where that is not there, or somebody else's."""
    draft = read_draft(form, me.person.timezone, tables_of(desk.hayon.platforms))
    if post_id is not None:
        draft.post_id = str(post_id)
    if draft.post_id:
        draft.kept = await posts.get_post(_id_of(draft.post_id), me, desk)
    return draft


def _is_id(text: str) -> bool:
    """Whether a file is named at all: what is no id, no page of ours has sent, and it is part of names in the form."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _id_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound("There is no such post.") from error


def draft_of(post: PostOut, accounts: Sequence[AccountOut], tables: Tables) -> Draft:
    """A stored post in the form. A platform's name is shown as what it means now: its default account."""
    account_ids = [str(one) for one in post.account_ids]
    account_ids += [
        str(one.account_id) for one in accounts if one.is_default and one.platform in post.selected_platforms
    ]
    different = post.platform_specific_content
    said = {name: one.text for name, one in different.items() if name in tables and one.text is not None}
    made = Draft(
        text=post.content.text, account_ids=list(dict.fromkeys(account_ids)), timezone=post.timezone,
        post_id=str(post.post_id), version=post.version, differs=sorted(said), words=said, tables=tables, kept=post,
        pictures=[Picture(str(use.media_id), use.alt_text) for use in post.content.media_items],
        options={name: stored_options(post, name, table) for name, table in tables.items()},
    )  # fmt: skip
    if post.scheduled_at is not None:
        there = post.scheduled_at.astimezone(zone_of(post.timezone))
        made.hour = there.isoformat(timespec="minutes")
        made.scheduled_at = there.replace(tzinfo=None).isoformat(timespec="auto" if there.second else "minutes")
    return made


def stored_options(post: PostOut | None, platform: str, table: Mapping[str, Option]) -> dict[str, Any]:
    """The options that a stored post has on this platform: its own for it, and those for all that it knows."""
    if post is None:
        return {}
    everywhere = {name: value for name, value in post.content.options.items() if name in table}
    own = post.platform_specific_content.get(platform)
    return everywhere | (own.options if own else {})


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
