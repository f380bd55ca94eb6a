"""The signs of the pages as inline SVG, from the pinned files in static/vendor. Where a sign stands is the templates' affair."""

import re
from functools import cache
from pathlib import Path

from markupsafe import Markup

_VENDOR = Path(__file__).parent / "static" / "vendor"
_OURS = {
    "settings": "settings", "filter": "funnel", "left": "chevron-left", "right": "chevron-right", "refresh": "refresh-cw",
    "alert": "triangle-alert", "question": "circle-question-mark", "edit": "pencil", "trash": "trash-2",
    "external": "external-link", "grip": "grip-vertical", "key": "key-round", "undo": "undo-2", "stop": "circle-stop",
    "file": "file-text", "more": "ellipsis", "leave": "log-out", "done": "circle-check",
}  # fmt: skip
"""What we call a sign where its file is called otherwise."""
_DRAWING = re.compile(r"<svg[^>]*>(?:<title>[^<]*</title>)?(?P<inside>.*)</svg>", re.DOTALL)


@cache
def icon(name: str) -> Markup:
    """A sign in the colour of the words beside it; it says nothing to a screen reader. Raises OSError for an unknown one."""
    inside = _read(f"lucide/{_OURS.get(name, name)}.svg")
    return Markup(
        '<svg class="icon" viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" stroke-width="2" '
        'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{}</svg>'
    ).format(inside)


@cache
def mark(platform: str) -> Markup:
    """A platform's own sign in its own colour; nothing for a platform of which we have none."""
    try:
        inside = _read(f"simple-icons/{platform}.svg")
    except OSError:
        return Markup("")
    return Markup(
        '<svg class="mark {}" viewBox="0 0 24 24" width="16" height="16" fill="currentColor" aria-hidden="true">{}</svg>'
    ).format(platform, inside)


@cache
def mark_sheet(platforms: tuple[str, ...]) -> Markup:
    """The drawings of these platforms' signs, once for a page that shows hundreds: `mark_use` shows them. Nothing is seen of it."""
    drawings = [
        Markup('<symbol id="mark-{}" viewBox="0 0 24 24">{}</symbol>').format(one, _read(f"simple-icons/{one}.svg"))
        for one in platforms
    ]
    return Markup('<svg width="0" height="0" class="visually-hidden" aria-hidden="true">{}</svg>').format(
        Markup("").join(drawings)
    )


@cache
def mark_row(platforms: tuple[str, ...], most: int) -> Markup:
    """The signs of these platforms as a `mark_sheet` on the same page drew them, and how many there are beyond `most`."""
    uses = [
        Markup('<svg class="mark {}" width="16" height="16" fill="currentColor"><use href="#mark-{}"/></svg>').format(
            one, one
        )
        for one in platforms[:most]
        if mark(one)
    ]
    beyond = f"+{len(platforms) - most}" if len(platforms) > most else ""
    return Markup('<span class="marks" aria-hidden="true">{}{}</span>').format(Markup("").join(uses), beyond)


def _read(path: str) -> Markup:
    found = _DRAWING.search((_VENDOR / path).read_text("utf-8"))
    if found is None:
        raise ValueError(f"{path} is no drawing.")
    return Markup(re.sub(r"\s+", " ", found["inside"]).strip())  # noqa: S704 - a pinned file of ours; nobody sends it
