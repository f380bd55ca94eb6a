"""The tables in docs/lifecycle.md and docs/adding-a-platform.md say what the code decides: compared, and asked case by case."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from hayon.domain.lifecycle import (
    MOVES,
    Ended,
    Outcome,
    PostStatus,
    Standing,
    TargetStatus,
    TargetSummary,
    settle,
    summarize,
)
from hayon.domain.model import Receipt
from hayon.domain.pacing import Patience
from hayon.settings import Settings
from hayon.wiring import make_platforms
from tests.house.tree import plain, table

T = TargetStatus
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LIFECYCLE = "docs/lifecycle.md"

Targets = Sequence[TargetSummary]
RULES: dict[str, Callable[[Targets], bool]] = {
    "there are none": lambda every: not every,
    "all are cancelled": lambda every: all(one.status is T.CANCELLED for one in every),
    "all are pending, none was ever claimed, and the post has a time": lambda every: (
        _all_fresh(every) and all(one.scheduled for one in _counted(every))
    ),
    "all are pending, and none was ever claimed": lambda every: _all_fresh(every),  # noqa: PLW0108 - defined below
    "some are pending, processing or unconfirmed": lambda every: any(
        one.status in {T.PENDING, T.PROCESSING, T.UNCONFIRMED} for one in every
    ),
    "all are completed": lambda every: all(one.status is T.COMPLETED for one in _counted(every)),
    "some are completed": lambda every: any(one.status is T.COMPLETED for one in every),
    "none is completed": lambda every: all(one.status is not T.COMPLETED for one in every),
}


def test_the_moves_are_those_of_the_code() -> None:
    told = [tuple(row) for row in table(LIFECYCLE, "Moves of a target")]
    assert told == [(str(source), str(to), when) for (source, to), when in MOVES.items()]


def test_every_status_is_explained() -> None:
    assert [row[0] for row in table(LIFECYCLE, "What each status of a target means")] == list(T)


def test_every_outcome_is_explained_as_it_is_decided() -> None:
    told = [tuple(row[:3]) for row in table(LIFECYCLE, "What one try can come to")]
    assert told == [_decided(ended) for ended in Ended]


@pytest.mark.parametrize("ended", [one for one in Ended if one is not Ended.PUBLISHED])
def test_while_an_intent_is_unanswered_every_other_outcome_leaves_it_so(ended: Ended) -> None:
    standing = Standing(intent_open=True, quiet_until=NOW)
    settlement = settle(standing, Outcome(ended), NOW, Patience())
    assert (settlement.status, settlement.answers_intent) == (T.UNCONFIRMED, False)


def test_the_post_is_what_the_first_fitting_line_says() -> None:
    """Every combination of up to three targets, with all that can be true of each."""
    lines = [(row[0], PostStatus(row[1])) for row in table(LIFECYCLE, "The status of a post")]
    assert [rule for rule, _ in lines] == list(RULES)
    assert {status for _, status in lines} == set(PostStatus)
    for scheduled in (False, True):
        kinds = [
            TargetSummary(status, claimed, scheduled, asked)
            for status in T
            for claimed in ((False, True) if status is T.PENDING else (True,))
            for asked in ((False, True) if status is T.UNCONFIRMED else (False,))
        ]
        for size in range(4):
            for every in product(kinds, repeat=size):
                expected = next(status for rule, status in lines if RULES[rule](every))
                asked = any(one.person_asked for one in every)
                assert summarize(every) == (expected, asked), every


def test_the_matrix_of_platforms_is_what_their_rules_say() -> None:
    rows = {row[0]: [plain(cell) for cell in row[1:5]] for row in table("docs/adding-a-platform.md", "What there is")}
    adapters = make_platforms(Settings())
    assert list(rows) == list(adapters)
    for name, adapter in adapters.items():
        rules = adapter.rules({})
        unit = rules.text_unit.split(" (")[0]
        settles = adapter.settles_within
        assert rows[name] == [
            f"{rules.text_limit} {unit}",
            str(rules.most_media),
            ", ".join(sorted(rules.options)),
            "never" if settles is None else f"{settles.total_seconds():g} s",
        ]


def _decided(ended: Ended) -> tuple[str, str, str]:
    receipt = Receipt("id", None, NOW) if ended is Ended.PUBLISHED else None
    outcome = Outcome(ended, until=NOW + timedelta(hours=1), receipt=receipt)
    settlement = settle(Standing(), outcome, NOW, Patience())
    return str(ended), "yes" if settlement.tries else "no", str(settlement.status)


def _counted(every: Targets) -> Targets:
    return [one for one in every if one.status is not T.CANCELLED]


def _all_fresh(every: Targets) -> bool:
    return all(one.status is T.PENDING and not one.claimed for one in _counted(every))
