"""Where a delivery can be hit and by what: the cells of the matrix, derived from a delivery that was written down."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from typing import Any


class Story(StrEnum):
    """What has gone before the moment that is played."""

    PLAIN = "plain"  # nothing: all goes well
    SENT = "sent"  # the answer to the publishing call is lost
    LANDED = "landed"  # that was a while ago, and the post had landed: it is looked for and found
    LOST = "lost"  # that was a while ago, and nothing had landed: it is looked for, not found, and sent again
    LEASE = "lease"  # the worker died right after the publishing call: the sweep takes the target back


class How(StrEnum):
    """What happens there."""

    KILLED = "killed"  # SIGKILL
    STOPPED = "stopped"  # SIGSTOP, SIGCONT when the lease is over
    REFUSED = "refused"
    DROPPED = "answer dropped after acceptance"
    ERROR = "error after acceptance"
    SLOW = "slower than the deadline"
    ACCEPTED_LATE = "accepted after the client gave up"
    LISTED_LATE = "listed late"
    LATE_AND_LATE = "accepted after the client gave up, and listed late"
    STATUS_LATE = "its status shows it late"


class When(StrEnum):
    """Which side of the step."""

    BEFORE = "before"
    INSIDE = "inside"  # a commit's: done, and not committed
    AFTER = "after"


CRASHES = (How.KILLED, How.STOPPED)
MISHAPS = (How.REFUSED, How.DROPPED, How.ERROR, How.SLOW, How.ACCEPTED_LATE)
LISTINGS = (How.LISTED_LATE, How.LATE_AND_LATE, How.STATUS_LATE)


@dataclass(frozen=True, slots=True)
class Step:
    """One commit or one platform call of a delivery: the nth (`number`) of its name in its story.

    `name` is the function of a write, or the platform's own word for a call; `place` counts all calls of the story.
    """

    call: bool
    name: str
    number: int
    place: int = 0
    publishing: bool = False
    nameless: bool = False
    """The call carries no credential, so that the simulated platform cannot tell whose it is."""

    def __str__(self) -> str:
        return f"{self.name} #{self.number}" + (" (publishes)" if self.publishing else "")


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing that happens to one post. `number` names it within its group.

    `also` is the step that comes next where a crash comes after a step: between the two nothing happens that anybody
    else could see, so the moment after the one and the moment before the other are played as one.
    """

    number: int
    story: Story
    step: Step
    how: How
    when: When | None = None
    also: Step | None = None

    def __str__(self) -> str:
        when = f" {self.when}" if self.when else ""
        return f"{self.story}: {self.how}{when} {self.step}"


def read_steps(seen: Sequence[Mapping[str, Any]], requests: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The steps that a watched delivery took, its calls named as the platform named the requests it got meanwhile."""
    calls = [one for one in seen if one["call"]]
    if len(calls) != len(requests):
        asked = [one["operation"] for one in requests]
        raise ValueError(f"{len(calls)} calls were made and {len(requests)} arrived: {asked}")
    names = {one["number"]: request for one, request in zip(calls, requests, strict=True)}
    counts: dict[str, int] = {}
    steps = []
    for one in seen:
        request = names.get(one["number"]) if one["call"] else None
        name = request["operation"] if request else one["name"]
        counts[name] = counts.get(name, 0) + 1
        nameless = request is not None and request["account"] is None
        steps.append(Step(one["call"], name, counts[name], one["number"], one["publishing"], nameless))
    return steps


def cells_of(plain: list[Step], sent: list[Step], landed: list[Step], lost: list[Step]) -> list[Cell]:
    """Every cell of one kind of post, from four deliveries: plain; to where an answer is lost; from there on where the post had
    landed; from there on where it had not.
    """
    places = [
        *_crashes(Story.PLAIN, plain),
        *_mishaps(Story.PLAIN, plain),
        *((Story.PLAIN, step, how, None, None) for how in LISTINGS for step in plain if step.publishing),
        *_crashes(Story.SENT, sent[-1:]),
        *_crashes(Story.LANDED, landed),
        *_mishaps(Story.LANDED, landed, few=True),
        *_crashes(Story.LOST, lost),
        *_mishaps(Story.LOST, [step for step in lost if _is_look(step, lost)], few=True),
        *((Story.LEASE, Step(False, "rescue", 1), How.KILLED, when, None) for when in When),
    ]
    return [Cell(number, *place) for number, place in enumerate(places)]


def choose_few(cells: list[Cell]) -> list[Cell]:
    """Those that a quick run plays: the moments around what is irreversible, and one of each other sort."""
    chosen, sorts = [], set()
    for cell in cells:
        what = "publish" if cell.step.publishing else "call" if cell.step.call else cell.step.name
        sort = (cell.story, cell.how, what, cell.when)
        crash = cell.how in CRASHES
        wanted = sort in _FEW if crash else what == "publish" or cell.how is How.DROPPED
        if wanted and sort not in sorts:
            sorts.add(sort)
            chosen.append(cell)
    return chosen


_FEW = {
    (story, how, what, when)
    for story, how, moments in (
        (Story.PLAIN, How.KILLED, ("claim_due after", "save_checkpoint inside", "call after", "commit_intent inside",
                                   "commit_intent after", "publish after", "settle_try inside")),
        (Story.PLAIN, How.STOPPED, ("commit_intent inside", "commit_intent after", "publish after")),
        (Story.SENT, How.KILLED, ("settle_try inside",)),
        (Story.LANDED, How.KILLED, ("call after", "settle_try inside")),
        (Story.LOST, How.KILLED, ("record_absence inside", "record_absence after", "commit_intent after", "publish after")),
        (Story.LOST, How.STOPPED, ("commit_intent after",)),
        (Story.LEASE, How.KILLED, ("rescue inside",)),
    )
    for what, when in (moment.split() for moment in moments)
}  # fmt: skip


Place = tuple[Story, Step, How, When | None, Step | None]


def _crashes(story: Story, steps: Sequence[Step]) -> Iterator[Place]:
    for how in CRASHES:
        for step in steps[:1]:
            yield story, step, how, When.BEFORE, None
        for step, following in zip_longest(steps, steps[1:]):
            if not step.call:
                yield story, step, how, When.INSIDE, None
            yield story, step, how, When.AFTER, following


def _mishaps(story: Story, steps: Iterable[Step], *, few: bool = False) -> Iterator[Place]:
    """`few`: of a look, which changes nothing, only whether it is answered."""
    for step in steps:
        if step.call:
            for how in (How.REFUSED, How.DROPPED, How.SLOW) if few else MISHAPS:
                yield story, step, how, None, None


def _is_look(step: Step, steps: list[Step]) -> bool:
    """Whether the call comes before the absence is recorded: what follows is prepared and published as ever."""
    return step.call and steps.index(step) < next(
        (place for place, one in enumerate(steps) if one.name == "record_absence"), len(steps)
    )
