"""How a page is made from its template: everything in it is escaped. What pages say is not decided here."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hayon import __version__
from hayon.web.icons import icon, mark


def web_address(address: str) -> str:
    """An address that may stand in a link; one that is none (a platform's answer can say anything) leads nowhere."""
    return address if address.startswith(("https://", "http://")) else "#"


def plainly(words: str) -> str:
    """A finding in the words of people: what a platform counts as graphemes they call characters."""
    return words.replace("graphemes", "characters")


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"web_address": web_address, "plainly": plainly}
    made.globals |= {"version": __version__, "icon": icon, "mark": mark}
    return made


_PAGES = _environment()


def render(page: str, **facts: Any) -> str:
    """A page or a part of one."""
    return _PAGES.get_template(page).render(facts)
