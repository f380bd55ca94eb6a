"""The short form of a run: one fault of each sort within half a minute. `make chaos` plays the long one."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hayon.sandbox.model import LedgerEntry, Platform
from tests.chaos.authors import Told
from tests.chaos.judging import Judgement, judge
from tests.chaos.plan import PARTS, SHORT, SORTS, Fault, Kind, Plan, Post, draw
from tests.servers.processes import start

SHORT_RUN = {"posts": 120, "seconds": 30, "authors": 6, "seed": 4}
WORDS = "Post 7 of run 1, as it was written first"
HANDLES = {"account-1": ("mastodon", "c1"), "account-2": ("mastodon", "c2")}


def test_whatever_befalls_the_house_nothing_is_lost_and_nothing_is_there_twice(tmp_path: Path) -> None:
    arguments = [part for name, value in SHORT_RUN.items() for part in (f"--{name}", str(value))]
    chaos = start(
        [sys.executable, "-m", "tests.chaos", *arguments, "--folder", tmp_path / "house"],
        log=tmp_path / "chaos", ready_within_seconds=None,
    )  # fmt: skip
    code = chaos.wait(within_seconds=280)
    assert code == 0, chaos.output()[-20_000:]
    told = read_tally(chaos.output())
    assert told["posts accepted"] == SHORT_RUN["posts"]
    assert told["targets completed"] > SHORT_RUN["posts"]
    played = {fault.name for fault in draw(4, posts=120, seconds=30, authors=6).faults}
    assert {name: told[name] for name in played} == dict.fromkeys(played, 1)


def read_tally(output: str) -> dict[str, float]:
    """The numbers of the table, by their names."""
    lines = [line.strip().rsplit(maxsplit=1) for line in output.splitlines() if "  " in line.strip()]
    return {line[0].strip(): float(line[1]) for line in lines if line[1].replace(".", "", 1).isdigit()}


# -- the plan -----------------------------------------------------------------------------------------------------


def plan(seed: int = 1, seconds: float = 30, posts: int = 120) -> Plan:
    return draw(seed, posts=posts, seconds=seconds, authors=6)


def test_a_seed_fixes_everything_that_is_planned() -> None:
    assert plan(3) == plan(3)
    assert plan(3) != plan(4)
    assert len({post.words for post in plan(3).posts}) > 100


@pytest.mark.parametrize("seed", range(20))
def test_a_short_run_has_a_fault_of_each_sort(seed: int) -> None:
    faults = plan(seed).faults
    wanted = {Fault(0, kind, whom[-1], 0, server).name for kind, whom, server in SORTS if whom != ("broker",)}
    assert {fault.name for fault in faults} == wanted | {f"broker {Kind.WIPE}"}
    assert all(fault.at < 40 for fault in faults)


def test_a_long_run_has_many_and_wipes_the_broker_once() -> None:
    counts = Counter(fault.name for fault in plan(seconds=10 * SHORT).faults)
    assert counts.pop(f"broker {Kind.WIPE}") == 1
    assert len(counts) == len(SORTS)
    assert min(counts.values()) > 10


@pytest.mark.parametrize("seconds", [30, 600])
def test_nothing_is_struck_while_it_is_down(seconds: float) -> None:
    ends: dict[str, float] = {}
    for fault in plan(seconds=seconds).faults:
        names = (
            [f"{fault.server} {part}" for part in PARTS if fault.whom in {"all", part}]
            if fault.server
            else [fault.whom]
        )
        assert all(ends.get(name, 0) <= fault.at for name in names)
        ends |= dict.fromkeys(names, fault.at + fault.seconds)


# -- the judge ----------------------------------------------------------------------------------------------------


def told(*statuses: str, seen: Mapping[str, str] | None = None, answers: Mapping[str, str] | None = None, number: int = 7,
         words: str = WORDS) -> Told:  # fmt: skip
    """A post with a target on each account; what is completed is so by the remote id of its target."""
    post = Post(number, 0, 0.0, words, (("mastodon", 0),) * len(statuses), None, pictured=False, wishes=())
    one = Told(post, words, f"post-{number}", seen=dict(seen or {}), answers=dict(answers or {}))
    ids = [f"{number}.{place}" for place in range(1, len(statuses) + 1)]
    one.targets = {target_id: ("mastodon", f"account-{place}") for place, target_id in enumerate(ids, 1)}
    one.shown = {"content": {"text": words}, "platformStatuses": [
        {"targetId": target_id, "platform": "mastodon", "accountId": f"account-{place}", "status": status,
         "platformPostId": f"copy-{target_id}" if status == "completed" else None}
        for place, (target_id, status) in enumerate(zip(ids, statuses, strict=True), 1)
    ]}  # fmt: skip
    return one


def copy(remote_id: str, handle: str = "c1", text: str = WORDS, **more: Any) -> LedgerEntry:
    facts = {"operation": "createStatus", "key": None, "repeat": False, "request_id": 1} | more
    return LedgerEntry(
        n=1, at="", platform=Platform.MASTODON, account=handle, handle=handle, remote_id=remote_id, text=text, **facts
    )


def judged(every: Sequence[Told], *ledger: LedgerEntry) -> Judgement:
    return judge(every, HANDLES, ledger)


def test_one_copy_of_each_that_is_completed_is_right() -> None:
    judgement = judged([told("completed", "completed")], copy("copy-7.1"), copy("copy-7.2", "c2"))
    assert not judgement.wrong
    assert judgement.tally == Counter({"accepted": 1, "completed": 2})


@pytest.mark.parametrize(("ledger", "sign"), [((), "no copy"), ((copy("x"),), "one copy")])
def test_what_is_unconfirmed_may_have_one_copy_or_none(ledger: Sequence[LedgerEntry], sign: str) -> None:
    judgement = judged([told("unconfirmed")], *ledger)
    assert not judgement.wrong
    assert judgement.tally[f"unconfirmed with {sign}"] == 1


@pytest.mark.parametrize(
    ("post", "ledger", "tally"),
    [
        (told("completed"), (), "lost"),
        (told("completed"), (copy("another"),), "lost"),
        (told("completed"), (copy("copy-7.1"), copy("second")), "doubled"),
        (told("unconfirmed"), (copy("first"), copy("second")), "doubled"),
        (told("failed"), (copy("first"),), "doubled"),
        (told("cancelled"), (copy("first"),), "doubled"),
        (told("completed"), (copy("copy-7.1"), copy("copy-7.1", repeat=True)), "sent blindly"),
        (told("completed"), (copy("copy-7.1"), copy("second", text="Post 7 of run 1, written anew (1)")), "with other words"),
        (told("completed"), (copy("copy-7.1"), copy("second", "c2")), "with other words"),
        (told("completed"), (copy("copy-7.1"), copy("copy-7.1", operation="deleteStatus")), "lost"),
        (replace(told("completed"), shown={}), (copy("copy-7.1"),), "lost"),
        (replace(told("completed"), post_id=""), (), "never answered"),
    ],
)  # fmt: skip
def test_wrong_copies_are_counted(post: Told, ledger: Sequence[LedgerEntry], tally: str) -> None:
    judgement = judged([post], *ledger)
    assert judgement.tally[tally] == 1
    assert 7 in judgement.wrong


@pytest.mark.parametrize(
    ("post", "ledger"),
    [
        (told("pending"), ()),
        (told("failed", seen={"7.1": "completed"}), ()),
        (told("completed", seen={"7.1": "failed"}), (copy("copy-7.1"),)),
        (told("completed", answers={"7.1": "cancelled"}), (copy("copy-7.1"),)),
        (told("unconfirmed", answers={"7.1": "cancelled"}), ()),
        (told("failed", answers={"7.1": "too_late"}), ()),
        (told("completed", answers={"7.1": "nothing_to_stop"}), (copy("copy-7.1"),)),
        (replace(told("completed"), words="what its author was told"), (copy("copy-7.1"),)),
        (replace(told("completed"), wrong=["one key, two posts"]), (copy("copy-7.1"),)),
    ],
)  # fmt: skip
def test_whoever_ends_otherwise_than_told_is_wrong(post: Told, ledger: Sequence[LedgerEntry]) -> None:
    assert list(judged([post], *ledger).wrong) == [7]


def test_twins_share_their_copies() -> None:
    first, second = told("completed"), told("unconfirmed", number=8)
    assert not judged([first, second], copy("copy-7.1"), copy("x")).wrong
    assert not judged([first, second], copy("copy-7.1")).wrong
    assert list(judged([first, second], copy("x")).wrong) == [7]
    assert list(judged([first, second], copy("copy-7.1"), copy("x"), copy("y")).wrong) == [7, 8]
