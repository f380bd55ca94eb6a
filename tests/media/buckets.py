"""Buckets of the real S3 server as media stores, and ways out that break. Knows nothing of pictures."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from hayon.media.s3 import S3Bucket, S3Place, read_s3_url
from hayon.outgoing import Answer, Deadline, Outgoing, Request, StreamedAnswer
from tests.servers.ports import LOOPBACK
from tests.servers.rados import RadosAddress


def place_of(rados: RadosAddress, bucket: str, words: str = "", **keys: str) -> S3Place:
    """The bucket as the settings name it; `words` are more of them, `access_key` and `secret_key` others than the right ones."""
    access_key, secret_key = keys.get("access_key", rados.access_key), keys.get("secret_key", rados.secret_key)
    return read_s3_url(f"s3://{bucket}?endpoint={rados.url}{words}", access_key, secret_key)


@asynccontextmanager
async def open_bucket(
    place: S3Place,
    *,
    clock: Callable[[], datetime] | None = None,
    way: Callable[..., Outgoing] = Outgoing,
    **options: Any,
) -> AsyncIterator[S3Bucket]:
    """A store with a way out of its own; every host name leads to this machine."""

    async def here(_host: str) -> Sequence[str]:
        return [LOOPBACK]

    outgoing = way(identity="Hayon/0.1 (tests)", trusted_origins=place.origins, resolver=here)
    try:
        yield S3Bucket(place, outgoing, clock=clock, **options)
    finally:
        await outgoing.aclose()


class Killed(BaseException):
    """Stands for the end of the process."""


class Breaking(Outgoing):
    """Ends the process at its `at`-th call, before it is sent or after its answer came; counts its calls."""

    def __init__(self, *, at: int, after: bool, **options: Any) -> None:
        super().__init__(**options)
        self._at = at
        self._after = after
        self.calls = 0

    async def send(self, request: Request, *, deadline: Deadline | None = None, commit: bool = False) -> Answer:
        self._break(after=False, more=1)
        answer = await super().send(request, deadline=deadline, commit=commit)
        self._break(after=True)
        return answer

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[StreamedAnswer]:
        self._break(after=False, more=1)
        async with super().stream(request) as answer:
            yield answer
        self._break(after=True)

    def _break(self, *, after: bool, more: int = 0) -> None:
        self.calls += more
        if self.calls == self._at and self._after is after:
            raise Killed
