"""The pages: what has landed, newest first; a post by itself; the instance's authorization page; the media."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from hayon.sandbox.cards import Card, cards, find_bluesky_card, find_mastodon_card
from hayon.sandbox.mastodon.oauth import authorize, check_authorization
from hayon.sandbox.model import Account, Platform
from hayon.sandbox.sniffing import sniff
from hayon.sandbox.world import World, WorldError

HERE = Path(__file__).parent
POSTS_PER_PAGE = 30
TINTS = 6
POLICY = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; base-uri 'none'"
SHOWN_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "video/mp4", "video/webm")


def routes(world: World) -> list[BaseRoute]:
    """Where the pages are; the posts' own addresses are those that the platforms' answers name."""
    pages = Pages(world)
    return [
        Route("/", pages.timeline),
        Route("/bluesky/profile/{name}/post/{rkey}", pages.bluesky_post),
        Route("/mastodon/@{handle}/{status_id}", pages.mastodon_post),
        Route("/mastodon/oauth/authorize", pages.ask, methods=["GET"]),
        Route("/mastodon/oauth/authorize", pages.allow, methods=["POST"]),
        Route("/media/{digest}", pages.media),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]


class Pages:
    """The pages over one world. Every text of a user is escaped by the templates."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters["moment"] = _moment
        self._templates.filters["machine_moment"] = _machine_moment
        self._templates.globals["tint"] = _tint

    async def timeline(self, request: Request) -> Response:
        """What has landed."""
        query = request.query_params
        platform, account = query.get("platform") or None, query.get("account") or None
        before = query.get("before", "")
        page: list[Card] = []
        older: int | None = None
        edge = last = int(before) if before.isdigit() else len(self._world.feed)
        for place, card in cards(self._world, platform, account, edge):
            if len(page) == POSTS_PER_PAGE:
                older = last
                break
            page.append(card)
            last = place
        known = self._world.find_account(page[0].platform, account) if account and page else None
        links = _Links(platform, account, live="live" in query)
        return self._page(
            "timeline.html",
            request,
            cards=page,
            older=older,
            links=links,
            refresh="live" in query and not before,
            person=known.display_name if known else account,
            faults=len(self._world.faults.all()),
            accounts=len(self._world.accounts),
            origin=str(request.base_url).rstrip("/"),
        )

    async def bluesky_post(self, request: Request) -> Response:
        """A Bluesky post's own page."""
        card = find_bluesky_card(self._world, request.path_params["name"], request.path_params["rkey"])
        return self._post(request, card)

    async def mastodon_post(self, request: Request) -> Response:
        """A status's own page."""
        card = find_mastodon_card(self._world, request.path_params["status_id"])
        right = card is not None and card.author.handle.lower() == request.path_params["handle"].lower()
        return self._post(request, card if right else None)

    async def ask(self, request: Request) -> Response:
        """Ask the visitor as whom an application may post."""
        asked = dict(request.query_params)
        try:
            app = check_authorization(self._world, asked)
        except ValueError as problem:
            return self._page("refused.html", request, status=400, problem=str(problem))
        people = [one for one in self._world.accounts.values() if one.platform is Platform.MASTODON]
        return self._page("authorize.html", request, app=app, asked=asked, people=people)

    async def allow(self, request: Request) -> Response:
        """The visitor chose a person, or made one."""
        given = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        name, fresh = given.pop("person", ""), given.pop("new_person", "").strip().lstrip("@")
        try:
            check_authorization(self._world, given)
            account = self._world.add_account("mastodon", fresh) if fresh else self._world.get_account("mastodon", name)
            return RedirectResponse(authorize(self._world, account, given), 302)
        except (ValueError, WorldError) as problem:
            return self._page("refused.html", request, status=400, problem=str(problem))

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

    def _post(self, request: Request, card: Card | None) -> Response:
        if card is None:
            return self._page("refused.html", request, status=404, problem="There is no such post. It may be deleted.")
        return self._page("post.html", request, card=card)

    def _page(self, template: str, request: Request, *, status: int = 200, **facts: object) -> Response:
        html = self._templates.get_template(template).render(path=request.url.path, **facts)
        return HTMLResponse(html, status, {"content-security-policy": POLICY, "referrer-policy": "no-referrer"})


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


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%-d %b %Y, %H:%M:%S UTC")


def _machine_moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _tint(account: Account) -> int:
    return sum(account.handle.encode()) % TINTS
