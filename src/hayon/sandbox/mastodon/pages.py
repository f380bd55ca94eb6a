"""The simulated instance's pages: a status by itself, and the question whether an application may post."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from hayon.sandbox.cards import Card
from hayon.sandbox.ground import Ground, WorldError
from hayon.sandbox.mastodon.cards import find_card
from hayon.sandbox.mastodon.oauth import authorize, check_authorization, deny
from hayon.sandbox.model import Platform
from hayon.sandbox.pages import Pages


class InstancePages:
    """The pages over one world."""

    def __init__(self, world: Ground, pages: Pages) -> None:
        self._world = world
        self._pages = pages

    def routes(self) -> list[BaseRoute]:
        """Where they are."""
        return [
            self._pages.permalink("/mastodon/@{handle}/{status_id}", self._find),
            Route("/mastodon/oauth/authorize", self.ask, methods=["GET"]),
            Route("/mastodon/oauth/authorize", self.allow, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """Ask the visitor as whom an application may post."""
        asked = dict(request.query_params)
        try:
            app = check_authorization(self._world, asked)
        except ValueError as problem:
            return self._pages.refusal(request, str(problem))
        people = [one for one in self._world.accounts.values() if one.platform is Platform.MASTODON]
        return self._pages.page(
            "authorize.html", request, asked=asked, people=people, scopes=(asked.get("scope") or "read").split(),
            action=request.url.path, name=app.name, where="this instance",
        )  # fmt: skip

    async def allow(self, request: Request) -> Response:
        """The visitor chose a person, made one, or said no."""
        given = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        name, fresh = given.pop("person", ""), given.pop("new_person", "").strip().lstrip("@")
        try:
            if given.pop("refused", ""):
                return RedirectResponse(deny(self._world, given), 302)
            check_authorization(self._world, given)
            account = self._world.add_account("mastodon", fresh) if fresh else self._world.get_account("mastodon", name)
            return RedirectResponse(authorize(self._world, account, given), 302)
        except (ValueError, WorldError) as problem:
            return self._pages.refusal(request, str(problem))

    def _find(self, parts: Mapping[str, str]) -> Card | None:
        card = find_card(self._world, parts["status_id"])
        right = card is not None and card.author.handle.lower() == parts["handle"].lower()
        return card if right else None
