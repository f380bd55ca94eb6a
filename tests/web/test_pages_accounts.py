"""The page of accounts: how each stands and what is left of it, in words; what comes next; and doors to more."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.domain.allowance import Told
from hayon.store import allowances
from hayon.store.database import Tx
from hayon.store.schema import accounts
from hayon.web.accounts import AllowanceOut
from hayon.web.pages_left import list_left, show_left
from tests.web.house import House, Visitor
from tests.web.test_pages import HOSTILE, read

NOW = datetime(2027, 5, 28, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(hours=2)
UNTIL = "until Fri 28 May 2027, 16:00 Europe/Berlin"
ZONE = "Europe/Berlin"


def told(name: str = "posts", left: int = 23, limit: int | None = 25, **more: Any) -> AllowanceOut:
    facts = {"window_seconds": None, "resets_at": None, "told_at": NOW} | more
    return AllowanceOut(name=name, left=left, limit=limit, **facts)


def plain(html: str) -> str:
    """The words of it, without marks."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).strip()


LEFT = [
    (told(resets_at=SOON), f"23 of 25 posts left {UNTIL}", None),
    (told(), "23 of 25 posts left in any 24 hours", None),
    (told(window_seconds=3_600), "23 of 25 posts left in any hour", None),
    (told(window_seconds=900), "23 of 25 posts left in any 15 minutes", None),
    (told(limit=None, resets_at=SOON), f"23 posts left {UNTIL}", None),
    (told("calls", 97, 100), "97 % of its calls left in any 24 hours", None),
    (told("seconds of video", 3_600, 3_600, resets_at=SOON), f"3,600 of 3,600 seconds of video left {UNTIL}", None),
    (told(left=2, resets_at=SOON), f"2 of 25 posts left {UNTIL}", "Little left"),
    (told(left=3, resets_at=SOON), f"3 of 25 posts left {UNTIL}", None),
    (told(left=0, resets_at=SOON), f"0 of 25 posts left {UNTIL}", "Used up"),
    (
        told(left=0, resets_at=NOW),
        "The count of posts began anew Fri 28 May 2027, 14:00 Europe/Berlin ; what is left is told with the next answer",
        None,
    ),
]


@pytest.mark.parametrize(("one", "words", "little"), LEFT)
def test_what_is_left_is_said_in_words(one: AllowanceOut, words: str, little: str | None) -> None:
    shown = show_left(one, ZONE, NOW)
    assert plain(str(shown.words)) == words
    assert (shown.little.word if shown.little else None) == little


def test_a_count_that_began_anew_is_no_measure_any_more_and_posts_come_first() -> None:
    old = show_left(told(resets_at=NOW - timedelta(seconds=1)), ZONE, NOW)
    assert (old.left, old.limit) == (None, None)
    named = [told(name) for name in ("calls", "videos", "posts")]
    assert [one.name for one in list_left(named, ZONE, NOW)] == ["posts", "calls", "videos"]


async def change(house: House, account_id: UUID, **values: Any) -> None:
    statement = sa.update(accounts).where(accounts.c.id == account_id).values(**values)
    if values:
        await house.hayon.database.write(lambda tx: tx.run(statement))


async def one_account(house: House, visitor: Visitor) -> UUID:
    return UUID((await visitor.get("/api/accounts")).json["accounts"][0]["accountId"])


async def tell(house: House, account_id: UUID, *many: Told) -> None:
    await house.hayon.database.write(lambda tx: allowances.keep_told(tx, {str(account_id): many}, tx.now()))


async def test_a_card_shows_what_is_left_with_a_measure(house: House, ada: Visitor) -> None:
    account_id = await one_account(house, ada)
    assert "Bluesky has not told how much may still be published." in (await ada.get("/accounts")).text
    ahead = datetime.now(UTC) + timedelta(hours=3)
    await tell(
        house, account_id, Told("posts", 2, ahead, 25, None, ahead), Told("uploads", 9, ahead, None, None, ahead)
    )
    page = (await ada.get("/accounts")).text
    assert "2 of 25 posts left until" in plain(page)
    assert "9 uploads left until" in plain(page)
    assert "As Bluesky told" in plain(page)
    assert '<meter min="0" max="25" low="2.5" optimum="25" value="2" aria-label="Posts left">2 of 25</meter>' in page
    assert page.count("<meter") == 1
    assert "! Little left" in plain(page)
    whole = (await ada.get(f"/api/accounts/{account_id}")).json
    assert [(one["name"], one["left"], one["windowSeconds"]) for one in whole["allowances"]] == [
        ("posts", 2, None), ("uploads", 9, None),
    ]  # fmt: skip


async def test_what_is_told_of_another_account_stays_with_it(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    theirs = await house.account(bob)
    ahead = datetime.now(UTC) + timedelta(hours=3)
    await tell(house, theirs, Told("posts", 7, ahead, 25, None, ahead))
    assert "7 of 25" not in (await ada.get("/accounts")).text
    assert "7 of 25" in plain((await bob.get("/accounts")).text)


STANDS = [
    ({}, ["✓ Connected"], ["Needs reconnection", "Asked to wait"]),
    (
        {"blocked_until": NOW + timedelta(days=3650)},
        ["Asked to wait", "Bluesky asked Hayon to wait until", "What is due before then goes out after it."],
        ["✓ Connected"],
    ),
    ({"blocked_until": NOW - timedelta(days=3650)}, ["✓ Connected"], ["Asked to wait"]),
    (
        {"needs_reconnection": True, "health": "revoked", "health_message": f"Gone {HOSTILE}"},
        ["✕ Needs reconnection", f"Gone {HOSTILE}", "The app password was taken away", "what is planned for it stays", "Give its credentials again"],
        ["✓ Connected", "renewed by itself"],
    ),
    ({"renew_at": NOW}, ["Its access is renewed by itself, next Fri 28 May 2027, 12:00 UTC"], ["could not be renewed"]),
    (
        {"renew_at": NOW, "renew_failures": 1},
        ["could not be renewed, once so far; that is tried again by itself, next Fri 28 May 2027"],
        ["is renewed by itself"],
    ),
    ({"renew_at": NOW, "renew_failures": 4}, ["could not be renewed, 4 times in a row;"], ["is renewed by itself"]),
]  # fmt: skip


@pytest.mark.parametrize(("values", "said", "unsaid"), STANDS)
async def test_how_an_account_stands_is_said_with_what_to_do(
    house: House, ada: Visitor, values: dict[str, Any], said: list[str], unsaid: list[str]
) -> None:
    await change(house, await one_account(house, ada), **values)
    answer = await ada.get("/accounts")
    page = plain(answer.text)
    assert [words for words in said if words not in page] == []
    assert [words for words in unsaid if words in page] == []
    assert "<script>alert" not in answer.text
    await read(ada, "/accounts")


async def test_every_door_is_there_and_names_its_platform(house: House, ada: Visitor) -> None:
    page = (await ada.get("/accounts")).text
    for platform, name in (("bluesky", "Bluesky"), ("threads", "Threads"), ("instagram", "Instagram"),
                           ("facebook", "Facebook"), ("mastodon", "Mastodon"), ("tumblr", "Tumblr")):  # fmt: skip
        assert f'id="connect-{platform}"' in page
        assert f">Connect {name}</button>" in page
    assert ">Connect with Mastodon</button>" in page
    assert 'id="mastodon-page-instanceUrl"' in page
    # an app has to be registered first: what to do is said, and where
    assert ">Connect with Threads</button>" not in page
    assert "/api/accounts/threads/callback" in page
    # where the credentials are the only way they are not folded away
    assert re.search(r"<details open>\s*<summary[^>]*>.*?With credentials in hand", page)


async def test_only_the_picture_that_is_still_copied_is_asked_for_again_and_only_once(
    house: House, ada: Visitor
) -> None:
    account_id = await one_account(house, ada)
    again = f'hx-select="#face-{account_id}"'
    assert again not in (await ada.get("/accounts?told=connect")).text
    await change(house, account_id, avatar_url="https://example.org/a.png")
    assert again in (await ada.get("/accounts?told=connect")).text
    assert again not in (await ada.get("/accounts")).text
    await change(house, account_id, avatar_key=f"temp/{account_id}/{account_id}.jpg")
    page = (await ada.get("/accounts?told=connect")).text
    assert again not in page
    assert f'<img src="/api/accounts/{account_id}/avatar?v={str(account_id)[:8]}" alt=""' in page


async def test_as_many_accounts_as_one_likes_are_read_by_the_same_few_queries(
    house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(Tx, name)

        def ask(tx: Tx, *given: Any) -> Any:
            asked.append(name)
            return real(tx, *given)

        return ask

    for name in ("all", "first", "value"):
        monkeypatch.setattr(Tx, name, counted(name))
    await ada.get("/accounts")
    few = len(asked)
    for number in range(10):
        await house.account(ada, handle=f"ada{number}.test")
    asked.clear()
    await ada.get("/accounts")
    assert len(asked) == few
