"""The pages that belong to no platform: what has landed, newest first, and the media."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from hayon.sandbox.cards import Card
from hayon.sandbox.pages import Pages
from hayon.sandbox.sniffing import sniff
from hayon.sandbox.world import World

STATIC = Path(__file__).parent / "static"
POSTS_PER_PAGE = 30
SHOWN_TYPES = (
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "video/mp4",
    "video/quicktime",
    "video/webm",
)


def routes(world: World, pages: Pages) -> list[BaseRoute]:
    """Where they are; the posts' own addresses are those that the platforms' answers name."""
    timeline = Timeline(world, pages)
    return [
        Route("/", timeline.show),
        Route("/media/{digest}", timeline.media),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


class Timeline:
    """What has landed in one world."""

    def __init__(self, world: World, pages: Pages) -> None:
        self._world = world
        self._pages = pages

    async def show(self, request: Request) -> Response:
        """A page of posts."""
        query = request.query_params
        platform, account = query.get("platform") or None, query.get("account") or None
        before = query.get("before", "")
        page: list[Card] = []
        older: int | None = None
        edge = last = int(before) if before.isdigit() else len(self._world.feed)
        for place, card in self._cards(platform, account, edge):
            if len(page) == POSTS_PER_PAGE:
                older = last
                break
            page.append(card)
            last = place
        known = self._world.find_account(page[0].platform, account) if account and page else None
        links = _Links(platform, account, live="live" in query)
        return self._pages.page(
            "timeline.html",
            request,
            cards=page,
            older=older,
            links=links,
            platforms=list(self._world.sites),
            refresh="live" in query and not before,
            person=known.display_name if known else account,
            faults=len(self._world.faults.all()),
            accounts=len(self._world.accounts),
            origin=str(request.base_url).rstrip("/"),
        )

    async def media(self, request: Request) -> Response:
        """An uploaded file. What is no picture or video is only ever downloaded."""
        path = self._world.files.find(request.path_params["digest"])
        if path is None:
            return Response("There is no such file.", 404)
        with path.open("rb") as file:
            kind = sniff(file.read(64))
        headers = {"content-security-policy": "default-src 'none'; sandbox", "x-content-type-options": "nosniff"}
        if kind in SHOWN_TYPES:
            return FileResponse(path, media_type=kind, headers=headers)
        return FileResponse(path, media_type="application/octet-stream", headers=headers, filename="file")

    def _cards(self, platform: str | None, account: str | None, before: int) -> Iterator[tuple[int, Card]]:
        """What has landed and still stands, newest first, each with its place in the feed."""
        for place in range(min(before, len(self._world.feed)) - 1, -1, -1):
            where, key = self._world.feed[place]
            if platform not in (None, where):
                continue
            card = self._world.sites[where].find_card(self._world, key)
            if card and account in (None, card.author.account_id, card.author.handle):
                yield place, card


class _Links:
    """The addresses of the timeline's own choices, each keeping the others."""

    def __init__(self, platform: str | None, account: str | None, *, live: bool) -> None:
        self.platform = platform
        self.account = account
        self.live = live

    def to(self, **changes: str | int | None) -> str:
        """The timeline with these choices changed; None drops one."""
        chosen = {"platform": self.platform, "account": self.account, "live": "1" if self.live else None, **changes}
        kept = {name: value for name, value in chosen.items() if value is not None}
        return f"/?{urlencode(kept)}" if kept else "/"
