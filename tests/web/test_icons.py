"""The signs of the pages, and the files of others that we serve: unchanged, with their licences."""

import hashlib
import re
from pathlib import Path

import pytest

import hayon.web
from hayon.web.icons import icon, mark
from hayon.web.pages_view import PLATFORM_NAMES

WEB = Path(hayon.web.__file__).parent
VENDOR = WEB / "static" / "vendor"
HTMX = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
"""Of the file in the npm package that static/vendor/README.md names."""
USED = re.compile(r"""icon\("([a-z-]+)"\)""")


def test_htmx_is_the_file_that_its_authors_published():
    assert hashlib.sha256((VENDOR / "htmx.min.js").read_bytes()).hexdigest() == HTMX


def test_whatever_comes_from_others_lies_beside_its_licence():
    told = (VENDOR / "README.md").read_text()
    for licence in ("htmx.LICENSE", "lucide/LICENSE", "simple-icons/LICENSE.md"):
        assert (VENDOR / licence).stat().st_size > 200
        assert licence in told


@pytest.mark.parametrize("template", sorted((WEB / "templates").glob("*.html")), ids=lambda path: path.name)
def test_every_sign_that_a_page_names_is_there(template):
    for name in USED.findall(template.read_text()):
        assert "<path" in icon(name) or "<circle" in icon(name) or "<rect" in icon(name)


def test_every_file_of_a_sign_can_be_drawn():
    for path in (VENDOR / "lucide").glob("*.svg"):
        assert icon(path.stem).startswith("<svg")
        assert "license" not in icon(path.stem)


def test_a_sign_says_nothing_to_a_screen_reader():
    assert 'aria-hidden="true"' in icon("plus")
    assert 'aria-hidden="true"' in mark("bluesky")


def test_every_platform_has_its_own_sign():
    drawn = {mark(name) for name in PLATFORM_NAMES}
    assert len(drawn) == len(PLATFORM_NAMES)
    assert all(drawn)


def test_a_platform_without_a_sign_of_ours_goes_without():
    assert mark("elsewhere") == ""
