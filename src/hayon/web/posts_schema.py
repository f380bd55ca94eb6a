"""What people send about posts: the shapes, bounded, and how they become what delivery takes in. Rules are asked elsewhere."""

import dataclasses
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from hayon.delivery.handed import Handed, handed_again
from hayon.domain.lifecycle import PostStatus
from hayon.domain.model import Content, MediaUse, Override
from hayon.web.wire import LIST_LIMIT, TEXT_LIMIT, Flag, Given, Options, Text, Whole, Word

LONGEST_LATENESS_SECONDS = 366 * 86_400
LARGEST_VERSION = 2**31 - 1

Words = Annotated[Text, Field(max_length=TEXT_LIMIT)]
ScheduledAt = Annotated[
    Text,
    Field(
        min_length=1, max_length=64, examples=["2030-03-29T14:30", "2030-03-29T14:30:00+02:00"],
        description="With an offset, or without one as wall-clock time in `timezone`. Left out: now.",
    ),
]  # fmt: skip
Zone = Annotated[Text, Field(min_length=1, max_length=64, examples=["Europe/Berlin"])]
Lateness = Annotated[Whole, Field(ge=0, le=LONGEST_LATENESS_SECONDS)]


class MediaUseIn(Given):
    """One uploaded file, and the words for those who cannot see it."""

    media_id: UUID
    alt_text: Annotated[Text, Field(max_length=10_000)] = ""


MediaItems = Annotated[tuple[MediaUseIn, ...], Field(max_length=LIST_LIMIT)]


class ContentIn(Given):
    """What is said everywhere. `options` are those of the platforms, described by `GET /api/platforms`."""

    text: Words = ""
    media_items: MediaItems = ()
    options: Options = Field(default_factory=dict)


class OverrideIn(Given):
    """What one platform or account says differently; what is left out is as everywhere."""

    text: Words | None = None
    media_items: MediaItems | None = None
    options: Options = Field(default_factory=dict)


class PostIn(Given):
    """A post as it is handed in. A platform's name means its default account."""

    content: ContentIn
    platform_specific_content: Annotated[dict[Word, OverrideIn], Field(max_length=LIST_LIMIT)] = Field(
        default_factory=dict
    )
    selected_platforms: Annotated[tuple[Word, ...], Field(max_length=LIST_LIMIT)] = ()
    account_ids: Annotated[tuple[UUID, ...], Field(max_length=LIST_LIMIT)] = ()
    scheduled_at: ScheduledAt | None = None
    timezone: Zone | None = None
    max_lateness_seconds: Lateness | None = None
    draft: Flag = False


class ContentPatch(Given):
    """The fields given replace those stored."""

    text: Words = ""
    media_items: MediaItems = ()
    options: Options = Field(default_factory=dict)


class PostPatch(Given):
    """An edit: what is left out stays as it is. A null for `scheduledAt` means now; a null override goes away.

    `version` is the version of the post that was seen; another one since then is a conflict.
    """

    content: ContentPatch = ContentPatch()
    platform_specific_content: Annotated[dict[Word, OverrideIn | None], Field(max_length=LIST_LIMIT)] = Field(
        default_factory=dict
    )
    selected_platforms: Annotated[tuple[Word, ...], Field(max_length=LIST_LIMIT)] = ()
    account_ids: Annotated[tuple[UUID, ...], Field(max_length=LIST_LIMIT)] = ()
    scheduled_at: ScheduledAt | None = None
    timezone: Zone = "UTC"
    max_lateness_seconds: Lateness | None = None
    draft: Flag = False
    version: Annotated[Whole, Field(ge=1, le=LARGEST_VERSION)] | None = None


class OnePlatformPost(Given):
    """The short form: one text for one platform."""

    text: Words
    media_ids: Annotated[tuple[UUID, ...], Field(max_length=LIST_LIMIT)] = ()
    scheduled_at: ScheduledAt | None = None


class TargetsChosen(Given):
    """Which targets of a post; all of them where this is left out."""

    target_ids: Annotated[tuple[UUID, ...], Field(max_length=2 * LIST_LIMIT)] | None = None


class Resolution(Given):
    """What a person found on the platform. `attemptId` is the question that is answered, from the post's `question`.

    `lookedAt` is when the person looked; left out it is now. `retry` permits one more try where it was not there.
    """

    target_id: UUID
    attempt_id: UUID
    outcome: Literal["published", "absent"]
    url: Annotated[Text, Field(min_length=1, max_length=2_000)] | None = None
    retry: Flag = False
    looked_at: AwareDatetime | None = None


def as_handed(given: PostIn, own_timezone: str) -> Handed:
    """The post as delivery takes it in. Without a time zone it is the person's own."""
    content = given.content
    return Handed(
        Content(content.text, _uses(content.media_items), content.options),
        {_name(name): _override(one) for name, one in given.platform_specific_content.items()},
        given.selected_platforms, tuple(map(str, given.account_ids)), given.scheduled_at,
        given.timezone or own_timezone, given.max_lateness_seconds, given.draft,
    )  # fmt: skip


def as_handed_alone(given: OnePlatformPost, platform: str, own_timezone: str) -> Handed:
    """The short form as delivery takes it in."""
    content = Content(given.text, tuple(MediaUse(media_id) for media_id in given.media_ids))
    return Handed(content, {}, (platform,), (), given.scheduled_at, own_timezone)


def merge(given: PostPatch, row: Any, *, overdue: bool) -> Handed:
    """The stored post with the fields given in place of its own.

    A draft stays one unless told otherwise. `overdue`: its time has come already, so an edit that names no other means now.
    """
    handed = dataclasses.replace(handed_again(row), draft=row.status == PostStatus.DRAFT)
    said = given.model_fields_set
    if overdue:
        handed = dataclasses.replace(handed, scheduled_at=None)
    plain = {
        name: getattr(given, name) for name in said & {"scheduled_at", "timezone", "max_lateness_seconds", "draft"}
    }
    if "selected_platforms" in said:
        plain["platforms"] = given.selected_platforms
    if "account_ids" in said:
        plain["account_ids"] = tuple(map(str, given.account_ids))
    return dataclasses.replace(
        handed,
        content=_merge_content(given.content, handed.content),
        overrides=_merge_overrides(given, handed),
        **plain,
    )


def _merge_content(given: ContentPatch, content: Content) -> Content:
    said = given.model_fields_set
    return Content(
        given.text if "text" in said else content.text,
        _uses(given.media_items) if "media_items" in said else content.media,
        given.options if "options" in said else content.options,
    )


def _merge_overrides(given: PostPatch, handed: Handed) -> dict[str, Override]:
    overrides = dict(handed.overrides)
    for name, one in given.platform_specific_content.items():
        if one is None:
            overrides.pop(_name(name), None)
        else:
            overrides[_name(name)] = _override(one)
    return overrides


def _override(given: OverrideIn) -> Override:
    uses = None if given.media_items is None else _uses(given.media_items)
    return Override(given.text, uses, given.options)


def _uses(given: tuple[MediaUseIn, ...]) -> tuple[MediaUse, ...]:
    return tuple(MediaUse(one.media_id, one.alt_text) for one in given)


def _name(name: str) -> str:
    """An account's id in the one way it is written, or a platform's name as it stands."""
    try:
        return str(UUID(name))
    except ValueError:
        return name
