"""`hayon verify`: tries out on the live platform, with the owner's own account, what no document says for sure.

It makes real posts, removes them where the platform can, and prints what held. It decides nothing about other posts.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from io import BytesIO
from typing import Any
from uuid import uuid4

from hayon.accounts import Sealed
from hayon.delivery.files import Files
from hayon.domain.model import Account, Content, Media, MediaUse
from hayon.domain.rules import check
from hayon.errors import HayonError, NotYet, PlatformError, RateLimited, Unavailable, Unreachable
from hayon.media import temp_key
from hayon.outgoing import Answer, Request
from hayon.platforms.contract import Credential, Found, Parcel, ParcelMedia, Platform, Unclear
from hayon.settings import Settings
from hayon.store import accounts as rows
from hayon.web.app import serve
from hayon.wiring import Hayon, open_hayon

PATIENCE_SECONDS = 600.0
"""How long one step may wait for a platform that is at work on a picture."""
LOOKS = (0, 2, 5, 10, 20, 40, 80, 160)
"""Seconds between looks for what was published."""
WORDS = "Hayon tries out how this platform answers; this post can be deleted."


class Held(StrEnum):
    """What a point came to: as Hayon counts on, not so, or not to be found out this way."""

    HELD = "held"
    FAILED = "failed"
    OPEN = "open"


COLOURS = {Held.HELD: "green", Held.FAILED: "bold red", Held.OPEN: "yellow"}


@dataclass(frozen=True, slots=True)
class Point:
    """One point that was tried: what Hayon counts on, what came of it, and the platform's answer in words."""

    name: str
    held: Held
    told: str


Tell = Callable[[Point], None]


class Verification:
    """One run on one account. `made` are the ids of all posts it made, as far as the platform named them."""

    def __init__(self, hayon: Hayon, account: Account, tell: Tell, *, step_seconds: float = 1.0) -> None:
        self._hayon = hayon
        self._account = account
        self._platform: Platform = hayon.platforms[account.platform]
        self._tell = tell
        self._second = step_seconds
        self._credential: Credential = {}
        self._checkpoint: Mapping[str, Any] = {}
        self.made: list[str] = []

    async def run(self) -> list[Point]:
        """Every point, in order. What was made is removed at the end, however it came."""
        points: list[Point] = []

        async def ask(name: str, step: Callable[[], Awaitable[tuple[Held, str]]]) -> Held:
            try:
                held, told = await step()
            except HayonError as error:
                held, told = Held.FAILED, str(error)
            points.append(Point(name, held, told))
            self._tell(points[-1])
            return held

        if await ask("the credential works and names the account", self._check) is Held.FAILED:
            return points
        try:
            parcel = await self._parcel()
            handles: dict[str, Any] = {}
            if await ask("what is prepared can be prepared", lambda: self._prepare(parcel, handles)) is Held.HELD:
                parcel = replace(parcel, first_sent_at=await self._now())
                await ask("one call publishes it and names it", lambda: self._publish(parcel, handles))
                await ask("reconcile finds it by its handles", lambda: self._reconcile(parcel, handles))
                await ask("its address can be told", self._locate)
                await ask("the same call once more makes no second copy", lambda: self._repeat(parcel, handles))
        finally:
            await ask("what was made can be removed", self._remove)
        return points

    async def _check(self) -> tuple[Held, str]:
        row = await self._hayon.database.read(rows.get_row, self._account.id)
        now = await self._now()
        sealed = Sealed(self._account, row.credential, row.credential_version, row.refresh_wanted, now)
        self._credential = await self._hayon.accounts.unlock(sealed)
        told = await self._platform.check(self._account, self._credential, self._hayon.outgoing)
        same = told.remote_id == self._account.remote_id
        return (Held.HELD if same else Held.FAILED), f"{told.handle} ({told.remote_id})"

    async def _parcel(self) -> Parcel:
        """A short post; with a small picture where the platform takes none without."""
        rules = self._platform.rules(self._account.facts)
        media: tuple[ParcelMedia, ...] = ()
        if rules.media_required:
            media = (await self._picture(),)
        content = Content(WORDS, tuple(MediaUse(one.media.id, one.alt_text) for one in media))
        problems = check(content, [one.media for one in media], rules)
        if problems:
            raise Unavailable("; ".join(problem.message for problem in problems))
        return Parcel(
            account=self._account, credential=self._credential, content=content, media=media,
            idempotency_key=str(uuid4()), checkpoint={}, now=await self._now(), allow_link_card=False,
        )  # fmt: skip

    async def _picture(self) -> ParcelMedia:
        from PIL import Image

        drawn = BytesIO()
        Image.linear_gradient("L").resize((640, 640)).convert("RGB").save(drawn, "JPEG")
        key = temp_key(self._account.user_id, "image/jpeg")

        async def stream() -> AsyncIterator[bytes]:
            yield drawn.getvalue()

        await self._hayon.media.put(key, stream())
        measured = await self._hayon.media.complete(key, "image/jpeg")
        one = Media(uuid4(), self._account.user_id, key, measured.mime, measured.size, measured.width, measured.height)

        async def renew() -> None:
            """Nobody else can own a post that is in no database."""

        files = Files(self._hayon.media, self._hayon.reach)
        return files.pack(one, "A grey gradient.", key, await self._now(), renew)

    async def _prepare(self, parcel: Parcel, handles: dict[str, Any]) -> tuple[Held, str]:
        began = time.monotonic()

        async def save(checkpoint: Mapping[str, Any]) -> None:
            self._checkpoint = dict(checkpoint)

        while True:
            try:
                now = await self._now()
                ready = replace(parcel, checkpoint=self._checkpoint, now=now)
                handles.update(await self._platform.prepare(ready, save, self._hayon.outgoing))
            except NotYet as error:
                if time.monotonic() - began > PATIENCE_SECONDS:
                    return Held.FAILED, f"still at work after {PATIENCE_SECONDS:.0f} s: {error.message}"
                await asyncio.sleep(max(1.0, error.wait_seconds) * self._second)
            else:
                return Held.HELD, f"took {time.monotonic() - began:.1f} s"

    async def _publish(self, parcel: Parcel, handles: Mapping[str, Any]) -> tuple[Held, str]:
        began = time.monotonic()
        receipt = await self._platform.publish(parcel, handles, self._send)
        self.made.append(receipt.remote_id)
        return Held.HELD, f"{receipt.remote_id} after {time.monotonic() - began:.1f} s"

    async def _send(self, request: Request) -> Answer:
        return await self._hayon.outgoing.send(request, commit=True)

    async def _reconcile(self, parcel: Parcel, handles: Mapping[str, Any]) -> tuple[Held, str]:
        began, told = time.monotonic(), ""
        for wait in LOOKS:
            await asyncio.sleep(wait * self._second)
            ready = replace(parcel, now=await self._now())
            look = await self._platform.reconcile(ready, handles, self._hayon.outgoing)
            if isinstance(look, Found):
                known = not self.made or look.receipt.remote_id in self.made
                if not self.made:
                    self.made.append(look.receipt.remote_id)
                within = f"after {time.monotonic() - began:.1f} s, {'exactly' if look.exact else 'by likeness'}"
                settles = self._platform.settles(handles)
                # where an absence counts at once, since a repeat does no harm, there is nothing to be late for
                late = bool(settles) and timedelta(seconds=time.monotonic() - began) > (settles or timedelta())
                if not known:
                    return Held.FAILED, f"found another post: {look.receipt.remote_id}"
                return (Held.FAILED if late else Held.HELD), within
            told = look.message if isinstance(look, Unclear) else "shown as absent"
        return Held.FAILED, f"not found: {told}"

    async def _locate(self) -> tuple[Held, str]:
        if not self.made:
            return Held.OPEN, "nothing was published"
        url = await self._platform.locate(self._account, self._credential, self.made[0], self._hayon.outgoing)
        return (Held.HELD, url) if url else (Held.OPEN, "the platform did not tell")

    async def _repeat(self, parcel: Parcel, handles: Mapping[str, Any]) -> tuple[Held, str]:
        if not self.made:
            return Held.OPEN, "nothing was published"
        try:
            receipt = await self._platform.publish(replace(parcel, now=await self._now()), handles, self._send)
        except (RateLimited, Unreachable) as error:
            return Held.OPEN, error.message
        except PlatformError as error:
            return Held.HELD, f"refused: {error.message}"
        if receipt.remote_id in self.made:
            return Held.HELD, "answered with the same post"
        self.made.append(receipt.remote_id)
        return Held.FAILED, f"a second copy: {receipt.remote_id}. Hayon never repeats this call without looking first."

    async def _remove(self) -> tuple[Held, str]:
        left = []
        for remote_id in self.made:
            try:
                gone = await self._platform.remove(self._account, self._credential, remote_id, self._hayon.outgoing)
            except PlatformError as error:
                left.append(f"{remote_id} ({error.message})")
            else:
                left += [] if gone else [remote_id]
        if left:
            return Held.FAILED, f"delete by hand on {self._platform.rules({}).name}: {', '.join(left)}"
        return Held.HELD, f"{len(self.made)} removed"

    async def _now(self) -> Any:
        return await self._hayon.database.read(lambda tx: tx.now())


@asynccontextmanager
async def open_verification(settings: Settings, named: str, tell: Tell) -> AsyncIterator[Verification]:
    """A run on the one account called so, with the web server up beside it, so that platforms can fetch our picture.

    Where another process listens at our address already, it is trusted to serve the same files. Raises NotFound,
    Conflict, Misconfigured.
    """
    async with open_hayon(settings) as hayon:
        account = await hayon.database.read(rows.find_named, named)
        up = asyncio.Event()

        def ready(url: str) -> None:
            if not settings.public_url:
                hayon.reach.be_at(url)
            up.set()

        web = asyncio.create_task(serve(hayon, settings.host, settings.port, ready))
        rising = asyncio.create_task(up.wait())
        await asyncio.wait({web, rising}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield Verification(hayon, account, tell)
        finally:
            for task in (web, rising):
                task.cancel()
            await asyncio.gather(web, rising, return_exceptions=True)
