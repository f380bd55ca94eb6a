"""The Graph as one account speaks to it: how it asks, what it takes for an answer, lists, deleting."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hayon.errors import Disconnected, PlatformError, RateLimited, Unavailable, Unconfirmed, Unreachable
from hayon.outgoing import Request
from hayon.platforms.meta.graph import LISTED_PAGES, Doing, Graph
from hayon.platforms.meta.reading import moment_of
from tests.platforms.meta.scripted import ADDRESS, THREADS, TOKEN, Peer, Scripted, answered, refused
from tests.platforms.parcels import NOW

GRAPH = Graph(ADDRESS, "v1.0", TOKEN, "Threads", NOW)
GONE = refused(100, 33, "does not exist")


def peer(**answers: Any) -> Peer:
    return Peer(THREADS, answers={call.replace("_", " /", 1): answer for call, answer in answers.items()})


def test_a_question_has_its_fields_in_the_address_and_its_token_in_a_header() -> None:
    request = GRAPH.get("17/threads", fields="id,text", limit="5")
    assert (request.method, request.url) == ("GET", f"{ADDRESS}/v1.0/17/threads")
    assert request.query == {"fields": "id,text", "limit": "5"}
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in request.url + repr(request) + repr(GRAPH)


def test_a_form_holds_text_and_leaves_out_what_is_not_said() -> None:
    form = {
        "text": 'say "é"',
        "alt_text": None,
        "is_carousel_item": True,
        "n": 5,
        "collaborators": ["a", "é"],
        "empty": "",
    }
    request = GRAPH.post("17/threads", form)
    assert request.form == {
        "text": 'say "é"', "is_carousel_item": "true", "n": "5", "collaborators": '["a", "é"]', "empty": ""
    }  # fmt: skip
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_an_id_cannot_lead_elsewhere_and_a_call_may_have_no_version() -> None:
    assert Graph(f"{ADDRESS}/", "v1.0", "t", "x").url("a b?c=d#e") == f"{ADDRESS}/v1.0/a%20b%3Fc%3Dd%23e"
    assert Graph(ADDRESS, "", "t", "x").url("debug_token") == f"{ADDRESS}/debug_token"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Unconfirmed("cut"), Unavailable),
        (Unreachable("no name", host="x"), Unreachable),
        (answered("<html>"), Unavailable),
        (answered([]), Unavailable),
        (answered({"id": "9"}, 500), Unavailable),
        (answered({"id": "9", "error": {"code": 190, "message": "x"}}), Disconnected),
        (refused(190, status=200), Disconnected),
        (refused(4, status=403), RateLimited),
    ],
)
@pytest.mark.parametrize("doing", [Doing.READING, Doing.PREPARING])
async def test_what_may_be_repeated_is_never_unconfirmed(
    answer: Scripted, error: type[PlatformError], doing: Doing
) -> None:
    with pytest.raises(error) as raised:
        await GRAPH.ask(peer(GET_x=answer).outgoing, GRAPH.get("x"), doing=doing)
    assert type(raised.value) is error


async def test_fetching_takes_its_time_while_something_is_made() -> None:
    told: list[Any] = []

    class Slow(Peer):
        async def send(self, request: Request, **options: Any) -> Any:
            told.append(options["deadline"])
            return answered({"id": "c1"})

    await GRAPH.make(Slow(THREADS).outgoing, "17/threads", {})
    await GRAPH.ask(Slow(THREADS).outgoing, GRAPH.get("c1"))
    assert told[0].left() > 50
    assert told[1] is None


async def test_what_was_made_without_a_name_is_made_again() -> None:
    with pytest.raises(Unavailable):
        await GRAPH.make(peer(POST_x=answered({"success": True})).outgoing, "x", {})


# lists


def entry(number: int, minutes: float) -> dict[str, Any]:
    return {"id": str(number), "timestamp": (NOW - timedelta(minutes=minutes)).isoformat()}


def page(*entries: dict[str, Any], after: str | None = None, **more: Any) -> Scripted:
    return answered({"data": list(entries), **({"paging": {"cursors": {"after": after}}} if after else {}), **more})


async def list_from(peer: Peer) -> Any:
    since = NOW - timedelta(minutes=30)
    return await GRAPH.listed(peer.outgoing, "x", since=since, stamp="timestamp", fields="id,timestamp")


async def test_a_list_is_followed_until_it_is_older_than_asked_for() -> None:
    pages = peer(GET_x=[page(entry(1, 1), entry(2, 2), after="a"), page(entry(3, 29), entry(4, 31), after="b")])
    found = await list_from(pages)
    assert ([one["id"] for one in found.entries], found.whole) == (["1", "2", "3"], True)
    assert [dict(request.query) for request in pages.asked] == [
        {"limit": "50", "fields": "id,timestamp"},
        {"limit": "50", "fields": "id,timestamp", "after": "a"},
    ]


async def test_an_old_entry_before_new_ones_does_not_end_it() -> None:
    found = await list_from(peer(GET_x=[page(entry(1, 999), entry(2, 2), after="a"), page(entry(3, 3))]))
    assert ([one["id"] for one in found.entries], found.whole) == (["2", "3"], True)


async def test_a_list_ends_with_an_empty_page_or_without_a_cursor() -> None:
    for pages in ([page(entry(1, 1), after="a"), page()], [page(entry(1, 1))]):
        found = await list_from(peer(GET_x=pages))
        assert ([one["id"] for one in found.entries], found.whole) == (["1"], True)


async def test_a_list_without_end_is_given_up_and_says_so() -> None:
    pages = peer(GET_x=page(entry(1, 1), after="a"))
    found = await list_from(pages)
    assert (len(found.entries), found.whole, len(pages.asked)) == (LISTED_PAGES, False, LISTED_PAGES)


async def test_an_entry_without_a_time_may_be_new() -> None:
    found = await list_from(peer(GET_x=page({"id": "1"}, {"id": "2", "timestamp": "soon"})))
    assert [one["id"] for one in found.entries] == ["1", "2"]


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": [7]}, {"data": [{"text": "x"}]}])
async def test_a_list_that_cannot_be_read_is_no_empty_list(body: Any) -> None:
    with pytest.raises(Unavailable):
        await list_from(peer(GET_x=answered(body)))


# deleting


async def test_what_is_deleted_or_gone_is_removed() -> None:
    assert await GRAPH.remove(peer(DELETE_9=answered({"success": True, "deleted_id": "9"})).outgoing, "9")
    gone = peer(DELETE_9=GONE, GET_9=GONE)
    assert await GRAPH.remove(gone.outgoing, "9")
    assert gone.calls == ["DELETE /9", "GET /9"]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"DELETE_9": GONE, "GET_9": answered({"id": "9"})}, Unavailable),
        ({"DELETE_9": GONE, "GET_9": refused(2)}, Unavailable),
        ({"DELETE_9": GONE, "GET_9": Unreachable("x", host="x")}, Unreachable),
        ({"DELETE_9": refused(2)}, Unavailable),
        ({"DELETE_9": refused(10)}, Disconnected),
        ({"DELETE_9": Unconfirmed("cut")}, Unavailable),
    ],
)
async def test_what_is_there_or_not_known_is_not_removed(answers: dict[str, Any], error: type[PlatformError]) -> None:
    with pytest.raises(error):
        await GRAPH.remove(peer(**answers).outgoing, "9")


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-03T12:30:15+0000", datetime(2026, 11, 3, 12, 30, 15, tzinfo=UTC)),
        ("2026-11-03T12:30:15+00:00", datetime(2026, 11, 3, 12, 30, 15, tzinfo=UTC)),
        ("2026-11-03T12:30:15", datetime(2026, 11, 3, 12, 30, 15, tzinfo=UTC)),
        (1793709015, datetime.fromtimestamp(1793709015, UTC)),
        (0, None), (True, None), (10**30, None), ("soon", None), (None, None), ([], None),
    ],
)  # fmt: skip
def test_times(value: Any, moment: datetime | None) -> None:
    assert moment_of(value) == moment
