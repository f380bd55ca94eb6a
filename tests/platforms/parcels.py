"""Parcels, checkpoints and ways out for adapter tests, whatever the platform."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from hayon.domain.model import Account, Content, Fitting, Media, MediaUse
from hayon.errors import Unavailable
from hayon.media import fit_bytes
from hayon.outgoing import Answer, Outgoing, Request
from hayon.platforms.contract import Parcel, ParcelMedia

NOW = datetime(2026, 11, 3, 12, 30, 15, 250_000, tzinfo=UTC)
USER = UUID(int=7)


@dataclass(frozen=True)
class Picture:
    """A picture or video to put on a parcel. `url` is what its address() gives; without one the file has no address."""

    content: bytes
    alt_text: str = ""
    mime: str = "image/png"
    width: int | None = 64
    height: int | None = 48
    media_id: UUID = field(default_factory=uuid4)
    url: str = ""
    duration_seconds: float | None = None


class PackedPicture:
    """A ParcelMedia whose file is in memory. Fitting is the real one; where it changes the bytes, `url` + "?fitted" is the address."""

    def __init__(self, picture: Picture, media: Media, alt_text: str) -> None:
        self.media = media
        self.alt_text = alt_text
        self._picture = picture

    async def read(self) -> bytes:
        return self._picture.content

    async def stream(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._picture.content), 65_536):
            yield self._picture.content[start : start + 65_536]

    async def fit(self, fitting: Fitting) -> ParcelMedia:
        content, mime, width, height = await fit_bytes(self._picture.content, self.media.mime, fitting)
        if content == self._picture.content:
            return self
        picture = replace(self._picture, content=content, mime=mime, width=width, height=height,
                          url=self._picture.url and f"{self._picture.url}?fitted")  # fmt: skip
        media = replace(self.media, mime=mime, size=len(content), width=width, height=height)
        return PackedPicture(picture, media, self.alt_text)

    async def address(self) -> str:
        if not self._picture.url:
            raise Unavailable("The platform cannot fetch the file.", proves_absence=True)
        return self._picture.url


def make_account(platform: str, host: str, remote_id: str = "", **changes: Any) -> Account:
    """A healthy account; `changes` are further fields of Account (facts, handle …)."""
    handle = remote_id or "someone"
    account = Account(id=uuid4(), user_id=USER, platform=platform, host=host, remote_id=remote_id, handle=handle)
    return replace(account, **changes)


def make_parcel(
    account: Account,
    credential: Mapping[str, Any],
    text: str = "",
    *,
    pictures: Sequence[Picture] = (),
    options: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Parcel:
    """A parcel of this text and these pictures; `changes` are further fields of Parcel (now …)."""
    parcel = Parcel(
        account=account,
        credential=credential,
        content=Content(
            text=text,
            media=tuple(MediaUse(picture.media_id, picture.alt_text) for picture in pictures),
            options=dict(options or {}),
        ),
        media=tuple(_on_parcel(picture) for picture in pictures),
        idempotency_key=str(uuid4()),
        checkpoint={},
        now=NOW,
        correlation_id="test",
    )
    return replace(parcel, **changes)


class Checkpoints:
    """A SaveCheckpoint that keeps everything it was given, in order."""

    def __init__(self) -> None:
        self.saved: list[dict[str, Any]] = []

    async def __call__(self, checkpoint: Mapping[str, Any]) -> None:
        self.saved.append(dict(checkpoint))

    @property
    def last(self) -> dict[str, Any]:
        """The newest checkpoint; an empty one where nothing was saved."""
        return self.saved[-1] if self.saved else {}


class OneSend:
    """The `send` that publish() gets: passes one request on through `outgoing` and refuses a second."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self.requests: list[Request] = []

    async def __call__(self, request: Request) -> Answer:
        assert not self.requests, "publish() may send one request only"
        self.requests.append(request)
        return await self._outgoing.send(request, commit=True)


def fixed_send(answer: Answer | Exception) -> Callable[[Request], Any]:
    """A `send` that gives this answer, or raises this error, whatever it is sent."""

    async def send(request: Request) -> Answer:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return send


def _on_parcel(picture: Picture) -> ParcelMedia:
    media = Media(
        id=picture.media_id,
        user_id=USER,
        key=str(picture.media_id),
        mime=picture.mime,
        size=len(picture.content),
        width=picture.width,
        height=picture.height,
        duration_seconds=picture.duration_seconds,
        ready=True,
    )
    return PackedPicture(picture, media, picture.alt_text)
