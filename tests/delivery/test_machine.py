"""A machine that does everything at once and in any order, and the invariants that must hold whatever it does.

Authors submit, edit, reschedule, cancel, retry and answer; the clock moves; bells are lost, doubled, early or stale;
workers die at every write, hang in the call, come back late; answers are lost before and after the effect.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hayon.delivery.submit import Handed
from hayon.domain.lifecycle import ENDED, TargetStatus, TargetSummary, summarize
from hayon.domain.model import Content
from hayon.errors import (
    Conflict,
    Disconnected,
    Invalid,
    NotYet,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
    Unreachable,
)  # fmt: skip
from hayon.platforms.contract import Allowance
from hayon.store import outbox
from hayon.store.migrate import migrate
from hayon.store.schema import attempts, posts, receipts, targets
from tests.delivery.scripted import House, open_house

T = TargetStatus
LISTING_LAG = timedelta(seconds=20)  # shorter than settles_within (30 s): what the platform declares is true
FAULTS: dict[str, Any] = {
    "lost": lambda: Unconfirmed("No answer came."),
    "down": lambda: Unavailable("Down.", proves_absence=True),
    "down without proof": lambda: Unavailable("Down."),
    "limited": lambda: RateLimited("Slow down.", proves_absence=True),
    "refused": lambda: Rejected("Never like this.", proves_absence=True),
    "refused without proof": lambda: Rejected("Never like this."),
    "cut off": lambda: Disconnected("Gone.", health="expired", proves_absence=True),
    "unreachable": lambda: Unreachable("Nobody there.", host="https://scripted.test"),
}


PREPARATIONS: dict[str, Any] = {
    "not yet": lambda: NotYet("At work.", wait_seconds=3),
    "down": lambda: Unavailable("Down."),
    "limited": lambda: RateLimited("Slow down."),
}
WRITES = ["claim_due", "save_checkpoint", "commit_intent", "settle_try", "record_absence"]
LATER = [0, 6, 11, 31, 91, 130, 700, 3700]


class Killed(BaseException):
    """The worker's process is gone: nothing after this runs."""


class Machine(RuleBasedStateMachine):
    """One house, on the database that `url` makes."""

    made = Bundle("made")

    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.opening = open_house(url)
        self.house: House = self.runner.run(self.opening.__aenter__())
        self.house.platform.visible_after = LISTING_LAG
        self.let_go = asyncio.Event()
        self.flying: set[asyncio.Task[Any]] = set()
        self.hanging: set[asyncio.Task[Any]] = set()
        self.seen: dict[UUID, str] = {}
        self.by_person: set[UUID] = set()
        self.stopped: dict[str, int] = {}
        self.kill_at: tuple[str, str] | None = None
        self.account_ids = [str(self.run(self.house.connect(name)).id) for name in ("ann", "ben")]
        self._arm()

    @initialize(target=made)
    def a_first_post(self) -> Any:
        return self.run(self.house.submit("same words"))

    # ---- authors

    @rule(target=made, text=st.sampled_from(["same words", "other words"]), both=st.booleans(),
          ahead=st.sampled_from([0, 0, 100, 4000]), late=st.sampled_from([None, None, 500]))  # fmt: skip
    def submit(self, text: str, both: bool, ahead: int, late: int | None) -> Any:
        when = (self.house.clock.now + timedelta(seconds=ahead)).isoformat() if ahead else None
        names = self.account_ids if both else self.account_ids[:1]
        return self.run(self.house.submit(text, *names, scheduled_at=when, max_lateness_seconds=late))

    @rule(post_id=made, ahead=st.sampled_from([0, 50, 3000]))
    def edit(self, post_id: UUID, ahead: int) -> None:
        when = (self.house.clock.now + timedelta(seconds=ahead)).isoformat() if ahead else None
        handed = Handed(Content(f"edited {uuid4()}"), account_ids=tuple(self.account_ids[:1]), scheduled_at=when)
        try:
            self.run(self.house.submission.edit(self.house.user_id, post_id, handed))
        except Conflict:
            return
        self.seen = {one: status for one, status in self.seen.items() if one in {row.id for row in self.all_targets()}}

    @rule(post_id=made)
    def cancel(self, post_id: UUID) -> None:
        for told in self.run(self.house.submission.cancel(self.house.user_id, post_id)):
            if told.answer == "in_flight":
                key = next(row.idempotency_key for row in self.all_targets() if row.id == told.target_id)
                self.stopped.setdefault(key, self.house.platform.calls.count(key))

    @rule(post_id=made)
    def retry(self, post_id: UUID) -> None:
        told = self.run(self.house.submission.retry(self.house.user_id, post_id))
        self.by_person |= {one.target_id for one in told if one.answer == "retrying"}
        keys = {row.id: row.idempotency_key for row in self.all_targets()}
        for one in told:
            if one.answer == "retrying":
                self.stopped.pop(keys[one.target_id], None)

    @rule(post_id=made, again=st.booleans())
    def say_what_is_seen(self, post_id: UUID, again: bool) -> None:
        """An honest person: says what the account shows."""
        for row in self.run(self.house.targets(post_id)):
            if row.status != T.UNCONFIRMED:
                continue
            there = self.copy_of(row)
            try:
                if there is not None:
                    self.run(self.house.submission.resolve_published(
                        self.house.user_id, post_id, row.id, row.open_attempt_id, f"https://scripted.test/{there}"))  # fmt: skip
                else:
                    self.run(self.house.submission.resolve_absent(
                        self.house.user_id, post_id, row.id, row.open_attempt_id,
                        looked_at=self.house.clock.now, again=again))  # fmt: skip
            except (Conflict, Invalid):
                continue
            self.by_person.add(row.id)

    # ---- time, bells, workers

    @rule(doubled=st.booleans(), alone=st.booleans(), fault=st.sampled_from([None, "landed", *sorted(FAULTS)]),
          error=st.sampled_from([None, None, *PREPARATIONS]), seconds=st.sampled_from(LATER))  # fmt: skip
    def ring(self, doubled: bool, alone: bool, fault: str | None, error: str | None, seconds: int) -> None:
        """After a while a bell (or two of it) wakes workers, who deliver what is due; the platform may fail them."""
        self.house.clock.forward(seconds)
        platform = self.house.platform
        platform.after = [FAULTS["lost"]()] if fault == "landed" else []
        platform.before = [FAULTS[fault]()] if fault in FAULTS else []
        platform.preparing = [PREPARATIONS[error]()] if error else []
        self.run(self.work(2 if doubled else 1, alone))

    @rule(post_id=made, older=st.integers(1, 3))
    def ring_a_stale_bell(self, post_id: UUID, older: int) -> None:
        named = {row.id: row.version - older for row in self.run(self.house.targets(post_id))}
        taken = self.run(self.house.database.write(
            outbox.claim_named, named=named, claim_id=uuid4(), lease=self.house.times.lease))  # fmt: skip
        assert (taken.claims, taken.early) == ([], [])

    @rule(where=st.sampled_from(WRITES), when=st.sampled_from(["before", "after"]), lost=st.booleans(),
          seconds=st.sampled_from(LATER))  # fmt: skip
    def kill_a_worker(self, where: str, when: str, lost: bool, seconds: int) -> None:
        """It dies right before or after one of its writes; then time passes and the sweep comes."""
        self.kill_at = (where, when)
        self.house.platform.before = [FAULTS["lost"]()] if lost else []
        self.run(self.work(1, False))
        self.kill_at = None
        self.house.clock.forward(seconds)
        self.run(self.house.sweep())

    @rule(seconds=st.sampled_from(LATER))
    def hang_in_the_call(self, seconds: int) -> None:
        """The effect took place; the answer comes only when the machine lets go, perhaps long after the lease."""
        self.house.platform.while_publishing = self.hang
        self.run(self.work(1, False, wait=False))
        self.house.platform.while_publishing = None
        self.house.clock.forward(seconds)
        self.run(self.house.sweep())

    @rule(seconds=st.sampled_from(LATER))
    def hang_in_preparation(self, seconds: int) -> None:
        """What was gathered grows old: the author may edit, stop or retry before the machine lets go."""
        self.house.platform.while_preparing = self.hang
        self.run(self.work(1, False, wait=False))
        self.house.platform.while_preparing = None
        self.house.clock.forward(seconds)
        self.run(self.house.sweep())

    @rule()
    def let_late_answers_come(self) -> None:
        self.run(self.release())

    # ---- the platform

    @rule(exact=st.booleans())
    def match_by(self, exact: bool) -> None:
        self.house.platform.exact = exact

    @rule(counts=st.booleans())
    def count_posts(self, counts: bool) -> None:
        """It allows three in ten minutes to each account, and says so when it is asked; or it does not say."""
        self.house.platform.has_quota = counts
        self.house.platform.told = (Allowance("posts", 3, 3, 600),)

    # ---- what must hold whatever happened

    @invariant()
    def everything_holds(self) -> None:
        def look(tx: Any) -> tuple[Any, ...]:
            return tuple(tx.all(sa.select(table)) for table in (targets, posts, receipts, attempts))

        rows, written, held, tries = self.run(self.house.database.read(look))
        self.nothing_is_live_twice()
        self.every_status_is_true(rows, held)
        self.what_ended_stays_unless_a_person_or_a_receipt_moves_it(rows)
        self.what_is_sent_has_the_authors_last_words(rows, written)
        self.after_a_stop_no_new_call_is_made()
        self.every_post_is_the_sum_of_its_targets(rows, written)
        for one in tries:
            if one.answered_by == "absence":
                assert one.answered_at >= one.intent_at + timedelta(seconds=90), "an absence was believed too early"

    def nothing_is_live_twice(self) -> None:
        copies = Counter(copy.target_key for copy in self.house.platform.ledger)
        assert not [key for key, count in copies.items() if count > 1], copies

    def every_status_is_true(self, rows: Any, held: Any) -> None:
        live = {copy.target_key: copy for copy in self.house.platform.ledger}
        for row in rows:
            copy = live.get(row.idempotency_key)
            if row.open_attempt_id is not None:
                assert row.status in {T.PROCESSING, T.UNCONFIRMED}
            if row.slot_at is not None:
                assert row.status in {T.PENDING, T.PROCESSING}
                assert row.open_attempt_id is None
            if row.status == T.PENDING:
                assert row.due_at is not None
            if row.status == T.PROCESSING:
                assert row.lease_until is not None
                assert row.lease_until <= self.house.clock.now + self.house.times.lease
            if row.status == T.COMPLETED:
                assert [one for one in held if one.target_id == row.id and one.remote_id == row.remote_id]
                assert copy is not None
            if row.status in {T.FAILED, T.CANCELLED, T.PENDING} and copy is not None:
                # only a person who looked, or an answer that is still on its way, may stand between the two
                assert row.id in self.by_person or self.flying, (row.status, copy)
        assert len({(one.account_id, one.remote_id) for one in held}) == len(held)

    def what_ended_stays_unless_a_person_or_a_receipt_moves_it(self, rows: Any) -> None:
        for row in rows:
            before = self.seen.get(row.id)
            if before in ENDED and row.status != before:
                allowed = row.status == T.COMPLETED or row.id in self.by_person or before == T.COMPLETED
                assert allowed, (before, row.status)
            self.seen[row.id] = row.status

    def what_is_sent_has_the_authors_last_words(self, rows: Any, written: Any) -> None:
        words = {row.id: row.content["text"] for row in written}
        by_key = {row.idempotency_key: row for row in rows}
        for copy in self.house.platform.ledger:
            assert copy.text == words[by_key[copy.target_key].post_id]

    def after_a_stop_no_new_call_is_made(self) -> None:
        for key, calls in self.stopped.items():
            assert self.house.platform.calls.count(key) == calls

    def every_post_is_the_sum_of_its_targets(self, rows: Any, written: Any) -> None:
        grouped: dict[UUID, list[Any]] = {}
        for row in rows:
            grouped.setdefault(row.post_id, []).append(row)
        for post in written:
            expected = summarize(
                TargetSummary(TargetStatus(row.status), row.claims > 0, post.scheduled_at is not None,
                              row.status == T.UNCONFIRMED and row.due_at is None)
                for row in grouped.get(post.id, [])
            )  # fmt: skip
            assert (post.status, bool(post.needs_attention)) == expected

    def teardown(self) -> None:
        """Everything comes to an end by itself, but for what only a person can tell."""
        try:
            self.run(self.release())
            platform = self.house.platform
            platform.before, platform.after, platform.preparing, platform.exact = [], [], [], True
            for _ in range(60):
                self.run(self.house.sweep())
                for alone in (False, True, True):
                    self.run(self.work(1, alone))
                self.house.clock.forward(3700)
                if all(row.status in ENDED or row.due_at is None for row in self.all_targets()):
                    break
            for row in self.all_targets():
                asked = row.status == T.UNCONFIRMED and row.due_at is None
                assert row.status in ENDED or asked, (row.status, row.message)
                live = [copy for copy in platform.ledger if copy.target_key == row.idempotency_key]
                if row.status == T.COMPLETED and row.id not in self.by_person:
                    assert len(live) == 1
        finally:
            self.runner.run(self.opening.__aexit__(None, None, None))
            self.runner.close()

    # ---- how it is done

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def all_targets(self) -> list[Any]:
        return list(self.run(self.house.database.read(lambda tx: tx.all(sa.select(targets)))))

    def copy_of(self, row: Any) -> str | None:
        for copy in self.house.platform.ledger:
            visible = copy.at + LISTING_LAG <= self.house.clock.now
            if copy.target_key == row.idempotency_key and visible:
                return copy.remote_id
        return None

    async def work(self, rounds: int, alone: bool, *, wait: bool = True) -> None:
        try:
            claims = [claim for _ in range(rounds) for claim in await self.house.claim(alone=alone)]
        except Killed:
            return
        tasks = [asyncio.create_task(self.house.delivery.deliver(claim)) for claim in claims]
        for task in tasks:
            self.flying.add(task)
            task.add_done_callback(self.flying.discard)
        if not wait:
            while len(self.hanging) < len(self.flying):  # noqa: ASYNC110 - what hangs does not tell
                await asyncio.sleep(0.0005)
            return
        done = await asyncio.gather(*tasks, return_exceptions=True)
        for error in done:
            if isinstance(error, BaseException) and not isinstance(error, Killed):
                raise error

    async def hang(self, _: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.hanging.add(task)
        try:
            await self.let_go.wait()
        finally:
            self.hanging.discard(task)

    async def release(self) -> None:
        self.let_go.set()
        if self.flying:
            await asyncio.wait(self.flying)
        self.let_go = asyncio.Event()

    def _arm(self) -> None:
        write = self.house.database.write

        async def armed(work: Any, *arguments: Any, **named: Any) -> Any:
            if self.kill_at == (work.__name__, "before"):
                raise Killed
            answer = await write(work, *arguments, **named)
            if self.kill_at == (work.__name__, "after"):
                raise Killed
            return answer

        self.house.database.write = armed


def drive(make_url: Any, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        lambda: Machine(make_url()),
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True, print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )  # fmt: skip


def drive_on_sqlite(migrated: Path, examples: int, steps: int) -> None:
    """In memory where there is a place for it: the machine kills no power."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of the test's own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        numbers = count()
        drive(lambda: f"sqlite:///{shutil.copy(migrated, Path(folder) / f'{next(numbers)}.db')}", examples, steps)


def test_on_sqlite(migrated: Path) -> None:
    drive_on_sqlite(migrated, examples=30, steps=40)


def test_on_postgres(postgres: Any) -> None:
    names = []

    def make_url() -> str:
        names.append(postgres.create_database())
        url: str = postgres.url(names[-1])
        asyncio.run(migrate(url))
        return url

    try:
        drive(make_url, examples=4, steps=30)
    finally:
        for name in names:
            postgres.drop_database(name)


@pytest.mark.long
def test_on_sqlite_for_long(migrated: Path) -> None:
    drive_on_sqlite(migrated, examples=300, steps=60)
