"""The simulated Tumblr's pages: a post by itself, and the question whether an application may post, by either OAuth."""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from hayon.sandbox.ground import Ground, WorldError
from hayon.sandbox.model import Account, Platform
from hayon.sandbox.pages import Pages
from hayon.sandbox.tumblr.cards import find_at
from hayon.sandbox.tumblr.granting import allow, allow_signed, check, check_signed, deny, deny_signed
from hayon.sandbox.tumblr.keys import SCOPES

APPLICATION = "Hayon"
"""The one there is (`CONSUMER_KEY`)."""
Asked = Mapping[str, str]


class TumblrPages:
    """The pages over one world."""

    def __init__(self, world: Ground, pages: Pages) -> None:
        self._world = world
        self._pages = pages

    def routes(self) -> list[BaseRoute]:
        """Where they are; no blog is named as the first steps of the questions are (`site.py:is_handle`)."""
        posts = [
            self._pages.permalink(path, lambda parts: find_at(self._world, parts["blog"], parts["id"]))
            for path in ("/tumblr/{blog}/{id}", "/tumblr/{blog}/{id}/{slug}")
        ]
        return [
            Route("/tumblr/oauth2/authorize", self.ask, methods=["GET"]),
            Route("/tumblr/oauth2/authorize", self.answer, methods=["POST"]),
            Route("/tumblr/oauth/authorize", self.ask_signed, methods=["GET"]),
            Route("/tumblr/oauth/authorize", self.answer_signed, methods=["POST"]),
            *posts,
        ]

    async def ask(self, request: Request) -> Response:
        """Ask the visitor for whose blog an application may post, by OAuth2."""
        return self._ask(request, lambda asked: check(self._world, asked).split())

    async def answer(self, request: Request) -> Response:
        """The visitor chose a blog, made one, or said no."""
        return await self._answer(request, allow, deny)

    async def ask_signed(self, request: Request) -> Response:
        """The same by OAuth 1.0a."""
        return self._ask(request, self._check_signed)

    async def answer_signed(self, request: Request) -> Response:
        """The same by OAuth 1.0a."""
        return await self._answer(request, allow_signed, deny_signed)

    def _check_signed(self, asked: Asked) -> list[str]:
        check_signed(self._world, asked)
        return SCOPES.split()

    def _ask(self, request: Request, may: Callable[[Asked], list[str]]) -> Response:
        asked = dict(request.query_params)
        try:
            scopes = may(asked)
        except ValueError as problem:
            return self._pages.refusal(request, str(problem))
        people = [one for one in self._world.accounts.values() if one.platform is Platform.TUMBLR]
        return self._pages.page(
            "authorize.html", request, asked=asked, people=people, scopes=scopes, action=request.url.path,
            name=APPLICATION, where="Tumblr",
        )  # fmt: skip

    async def _answer(
        self, request: Request, yes: Callable[[Ground, Account, Asked], str], no: Callable[[Ground, Asked], str]
    ) -> Response:
        given = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        name, fresh = given.pop("person", ""), given.pop("new_person", "").strip().lstrip("@")
        try:
            if given.pop("refused", ""):
                return RedirectResponse(no(self._world, given), 302)
            account = self._world.add_account("tumblr", fresh) if fresh else self._world.get_account("tumblr", name)
            return RedirectResponse(yes(self._world, account, given), 302)
        except (ValueError, WorldError) as problem:
            return self._pages.refusal(request, str(problem))
