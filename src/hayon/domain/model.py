"""The nouns everybody shares, as plain values. No behaviour beyond what a value can say about itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MediaUse:
    """One picture or video as a post uses it: which, and the words for those who cannot see it."""

    media_id: UUID
    alt_text: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What is said: text, media in order, and the platform's own options (warning, visibility, language …)."""

    text: str = ""
    media: tuple[MediaUse, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Override:
    """What one platform or account says differently. None means: as in the post's own content."""

    text: str | None = None
    media: tuple[MediaUse, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def said_on(content: Content, overrides: Mapping[str, Override], platform: str, account_id: UUID) -> Content:
    """What is said on one account: the post's own content, what its platform says differently, then the account itself."""
    for name in (platform, str(account_id)):
        override = overrides.get(name)
        if override is not None:
            content = Content(
                content.text if override.text is None else override.text,
                content.media if override.media is None else override.media,
                {**content.options, **override.options},
            )
    return content


@dataclass(frozen=True, slots=True)
class Media:
    """A stored file as measured when it was taken in. Sizes in bytes and pixels; `key` is where the media store keeps it.

    Codecs are named as FFmpeg names them, the frame rate is in frames a second; None on pictures. `animated`: a picture
    that moves.
    """

    id: UUID
    user_id: UUID
    key: str
    mime: str
    size: int
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    frame_rate: float | None = None
    animated: bool = False
    ready: bool = False

    @property
    def is_video(self) -> bool:
        """Whether it is a video; all else is a picture."""
        return self.mime.startswith("video/")


@dataclass(frozen=True, slots=True)
class Fitting:
    """What a picture has to be for a platform: the same fitting gives the same bytes of the same picture.

    `mimes`: types it may have; another is made the first of them. Sizes in bytes and pixels. `narrowest` and `widest`
    bound width / height; a picture beyond is put on a white ground of the nearest shape, nothing is cut off. `srgb`:
    colours of another space, or with a profile, are brought into sRGB.
    """

    mimes: tuple[str, ...]
    largest_bytes: int
    largest_side: int | None = None
    narrowest: float | None = None
    widest: float | None = None
    srgb: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """A connected profile on a platform. `host` is the address it was connected at; `facts` are the platform's own limits for it."""

    id: UUID
    user_id: UUID
    platform: str
    host: str
    remote_id: str
    handle: str
    display_name: str = ""
    avatar_url: str | None = None
    avatar_key: str | None = None
    is_default: bool = False
    health: str = "active"
    needs_reconnection: bool = False
    health_message: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a post is live: the platform's own id for it, its public address, and when."""

    remote_id: str
    url: str | None
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Intent:
    """An unanswered (or the last) intent: written before the irreversible call, with every handle the call uses."""

    attempt_id: UUID
    handles: Mapping[str, Any]
    intent_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to deliver one target until the lease ends. `fence` grows with every claim; an older one may write nothing.

    `version` is that of the content when it was claimed; an edit since then refuses the intent. `slot_at`: a slot of the
    account's allowance was reserved for it then, by an earlier claim.
    """

    target_id: UUID
    post_id: UUID
    user_id: UUID
    account_id: UUID
    platform: str
    host: str
    fence: int
    version: int
    claim_id: UUID
    claimed_at: datetime
    lease_until: datetime
    due_at: datetime
    idempotency_key: str
    checkpoint: Mapping[str, Any]
    tries: int
    waits: int
    looks: int
    first_try_at: datetime | None
    first_wait_at: datetime | None
    doubted: bool
    stop_asked: bool
    permitted: bool
    intent: Intent | None
    last_intent: Intent | None
    scheduled_at: datetime | None
    max_lateness: timedelta | None
    correlation_id: str
    lost_leases: int
    slot_at: datetime | None = None
