"""Link cards: what a page says about itself, and that nothing of it can fail a post."""

import time

import pytest

from hayon.errors import Rejected, Unconfirmed, Unreachable
from hayon.outgoing import Answer
from hayon.platforms.bluesky.card import Page, find_page, find_picture, read_page
from tests.platforms.bluesky.scripted import Server, answered, picture

HERE = "https://example.com/articles/one"
HTML = {"content-type": "text/html; charset=utf-8"}


def meta(name: str, content: str) -> str:
    return f'<meta property="{name}" content="{content}">'


@pytest.mark.parametrize(
    ("html", "page"),
    [
        (
            meta("og:title", "A &amp; B")
            + meta("og:description", "What it\n is")
            + meta("og:image", "https://cdn.example/a.png"),
            Page("A & B", "What it is", "https://cdn.example/a.png"),
        ),
        ("<title>Plain\n page</title>", Page("Plain page", "", None)),
        ("<title>Old</title>" + meta("og:title", "New"), Page("New", "", None)),
        ('<title>T</title><meta name="Description" content="D">', Page("T", "D", None)),
        ("<title>T</title>" + meta("og:image", "/a.png"), Page("T", "", "https://example.com/a.png")),
        ("<title>T</title>" + meta("og:image", "//cdn.example/a"), Page("T", "", "https://cdn.example/a")),
        ("<title>T</title>" + meta("og:image", "data:image/png;base64,AAAA"), Page("T", "", None)),
        ("<title>T</title>" + meta("og:image", "javascript:alert(1)"), Page("T", "", None)),
        ("<title>T</title>" + meta("og:image", "https://[bad"), Page("T", "", None)),
        (meta("og:title", "First") + meta("og:title", "Second"), Page("First", "", None)),
        (meta("og:title", "") + "<title>T</title>", Page("T", "", None)),
        ("<title>One</title><svg><title>Two</title></svg>", Page("One", "", None)),
        ("<svg><title>Icon</title></svg><title>Page</title>", Page("Page", "", None)),
        ("<script>var a = '<title>no</title>'</script><title>Yes</title>", Page("Yes", "", None)),
        ("<title>Head</title></head><body>" + meta("og:title", "Body"), Page("Head", "", None)),
        (f"<title>{'x' * 400}</title>", Page("x" * 299 + "…", "", None)),
        ("<!-- <title>no</title> --><title>Yes</title>", Page("Yes", "", None)),
        ("<script>never closed <title>no</title>", None),
        ("<meta content='a > b' property='og:title'>", Page("a > b", "", None)),
        ("<META PROPERTY=og:title CONTENT=One>", Page("One", "", None)),
        ('<meta property="og:title" content="It\'s" />', Page("It's", "", None)),
        ('<meta data-content="no" content="yes" name=og:title>', Page("yes", "", None)),
        ('<meta property="og:title" content="never closed', None),
        ("<title>  </title>", None),
        ("no page at all", None),
        ("", None),
    ],
)
def test_what_a_page_says(html: str, page: Page | None) -> None:
    assert read_page(html, HERE) == page


SLOW = ["<!--", "<a ", "</", "<script>", "<title>", "<title", "<meta a='", "<meta ", "<meta =", "<meta a=", "<?", "&#"]


@pytest.mark.parametrize("piece", [*SLOW, '<meta "<meta "', "<svg></svg>", "<!---->", "<style>", "<meta a >"])
def test_a_page_made_to_be_slow_is_not(piece: str) -> None:
    started = time.process_time()
    read_page(piece * (1_000_000 // len(piece)), HERE)
    read_page(f"<meta {piece * 1_000}>" * 400, HERE)
    read_page(f"<meta {'a' * 7_900}>" * 400, HERE)
    read_page(f"<meta a{' ' * 7_900}>" * 400, HERE)
    assert time.process_time() - started < 5  # html.parser takes minutes


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        (answered("<title>é</title>", 200, HTML), "é"),
        (answered("<title>é</title>".encode("latin-1"), 200, {"content-type": "text/html; charset=ISO-8859-1"}), "é"),
        (answered(b'<meta charset="windows-1252"><title>\x80</title>', 200, {"content-type": "text/html"}), "€"),
        (answered("<title>é</title>", 200, {"content-type": "text/html; charset=nonsense"}), "é"),
        (answered("<title>é</title>", 200, {"content-type": "text/html; charset=base64"}), "é"),
        (answered(b"<title>\xff</title>", 200, HTML), "\ufffd"),
        (answered("<title>T</title>", 404, HTML), None),
        (answered("<title>T</title>", 200, {"content-type": "application/pdf"}), None),
        (answered("<title>T</title>", 200), None),
        (Unreachable("no such host", host="example.com"), None),
        (Unconfirmed("cut off"), None),
        (Rejected("sent round and round"), None),
    ],
)
async def test_a_page_is_read_as_it_is_written_or_not_at_all(answer: Answer | Exception, title: str | None) -> None:
    page = await find_page(HERE, Server(pages={HERE: answer}))
    assert (page and page.title) == title


@pytest.mark.parametrize(
    ("answer", "mime"),
    [
        (answered(picture(), 200, {"content-type": "image/png"}), "image/png"),
        (answered(picture(), 200, {"content-type": "Image/PNG; x=y"}), "image/png"),
        (answered(b"<svg/>", 200, {"content-type": "image/svg+xml"}), None),
        (answered(picture(), 403, {"content-type": "image/png"}), None),
        (Unconfirmed("too large"), None),
    ],
)
async def test_a_picture_is_of_a_kind_cards_show_or_left_out(answer: Answer | Exception, mime: str | None) -> None:
    found = await find_picture(HERE, Server(pages={HERE: answer}))
    assert (found and found[1]) == mime
