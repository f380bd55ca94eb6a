"""What the judge makes of a ledger, and what the ledger makes of calls."""

import asyncio
import json

import aiohttp
import pytest
from bench.call import BODY_BYTES, PATH, body_of, headers_of
from bench.contest import Job
from bench.judge import Entry, judge, percentile, running_ledger
from bench.ledger import MEDIAN_SECONDS, P99_SECONDS, read_latency
from bench.rounds import interleaved

JOBS = [Job(f"job-{number}", number, 0, 100.0) for number in range(20)]


def test_lost_doubled_and_strange_ones_are_told_apart() -> None:
    entries = [Entry(job.name, job.account, 101.0 + place, False) for place, job in enumerate(JOBS[2:])]
    entries += [
        Entry("job-5", 5, 200.0, False),  # under another key: live twice
        Entry("job-6", 6, 200.0, True),  # under the same key: live once
        Entry("nobody's", 1, 200.0, False),
    ]
    found = judge(JOBS, entries)
    assert (found.jobs, found.done, found.lost, found.doubled, found.repeats, found.strange) == (20, 18, 2, 1, 1, 1)


def test_the_first_tenth_is_warm_up() -> None:
    slow = [Entry(job.name, 0, 100.0 + 10 * place, False) for place, job in enumerate(JOBS[:2])]
    quick = [Entry(job.name, 0, 200.0 + place / 100, False) for place, job in enumerate(JOBS[2:])]
    assert judge(JOBS, slow + quick).rate == pytest.approx(100)


def test_lateness_counts_from_the_due_time_to_the_first_arrival() -> None:
    found = judge(
        JOBS[:2], [Entry("job-0", 0, 103.0, False), Entry("job-1", 1, 99.5, False), Entry("job-0", 0, 150.0, False)]
    )
    assert found.lateness == [-0.5, 3.0]
    assert (found.late(0.5), found.late(1)) == (3.0, 3.0)


def test_a_percentile_of_nothing_is_nothing() -> None:
    assert percentile([], 0.99) == 0.0


def test_every_round_has_everybody_and_its_own_order_which_is_the_same_each_time() -> None:
    first = interleaved("abcdef", 4)
    assert first == interleaved("abcdef", 4)
    rounds = ["".join(case for number, case in first if number == round_) for round_ in range(4)]
    assert all(sorted(one) == list("abcdef") for one in rounds)
    assert len(set(rounds)) > 1


def test_a_distant_platform_answers_a_job_always_as_fast_and_all_jobs_as_is_said() -> None:
    latency = read_latency("lognormal")
    drawn = sorted(latency(f"job-{number}") for number in range(20_000))
    assert latency("job-1") == latency("job-1")
    assert percentile(drawn, 0.5) == pytest.approx(MEDIAN_SECONDS, rel=0.05)
    assert percentile(drawn, 0.99) == pytest.approx(P99_SECONDS, rel=0.15)


async def test_the_ledger_enters_each_call_when_it_comes_and_answers_when_its_time_has_come() -> None:
    with running_ledger("0.2") as ledger:
        async with aiohttp.ClientSession(ledger.url) as session:
            calls = [
                asyncio.create_task(_call(session, name, key)) for name, key in (("a", "1"), ("b", "2"), ("a", "3"))
            ]
            while (counted := await ledger.count()).statuses < len(calls):  # noqa: ASYNC110 - asked from outside
                await asyncio.sleep(0.01)
            assert counted.in_flight == 3
            assert len({one["id"] for one in await asyncio.gather(*calls)}) == 3
            assert (await ledger.count()).in_flight == 0
            again = await _call(session, "a", "1")
        entries = await ledger.read()
        assert [(one.name, one.account, one.repeat) for one in entries] == [
            ("a", 17, False), ("b", 17, False), ("a", 17, False), ("a", 17, True),
        ]  # fmt: skip
        assert again["content"].startswith("<p>a ")
        assert again["account"]["id"] == "17"
        await ledger.reset()
        assert await ledger.read() == []


def test_the_call_has_one_kilobyte_and_needs_the_standard_library_alone() -> None:
    body = body_of("job-123")
    assert len(body) == BODY_BYTES
    assert json.loads(body)["status"].partition(" ")[0] == "job-123"


async def _call(session: aiohttp.ClientSession, name: str, key: str) -> dict[str, object]:
    headers = headers_of(name, 17) | {"Idempotency-Key": key}
    async with session.post(PATH, data=body_of(name), headers=headers) as answer:
        assert answer.status == 200
        shown: dict[str, object] = await answer.json()
        return shown
