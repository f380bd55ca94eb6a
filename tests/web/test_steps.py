"""The first steps: what is next for somebody new, on the posts and on the accounts, until nothing of it is left."""

from dataclasses import replace

import pytest

from hayon.settings import Settings
from hayon.web.steps import Stand, is_simulated, steps_of
from tests.web.house import House, Visitor
from tests.web.test_pages import read
from tests.web.test_posts import make

DONE, NEXT, LATER = Stand.DONE, Stand.NEXT, Stand.LATER


@pytest.mark.parametrize(
    ("accounts", "posts", "stands"),
    [(0, 0, [DONE, NEXT, LATER]), (1, 0, [DONE, DONE, NEXT]), (3, 0, [DONE, DONE, NEXT]), (0, 1, [DONE, NEXT, DONE])],
)
def test_one_step_is_next_as_long_as_any_is_left(accounts: int, posts: int, stands: list[Stand]) -> None:
    steps = steps_of(accounts, posts)
    assert steps is not None
    assert [step.stand for step in steps] == stands
    assert [step.address for step in steps] == ["/settings", "/accounts", "/compose"]


def test_nothing_is_left_of_them_once_something_was_published() -> None:
    assert steps_of(1, 1) is None


def test_who_plays_is_told_so() -> None:
    real, played = steps_of(0, 0), steps_of(0, 0, simulated=True)
    assert real is not None
    assert played is not None
    assert "simulated" in played[1].words
    assert "simulated" not in real[1].words


def test_one_server_for_all_platforms_is_the_sandbox() -> None:
    sandbox = {f"{name}_url": f"http://127.0.0.1:1/{name}" for name in ("bluesky", "mastodon", "threads", "instagram", "facebook", "tumblr")}  # fmt: skip
    assert is_simulated(Settings(**sandbox))
    assert not is_simulated(Settings())
    assert not is_simulated(replace(Settings(**sandbox), tumblr_url="https://api.tumblr.com"))


async def test_they_lead_from_registering_to_the_first_post(house: House) -> None:
    eve = await house.register("eve@example.org")
    for path, leads in (("/", True), ("/accounts", False)):
        page = (await eve.get(path)).text
        assert '<h2 id="first-steps">First steps</h2>' in page
        assert page.count('aria-current="step"') == 1
        # on the accounts themselves the doors are below
        assert ('href="/accounts">Connect one now</a>' in page) is leads
        await read(eve, path)
    await house.account(eve)
    for path in ("/", "/accounts"):
        assert 'href="/compose">Write it now</a>' in (await eve.get(path)).text
    await make(eve)
    for path in ("/", "/accounts"):
        assert "First steps" not in (await eve.get(path)).text


async def test_a_draft_is_no_first_post_and_anothers_posts_are_none_of_mine(house: House, ada: Visitor) -> None:
    bob = await house.register("bob@example.org")
    await house.account(bob)
    await make(bob)
    draft = await ada.post(
        "/api/posts", {"content": {"text": "Later"}, "selectedPlatforms": ["bluesky"], "draft": True}
    )
    assert draft.status == 201, draft.text
    assert "First steps" in (await ada.get("/")).text
