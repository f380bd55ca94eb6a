"""The page on which a platform of Meta's asks people whether an application may post for them, and as whom."""

from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hayon.sandbox.ground import Ground, WorldError
from hayon.sandbox.meta.entering import Login, check_request, keep_out, let_in
from hayon.sandbox.model import Account
from hayon.sandbox.pages import Pages

Choices = Callable[[Ground, Account], Sequence[Account]]
"""The Pages that a person may tick."""


class Dialog:
    """The page over one world."""

    def __init__(self, world: Ground, pages: Pages, login: Login, choices: Choices | None = None) -> None:
        self._world = world
        self._pages = pages
        self._login = login
        self._choices = choices

    async def ask(self, request: Request) -> Response:
        """Ask the visitor as whom an application may post."""
        return self._asked(request, dict(request.query_params))

    async def allow(self, request: Request) -> Response:
        """The visitor chose a person, or made one; ticked Pages, where there are any; or wants nothing of it."""
        given = parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
        asked, ticked = dict(given), [value for name, value in given if name == "page"]
        person, fresh = asked.pop("person", ""), asked.pop("new_person", "").strip().lstrip("@")
        refused, chosen = asked.pop("refused", ""), asked.pop("ticked", "")
        asked.pop("page", "")
        platform = self._login.api.platform
        try:
            check_request(self._world, self._login, asked)
            if refused:
                return RedirectResponse(keep_out(self._world, self._login, asked), 302)
            account = self._world.add_account(platform, fresh) if fresh else self._world.get_account(platform, person)
            if self._choices is not None and not chosen:
                return self._ticking(request, account, asked, self._choices)
            pages = ticked if self._choices is not None else None
            return RedirectResponse(let_in(self._world, self._login, account, asked, pages), 302)
        except (ValueError, WorldError) as problem:
            return self._pages.refusal(request, str(problem))

    def _asked(self, request: Request, asked: dict[str, str]) -> Response:
        try:
            scopes = check_request(self._world, self._login, asked)
        except ValueError as problem:
            return self._pages.refusal(request, str(problem))
        platform = self._login.api.platform
        people = [one for one in self._world.accounts.values() if one.platform is platform]
        return self._pages.page(
            "authorize.html", request, name="Hayon", where=platform.capitalize(), action=request.url.path, asked=asked,
            scopes=scopes, people=people,
        )  # fmt: skip

    def _ticking(self, request: Request, account: Account, asked: dict[str, str], choices: Choices) -> Response:
        pages = choices(self._world, account)
        return self._pages.page("ticking.html", request, asked=asked, person=account, pages=pages)
