"""One run from its plan to its judgement, as a line of named steps."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import watching
from tests.chaos.authors import Author, Clock, Told
from tests.chaos.befalling import Befalling
from tests.chaos.house import House, running_house
from tests.chaos.judging import Judgement, judge, read_entries
from tests.chaos.plan import HABITS, PLATFORMS, Plan

CLAIMED_WITHIN = 30.0
"""Seconds after the last fault by which nothing that is due may be unclaimed."""
_RESTS_WITHIN = 120.0
_ANSWERED_WITHIN = 60.0
_MIRRORED_WITHIN = 30.0
_LOOK_EVERY = 0.5
_AT_ONCE = 8


@dataclass(slots=True)
class Outcome:
    """What a run came to. `wrong` is empty where all is right: a line, and then the whole story, for each wrong thing."""

    judgement: Judgement
    faults: Counter[str]
    mishaps: Counter[str]
    wrong: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)


def run(
    plan: Plan, folder: Path, *, without: str = "", settings: Mapping[str, str] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Outcome:  # fmt: skip
    """Plays it, and judges."""
    started, clock, tell = time.monotonic(), Clock(), tell or print_line
    with running_house(folder, without, settings) as house:
        tell(f"the house stands after {time.monotonic() - started:.0f} s")
        authors = [
            Author(number, [post for post in plan.posts if post.author == number], house.webs, clock)
            for number in range(plan.authors)
        ]
        with ThreadPoolExecutor(_AT_ONCE) as several:
            list(several.map(lambda author: author.settle_in(house.sandbox), authors))
        planned = _plan_mishaps(plan, authors, house)
        tell(f"{plan.authors} authors are ready after {time.monotonic() - started:.0f} s")
        clock.began = time.time() + 0.5
        for author in authors:
            author.start()
        every = [told for author in authors for told in author.told.values()]
        say = tell
        befalling = Befalling(
            house, clock.began, lambda line: say(f"{line}, {sum(map(_is_accepted, every))} posts accepted")
        )
        last_fault = befalling.play(plan.faults)
        clock.last = last_fault + _ANSWERED_WITHIN
        tell(f"{last_fault - clock.began:6.1f} s  the last fault is over")
        wrong = list(befalling.failed)
        facts = _come_to_rest(house, authors, last_fault, wrong, tell)
        mishaps = planned - _count_waiting(house)
        clock.last = time.time() + _ANSWERED_WITHIN
        outcome = _judge(house, authors, Outcome(Judgement(), befalling.played, mishaps, wrong, facts))
    outcome.facts["seconds in all"] = f"{time.monotonic() - started:.0f}"
    return outcome


def _is_accepted(told: Told) -> bool:
    return bool(told.post_id)


def print_line(line: str) -> None:
    """To whoever started the run."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _plan_mishaps(plan: Plan, authors: Sequence[Author], house: House) -> Counter[str]:
    for platform, habits in HABITS.items():
        for habit in habits:
            length = {"seconds": 1.0} if "late" in habit["kind"] else {}
            house.sandbox.control("faults", {"platform": platform, "count": None, **habit, **length})
    planned: Counter[str] = Counter()
    for one in plan.mishaps:
        _, handle = authors[one.author].accounts[one.platform, one.account]
        facts = {name: value for name, value in one.facts.items() if value is not None}
        house.sandbox.control("faults", {"platform": one.platform, "account": handle, "skip": one.skip, **facts})
        planned[_name(facts)] += 1
    return planned


def _count_waiting(house: House) -> Counter[str]:
    """Mishaps that met nothing: fewer calls were made on those accounts than were planned."""
    waiting = house.sandbox.control("faults")["faults"]
    return Counter(_name(fault) for fault in waiting if fault["left"] is not None)


def _name(fault: Mapping[str, object]) -> str:
    return f"{fault['kind']} {fault['status']}" if fault["kind"] == "refuse" else str(fault["kind"])


def _come_to_rest(
    house: House, authors: Sequence[Author], last_fault: float, wrong: list[str], tell: Callable[[str], None]
) -> dict[str, str]:
    """Waits until nothing more will happen by itself. How long everything took."""
    claimed_after: float | None = None
    longest, told_at = 0.0, 0.0
    while True:
        standing, after = watching.look(house.dsn, last_fault), time.time() - last_fault
        longest = max(longest, standing.overdue)
        if claimed_after is None and not standing.left:
            claimed_after = after
        if time.time() - told_at > 5:
            told_at = time.time()
            tell(f"  {after:4.0f} s after it: {standing.left} due and unclaimed since, {dict(standing.by_status)}")
        speaking = any(author.is_alive() for author in authors)
        if not standing.unrested and not speaking:
            break
        if after > _RESTS_WITHIN:
            wrong.append(f"{standing.unrested} targets never came to rest: {dict(standing.by_status)}")
            break
        time.sleep(_LOOK_EVERY)
    for author in authors:
        author.join(timeout=1)
        if author.failed or author.is_alive():
            wrong.append(author.failed or f"author {author.number} waits for an answer still")
    if claimed_after is None or claimed_after > CLAIMED_WITHIN or longest > CLAIMED_WITHIN:
        wrong.append(
            f"due and unclaimed for {longest:.0f} s; all that was due at the last fault was claimed after {claimed_after} s"
        )
    return {
        "seconds from the last fault to the last claim": "never" if claimed_after is None else f"{claimed_after:.1f}",
        "longest that anything due was unclaimed since": f"{longest:.1f}",
        "seconds from the last fault to rest": f"{time.time() - last_fault:.0f}",
    }  # fmt: skip


def _judge(house: House, authors: Sequence[Author], outcome: Outcome) -> Outcome:
    with ThreadPoolExecutor(_AT_ONCE) as several:
        list(several.map(Author.look_at_all, authors))
    every = sorted((told for author in authors for told in author.told.values()), key=lambda told: told.post.number)
    handles = {
        account_id: (platform, handle)
        for author in authors
        for (platform, _), (account_id, handle) in author.accounts.items()
    }
    ledger = [one for platform in PLATFORMS for one in read_entries(platform, house.sandbox.ledger(platform))]
    outcome.judgement = judgement = judge(every, handles, ledger)
    for row, broken in watching.sweep(house.dsn).items():
        told = next((one for one in every if row in {one.post_id, *one.targets}), None)
        for rule in broken:
            judgement.add(told.post.number if told else -1, f"{row}: {rule}")
    _compare_letters(house, outcome)
    ended = [words for part in house.parts.values() for words in part.ended]
    outcome.wrong += ended
    restarts = sum(part.starts - 1 for part in house.parts.values())
    outcome.facts |= {
        "bells rung again": str(house.count_events("bell.rung_again")),
        "requests repeated by authors": str(sum(author.repeated for author in authors)),
        "targets rescued": str(house.count_events("target.rescued")),
        "processes started again": str(restarts),
        "of them ended by themselves": str(len(ended)),
        "errors that nobody foresaw": str(house.count_events("request.failed") + house.count_events("duty.failed")),
        "starts that failed": str(sum(part.refused for part in house.parts.values())),
    }
    by_number = {told.post.number: told for told in every}
    for number, wrongs in sorted(judgement.wrong.items()):
        outcome.wrong.append(_story(house, by_number.get(number), wrongs, ledger, handles))
    return outcome


def _compare_letters(house: House, outcome: Outcome) -> None:
    """The parking lot mirrors the failed targets, and no bell has died."""
    deadline = time.time() + _MIRRORED_WITHIN
    while True:
        parked, mirrored = (
            watching.failed_targets(house.dsn),
            watching.read_letters(house.rabbit.url, "hayon_parking_lot"),
        )
        if set(parked) == set(mirrored) or time.time() > deadline:
            break
        time.sleep(1)
    if set(parked) != set(mirrored):
        outcome.wrong.append(
            f"{len(parked)} targets failed; the parking lot lacks {sorted(set(parked) - set(mirrored))}"
            f" and has {sorted(set(mirrored) - set(parked))} beyond them"
        )
    outcome.facts["in the parking lot"] = str(len(set(mirrored)))
    outcome.facts["of them more than once"] = str(len(mirrored) - len(set(mirrored)))
    dead = watching.read_letters(house.rabbit.url, "hayon_dead_letters")
    if dead:
        outcome.wrong.append(f"bells died, of {dead}")


def _story(
    house: House, told: Told | None, wrongs: Sequence[str], ledger: Sequence[object], handles: Mapping[str, tuple[str, str]]
) -> str:  # fmt: skip
    """All that is known of one post."""
    lines = [f"WRONG: {what}" for what in wrongs]
    if told is None:
        return "\n".join(lines)
    lines.append(f"  planned: {told.post}")
    lines.append(f"  told: words {told.words!r}, seen {told.seen}, cancels answered {told.answers}")
    if told.post_id:
        lines += [f"  {line}" for line in watching.tries_of(house.dsn, told.post_id)]
    where = {handles[account_id] for _, account_id in told.targets.values()}
    about = f"Post {told.post.number} of "
    lines += [
        f"  ledger: {entry}" for entry in ledger
        if (entry.platform.value, entry.handle) in where and (about in entry.text or entry.text == told.words)
    ]  # fmt: skip
    if told.post_id:
        lines += [f"  {line[:600]}" for line in house.log_lines(told.post_id)]
    return "\n".join(lines)
