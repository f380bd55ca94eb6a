"""How every page of the sandbox is made from a template, and a post's own page at its own address."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hayon.sandbox.cards import Card
from hayon.sandbox.model import Account

TEMPLATES = Path(__file__).parent / "templates"
TINTS = 6
POLICY = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; base-uri 'none'"


class Pages:
    """The templates. Every text of a user is escaped by them."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters["moment"] = _moment
        self._templates.filters["machine_moment"] = _machine_moment
        self._templates.globals["tint"] = _tint

    def page(self, template: str, request: Request, *, status: int = 200, **facts: object) -> Response:
        """A template filled with these facts."""
        html = self._templates.get_template(template).render(path=request.url.path, **facts)
        return HTMLResponse(html, status, {"content-security-policy": POLICY, "referrer-policy": "no-referrer"})

    def refusal(self, request: Request, problem: str, status: int = 400) -> Response:
        """A page that says what is not possible."""
        return self.page("refused.html", request, status=status, problem=problem)

    def permalink(self, path: str, find: Callable[[Mapping[str, str]], Card | None]) -> Route:
        """Where a post has a page of its own; `find` is given the parts of the path."""

        async def show(request: Request) -> Response:
            card = find(request.path_params)
            if card is None:
                return self.refusal(request, "There is no such post. It may be deleted.", 404)
            return self.page("post.html", request, card=card)

        return Route(path, show)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%-d %b %Y, %H:%M:%S UTC")


def _machine_moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _tint(account: Account) -> int:
    return sum(account.handle.encode()) % TINTS
