"""Every platform and every health has a sentence that says what to do."""

import re

import pytest

from hayon.settings import Settings
from hayon.web.mending import find_mend
from hayon.wiring import make_platforms

PLATFORMS = tuple(make_platforms(Settings()))
HEALTHS = ("expired", "revoked", "error")


@pytest.mark.parametrize("health", HEALTHS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_to_do_is_said_in_one_sentence_of_its_own(platform: str, health: str) -> None:
    said = find_mend(platform, health)
    assert re.fullmatch(r"[A-Z][^.]+\.", said), said
    assert re.search(r"connect (it|the \w+) again", said), said
    assert platform.title() in said or health == "expired" or "server" in said, said
    others = [find_mend(platform, other) for other in HEALTHS if other != health]
    assert said not in others
    assert said != find_mend("nowhere", health)


def test_where_all_is_well_there_is_nothing_to_do() -> None:
    assert {find_mend(platform, "active") for platform in PLATFORMS} == {""}


def test_a_health_that_nobody_knows_has_words_too() -> None:
    assert find_mend("bluesky", "odd") == find_mend("nowhere", "error") != ""
