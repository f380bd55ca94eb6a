"""The judge of a run: what the ledgers of the platforms show, held against what every author was told. Asks nobody."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hayon.sandbox.model import LedgerEntry, Platform
from hayon.sandbox.sites import SITES
from tests.chaos.authors import Told

_NUMBER = re.compile(r"^Post (\d+) of run ")
_POSSIBLE: Mapping[str, frozenset[str]] = {
    "cancelled": frozenset({"cancelled"}),
    "in_flight": frozenset({"completed", "unconfirmed", "cancelled"}),
    "too_late": frozenset({"completed"}),
    "nothing_to_stop": frozenset({"failed", "cancelled"}),
}
"""By what a cancel was answered: where the target may end."""


@dataclass(slots=True)
class Judgement:
    """What became of everything. `wrong` by number of the post; -1: of no post that was handed in."""

    tally: Counter[str] = field(default_factory=Counter)
    wrong: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, number: int, what: str) -> None:
        """Something is wrong with this post."""
        self.wrong[number].append(what)


@dataclass(frozen=True, slots=True)
class Ended:
    """One target at rest, as its author is shown it."""

    number: int
    status: str
    remote_id: str | None
    where: str


def judge(every: Sequence[Told], handles: Mapping[str, tuple[str, str]], ledger: Sequence[LedgerEntry]) -> Judgement:
    """`handles`: by our id of an account its platform and its handle there."""
    judgement = Judgement()
    groups: dict[tuple[str, str, str], list[Ended]] = defaultdict(list)
    for told in every:
        _judge_told(told, judgement)
        for one in told.shown.get("platformStatuses", ()):
            platform, handle = handles[one["accountId"]]
            where = f"{platform} {handle} ({one['targetId']})"
            ended = Ended(told.post.number, one["status"], one["platformPostId"], where)
            groups[platform, handle, told.shown["content"]["text"]].append(ended)
    copies: dict[tuple[str, str, str], list[LedgerEntry]] = defaultdict(list)
    for entry in _live(ledger, judgement):
        copies[entry.platform.value, entry.handle, entry.text].append(entry)
    for key, members in groups.items():
        _judge_copies(members, copies.pop(key, []), judgement)
    for (platform, handle, text), entries in copies.items():
        said = _NUMBER.match(text)
        judgement.tally["with other words"] += len(entries)
        judgement.add(
            int(said[1]) if said else -1, f"{platform} {handle}: {_ids(entries)} says {text!r}, which no post says now"
        )
    return judgement


def read_entries(platform: str, shown: Sequence[Mapping[str, Any]]) -> list[LedgerEntry]:
    """The lines of a ledger as the control API gives them."""
    return [
        LedgerEntry(**{re.sub("[A-Z]", lambda big: f"_{big[0].lower()}", name): value for name, value in one.items()}
                    | {"platform": Platform(platform)})
        for one in shown
    ]  # fmt: skip


def _judge_told(told: Told, judgement: Judgement) -> None:
    """Whether the post is there, and stands where its author was told."""
    number, tally = told.post.number, judgement.tally
    for what in told.wrong:
        judgement.add(number, what)
    if not told.post_id:
        tally["never answered"] += 1
        judgement.add(number, "its author never got an answer")
        return
    tally["accepted"] += 1
    shown = {one["targetId"]: one for one in told.shown.get("platformStatuses", ())}
    if shown.keys() != told.targets.keys():
        tally["lost"] += 1
        judgement.add(number, f"it was accepted with {sorted(told.targets)}, and there are {sorted(shown)}")
        return
    if told.shown["content"]["text"] != told.words:
        judgement.add(
            number, f"its author was told that it says {told.words!r}; it says {told.shown['content']['text']!r}"
        )
    for target_id, one in shown.items():
        seen, answer, status = told.seen.get(target_id), told.answers.get(target_id), one["status"]
        if seen is not None and seen != status:
            judgement.add(number, f"{one['platform']}: its author was shown {seen}, and now it is {status}")
        if answer is not None and status not in _POSSIBLE[answer]:
            judgement.add(number, f"{one['platform']}: a cancel was answered {answer}, and now it is {status}")


def _judge_copies(members: Sequence[Ended], live: Sequence[LedgerEntry], judgement: Judgement) -> None:
    """Targets of one account with the same words, most often one alone: each completed has its own copy, and of what is
    left no more than one for each unconfirmed."""
    tally, rest, numbers = judgement.tally, list(live), sorted({one.number for one in members})
    for one in members:
        if one.status == "completed":
            tally["completed"] += 1
            mine = next((entry for entry in rest if one.remote_id in {entry.remote_id, f"container:{entry.key}"}), None)
            if mine is not None:
                rest.remove(mine)
                continue
            tally["lost"] += 1
            judgement.add(one.number, f"{one.where}: completed by {one.remote_id}, and of that no copy is live")
        elif one.status in {"failed", "cancelled"}:
            tally[one.status] += 1
        elif one.status != "unconfirmed":
            judgement.add(one.number, f"{one.where}: it never came to rest, it is {one.status}")
    for one in members:
        if one.status == "unconfirmed":
            tally[f"unconfirmed with {'one copy' if rest else 'no copy'}"] += 1
            if rest:
                rest.pop()
    if rest:
        tally["doubled"] += len(rest)
        stand = ", ".join(f"{one.where} {one.status}" for one in members)
        for number in numbers:
            judgement.add(number, f"{_ids(rest)} live beyond what may be: {stand}")


def _live(ledger: Sequence[LedgerEntry], judgement: Judgement) -> list[LedgerEntry]:
    """Copies that landed and stayed. A call that came when its post had landed already is wrong, however kind the platform."""
    gone = {(entry.platform, entry.remote_id) for entry in ledger if entry.operation.startswith("delete")}
    live = []
    for entry in ledger:
        if not next(site for site in SITES if site.platform is entry.platform).is_post(entry):
            continue
        if entry.repeat or entry.overwrote:
            said = _NUMBER.match(entry.text)
            judgement.tally["sent blindly"] += 1
            judgement.add(
                int(said[1]) if said else -1,
                f"{entry.platform} {entry.handle}: {entry.remote_id} was sent again blindly",
            )
        elif (entry.platform, entry.remote_id) not in gone:
            live.append(entry)
    return live


def _ids(entries: Sequence[LedgerEntry]) -> str:
    return ", ".join(f"{entry.remote_id} (line {entry.n}, {entry.at})" for entry in entries)
