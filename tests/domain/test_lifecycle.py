"""The decisions: settle() and summarize(), by tables and by hypothesis."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.domain.allowance import LINED_UP
from hayon.domain.lifecycle import (
    ENDED,
    MAY_HOLD_AN_OPEN_INTENT,
    MOVES,
    Ended,
    Outcome,
    PostStatus,
    Standing,
    TargetStatus,
    TargetSummary,
    WaitsFor,
    settle,
    summarize,
)  # fmt: skip
from hayon.domain.model import Receipt
from hayon.domain.pacing import Patience

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
T = TargetStatus
PATIENCE = Patience()
RECEIPT = Receipt("1", "https://example.test/1", NOW)

moments = st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
standings = st.builds(
    Standing, intent_open=st.booleans(), doubted=st.booleans(), stop_asked=st.booleans(), tries=st.integers(0, 40),
    waits=st.integers(0, 40),
    waiting_for=st.sampled_from(["", "not_yet", "rate_limited"]), looks=st.integers(0, 60), first_try_at=st.none() | moments,
    first_wait_at=st.none() | moments, quiet_until=st.none() | moments, due_at=st.none() | moments,
)  # fmt: skip
outcomes = st.builds(
    Outcome, ended=st.sampled_from([one for one in Ended if one is not Ended.PUBLISHED]), message=st.just("Words."),
    proves_absence=st.booleans(), until=st.none() | moments, wait_seconds=st.floats(0, 1e6),
)  # fmt: skip


@given(standings, outcomes, moments)
def test_an_unanswered_intent_only_ever_becomes_unconfirmed(
    standing: Standing, outcome: Outcome, now: datetime
) -> None:
    decided = settle(standing, outcome, now, PATIENCE)
    if standing.intent_open and not decided.answers_intent:
        assert decided.status is T.UNCONFIRMED
    if standing.intent_open and decided.answers_intent:
        assert outcome.proves_absence
        assert not standing.doubted


@given(standings, outcomes, moments)
def test_nothing_is_left_without_a_time_or_a_person(standing: Standing, outcome: Outcome, now: datetime) -> None:
    decided = settle(standing, outcome, now, PATIENCE)
    if decided.status is T.PENDING:
        assert decided.due_at is not None
    if decided.status in ENDED:
        assert decided.due_at is None
    if decided.status is T.UNCONFIRMED and decided.due_at is None:
        assert decided.looks > len(PATIENCE.look_steps)
        assert standing.quiet_until is None or standing.quiet_until <= now
    if decided.status is T.UNCONFIRMED and decided.due_at is not None:
        assert decided.due_at > now


@given(standings, outcomes, moments)
def test_every_settlement_is_a_legal_move_from_processing(standing: Standing, outcome: Outcome, now: datetime) -> None:
    assert (T.PROCESSING, settle(standing, outcome, now, PATIENCE).status) in MOVES


@given(standings, outcomes, moments)
def test_after_a_stop_nothing_waits_to_be_sent(standing: Standing, outcome: Outcome, now: datetime) -> None:
    if standing.stop_asked:
        assert settle(standing, outcome, now, PATIENCE).status in {T.CANCELLED, T.UNCONFIRMED}


@given(standings, moments)
def test_a_receipt_always_completes(standing: Standing, now: datetime) -> None:
    decided = settle(standing, Outcome(Ended.PUBLISHED, receipt=RECEIPT), now, PATIENCE)
    assert decided.status is T.COMPLETED
    assert decided.answers_intent


@pytest.mark.parametrize(
    "ended", [Ended.NOT_YET, Ended.RATE_LIMITED, Ended.UNREACHABLE, Ended.OVERTAKEN, Ended.INTERRUPTED]
)
def test_waiting_costs_no_try(ended: Ended) -> None:
    decided = settle(Standing(tries=2), Outcome(ended), NOW, PATIENCE)
    assert (decided.status, decided.tries) == (T.PENDING, 2)


def test_the_ladder_is_the_one_of_the_seeds_then_a_long_tail_then_the_end() -> None:
    waits, standing, now = [], Standing(), NOW
    while True:
        decided = settle(standing, Outcome(Ended.UNAVAILABLE, "Down."), now, PATIENCE)
        if decided.status is not T.PENDING:
            break
        assert decided.due_at is not None
        waits.append((decided.due_at - now).total_seconds())
        standing = Standing(tries=decided.tries, first_try_at=standing.first_try_at or now)
        now = decided.due_at
    assert waits[:6] == [5, 30, 120, 600, 1800, 3600]
    assert set(waits[5:]) == {3600}
    assert timedelta(hours=5) < now - NOW <= timedelta(hours=6)
    assert decided.status is T.FAILED
    assert "patience (6 hours) is used up" in decided.message


def test_no_patience_is_the_seeds_own_behaviour() -> None:
    bare = Patience(lasts=timedelta(0))
    standing = Standing(tries=3, first_try_at=NOW - timedelta(seconds=155))
    assert settle(standing, Outcome(Ended.UNAVAILABLE), NOW, bare).status is T.FAILED
    assert settle(Standing(tries=2, first_try_at=NOW), Outcome(Ended.UNAVAILABLE), NOW, bare).status is T.PENDING


def test_a_limit_ends_after_a_day_and_waits_at_least_its_growing_floor() -> None:
    zero = Outcome(Ended.RATE_LIMITED, "Slow down.", until=NOW)
    assert settle(Standing(), zero, NOW, PATIENCE).due_at == NOW + PATIENCE.wait_floor
    bare = Outcome(Ended.RATE_LIMITED, "Slow down.")
    due = [settle(Standing(waits=waits, waiting_for="rate_limited"), bare, NOW, PATIENCE).due_at for waits in range(4)]
    assert [(one - NOW).total_seconds() for one in due if one] == [2, 4, 8, 16]
    long_ago = Standing(waits=9, first_wait_at=NOW - timedelta(hours=25), waiting_for="rate_limited")
    assert settle(long_ago, bare, NOW, PATIENCE).status is T.FAILED


def test_waits_of_another_kind_begin_anew() -> None:
    """After three hours of a rate limit, the first `not yet` is no two hours old."""
    limited = Standing(waits=9, first_wait_at=NOW - timedelta(hours=3), waiting_for="rate_limited")
    decided = settle(limited, Outcome(Ended.NOT_YET, "At work."), NOW, PATIENCE)
    assert (decided.status, decided.first_wait_at) == (T.PENDING, NOW)


def test_an_outage_of_our_own_line_fails_nothing_for_a_week() -> None:
    away = Standing(waits=300, first_wait_at=NOW - timedelta(days=6), waiting_for="unreachable")
    assert settle(away, Outcome(Ended.UNREACHABLE), NOW, PATIENCE).status is T.PENDING
    longer = Standing(waits=300, first_wait_at=NOW - timedelta(days=8), waiting_for="unreachable")
    assert settle(longer, Outcome(Ended.UNREACHABLE), NOW, PATIENCE).status is T.FAILED


def test_looks_come_at_their_steps_then_hourly_for_a_day_then_a_person_is_asked() -> None:
    waits, standing, now = [], Standing(intent_open=True, quiet_until=NOW), NOW
    while True:
        decided = settle(standing, Outcome(Ended.UNCONFIRMED, "Unclear."), now, PATIENCE)
        assert decided.status is T.UNCONFIRMED
        if decided.due_at is None:
            break
        waits.append((decided.due_at - now).total_seconds())
        now, standing = decided.due_at, Standing(intent_open=True, looks=decided.looks, quiet_until=NOW)
    assert waits == [10, 30, 120, 600, *[3600] * 24]


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ([], (PostStatus.DRAFT, False)),
        ([(T.PENDING, False, True)] * 2, (PostStatus.SCHEDULED, False)),
        ([(T.PENDING, False, False)] * 2, (PostStatus.PENDING, False)),
        ([(T.PENDING, True, False)], (PostStatus.PROCESSING, False)),
        ([(T.PENDING, False, True), (T.PROCESSING, True, True)], (PostStatus.PROCESSING, False)),
        ([(T.COMPLETED, True, False), (T.PENDING, True, False)], (PostStatus.PROCESSING, False)),
        ([(T.COMPLETED, True, False), (T.UNCONFIRMED, True, False)], (PostStatus.PROCESSING, False)),
        ([(T.COMPLETED, True, False)] * 3, (PostStatus.COMPLETED, False)),
        ([(T.COMPLETED, True, False), (T.CANCELLED, True, False)], (PostStatus.COMPLETED, False)),
        ([(T.COMPLETED, True, False), (T.FAILED, True, False)], (PostStatus.PARTIAL_SUCCESS, False)),
        ([(T.FAILED, True, False)] * 2, (PostStatus.FAILED, False)),
        ([(T.FAILED, True, False), (T.CANCELLED, True, False)], (PostStatus.FAILED, False)),
        ([(T.CANCELLED, False, True)] * 2, (PostStatus.CANCELLED, False)),
    ],
)
def test_a_post_is_the_sum_of_its_targets(
    targets: list[tuple[TargetStatus, bool, bool]], expected: tuple[PostStatus, bool]
) -> None:
    assert summarize(TargetSummary(*one) for one in targets) == expected


def test_a_person_who_is_asked_is_shown() -> None:
    asked = TargetSummary(T.UNCONFIRMED, claimed=True, person_asked=True)
    assert summarize([asked, TargetSummary(T.COMPLETED, claimed=True)]) == (PostStatus.PROCESSING, True)


def test_only_these_may_hold_an_open_intent() -> None:
    assert {T.PROCESSING, T.UNCONFIRMED} == MAY_HOLD_AN_OPEN_INTENT


@pytest.mark.parametrize(("days", "status"), [(0, T.PENDING), (29, T.PENDING), (31, T.FAILED)])
def test_a_turn_within_an_allowance_may_be_days_ahead_and_uses_up_no_patience_of_a_limit(
    days: int, status: TargetStatus
) -> None:
    since = NOW - timedelta(days=days)
    standing = Standing(waits=days, first_wait_at=since, waiting_for="allowance")
    planned = Outcome(Ended.RATE_LIMITED, "Used up.", until=NOW + timedelta(days=6), planned=True)
    decided = settle(standing, planned, NOW, PATIENCE)
    assert decided.status is status
    assert decided.tries == 0
    if status is T.PENDING:
        assert decided.due_at == NOW + timedelta(days=6)
    refused = settle(standing, Outcome(Ended.RATE_LIMITED, "Slow down.", until=planned.until), NOW, PATIENCE)
    assert (refused.status, refused.due_at) == (T.PENDING, NOW + PATIENCE.longest_limit)  # a row of another kind begins


LATER = NOW + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("outcome", "rule"),
    [
        (Outcome(Ended.RATE_LIMITED, until=LATER), WaitsFor.PLATFORM),
        (Outcome(Ended.RATE_LIMITED, until=LATER, guessed=True), WaitsFor.PAUSE),
        (Outcome(Ended.RATE_LIMITED), WaitsFor.PAUSE),
        # sooner than our own least pause, and farther than we let anybody make us wait: then the time is ours
        (Outcome(Ended.RATE_LIMITED, until=NOW + timedelta(milliseconds=1)), WaitsFor.PAUSE),
        (Outcome(Ended.RATE_LIMITED, until=NOW + timedelta(days=9)), WaitsFor.PAUSE),
        (Outcome(Ended.RATE_LIMITED, until=LATER, planned=True, code=LINED_UP), WaitsFor.ALLOWANCE),
        (Outcome(Ended.RATE_LIMITED, until=LATER, planned=True), WaitsFor.APP),
        (Outcome(Ended.RATE_LIMITED, until=LATER, of_app=True), WaitsFor.APP),
        (Outcome(Ended.UNREACHABLE), WaitsFor.HOST),
        (Outcome(Ended.NOT_YET, wait_seconds=5), WaitsFor.PAUSE),
        (Outcome(Ended.UNAVAILABLE), WaitsFor.PAUSE),
        (Outcome(Ended.REJECTED), None),
        (Outcome(Ended.INTERRUPTED), None),
    ],
)
def test_whose_rule_the_time_of_the_next_try_is(outcome: Outcome, rule: WaitsFor | None) -> None:
    assert settle(Standing(), outcome, NOW, Patience()).waits_for is rule


@pytest.mark.parametrize(
    ("outcome", "rule"),
    [
        (Outcome(Ended.UNCONFIRMED, until=LATER), WaitsFor.QUIET),
        (Outcome(Ended.UNCONFIRMED), WaitsFor.PAUSE),
        (Outcome(Ended.RATE_LIMITED, until=LATER), WaitsFor.PLATFORM),
        (Outcome(Ended.UNREACHABLE), WaitsFor.HOST),
    ],
)
def test_whose_rule_the_time_of_the_next_look_is(outcome: Outcome, rule: WaitsFor) -> None:
    assert settle(Standing(intent_open=True), outcome, NOW, Patience()).waits_for is rule


def test_nobody_but_a_person_is_waited_for_when_looking_has_ended() -> None:
    patience = Patience(look_steps=(), looks_last=timedelta(0))
    settled = settle(Standing(intent_open=True), Outcome(Ended.UNCONFIRMED), NOW, patience)
    assert (settled.due_at, settled.waits_for) == (None, None)
