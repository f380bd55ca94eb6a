"""One group of the matrix: all posts of one kind on one database, and how long things last there. What is played stands beside."""

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.matrix import lives
from tests.matrix.forks import Child, fork
from tests.matrix.hurrying import PACE
from tests.matrix.judging import NO_SUCH, Verdict
from tests.matrix.kinds import STAGES, Kind
from tests.matrix.lives import Life
from tests.matrix.places import SECRET, Databases, Sandbox
from tests.matrix.points import Cell, How, Step, Story, read_steps
from tests.matrix.watching import End, Watch

LEASE, DEADLINE, QUIET = 4.0, 2.5, 7.5
"""In seconds of ours, as all lengths here: of a lease, of a call, and from an intent to when an absence counts."""
LATE = DEADLINE + 0.8
"""After its arrival a call takes effect whose client gave up at the deadline."""
LISTED_LATE = 1.5


def _there(seconds: float) -> str:
    """So many of our seconds as a setting, on the clocks that hurry."""
    return f"{seconds * PACE:g}s"


SETTINGS = {
    "HAYON_LEASE": _there(LEASE), "HAYON_COMMIT_DEADLINE": f"{DEADLINE}s", "HAYON_CALL_DEADLINE": f"{DEADLINE}s",
    "HAYON_SETTLES_WITHIN": f"{QUIET * PACE - DEADLINE:g}s", "HAYON_LOOKS_LAST": "30m",
    "HAYON_LOOK_STEPS": ",".join(map(_there, (0.3, 0.3, 0.5, 1))),
    "HAYON_RETRY_STEPS": ",".join(map(_there, (0.2, 0.3, 0.5, 1, 1))), "HAYON_POLL": "1s", "HAYON_SWEEP_EVERY": "1s",
    "HAYON_LOOK_AHEAD": _there(2),
    "HAYON_ALLOW_PRIVATE_ADDRESSES": "true", "HAYON_LOG": "json", "HAYON_SECRET_KEY": SECRET,
}  # fmt: skip
PARKED = {"HAYON_LOOK_STEPS": "24h"}
"""For a child that brings posts to where their answer is lost, and no further."""
AT_ONCE = 16
"""How many processes of one group stand still at the same time."""
STAGED = "staged.db"
"""SQLite: the database as it was before anybody died."""
CHILD_SECONDS = 300.0
GOES = 4
"""How often a cell is played anew whose delivery went another way than the one written down, as it may on a slow machine."""
SENT_BEFORE = {Story.SENT: "accept_then_drop", Story.LANDED: "accept_then_drop", Story.LOST: "drop_before"}
FAULTS: Mapping[How, Sequence[Mapping[str, Any]]] = {
    How.REFUSED: ({"kind": "refuse", "status": 503},),
    How.DROPPED: ({"kind": "accept_then_drop"},),
    How.ERROR: ({"kind": "error_after_accept"},),
    How.SLOW: ({"kind": "delay_answer", "seconds": LATE * PACE},),
    How.ACCEPTED_LATE: ({"kind": "accept_late", "seconds": LATE * PACE},),
    How.LISTED_LATE: ({"kind": "list_late", "seconds": LISTED_LATE * PACE}, {"kind": "accept_then_drop"}),
    How.LATE_AND_LATE: (
        {"kind": "list_late", "seconds": LISTED_LATE * PACE},
        {"kind": "accept_late", "seconds": LATE * PACE},
    ),
    How.STATUS_LATE: ({"kind": "status_late", "seconds": LISTED_LATE * PACE}, {"kind": "accept_then_drop"}),
}


@dataclass(slots=True)
class Ground:
    """What the groups of a run share."""

    folder: Path
    files: Path
    media: Path
    files_url: str
    databases: Databases
    few: bool
    without: str = ""


@dataclass(slots=True)
class Post:
    """A post on the stage: the target that carries it, and the account in the simulated world."""

    target: str
    remote: str
    handle: str


@dataclass(slots=True)
class Group:
    """The state of one group while it is played."""

    kind: Kind
    ground: Ground
    folder: Path
    sandbox: Sandbox
    life: Life
    user: str | None = None
    media: list[str] = field(default_factory=list)
    publishing: Step = Step(call=True, name="", number=0)
    """The call that publishes; known once one delivery was written down."""
    standing: dict[int, Any] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    """How long each part took, and for how much of it a processor worked for our children."""
    _accounts: int = 0
    _children: int = 0
    _at_work: float = 0.0

    # -- the stage ----------------------------------------------------------------------------------------------

    def set_up(self, count: int, life: Life | None = None) -> list[Post]:
        """So many posts, each on an account of its own, all due tomorrow."""
        stage, handles = STAGES[self.kind.platform], []
        for _ in range(count):
            handles.append(stage.handle.format(n=self._accounts))
            self._accounts += 1
        shown = [self.sandbox.add_account(self.kind.platform, handle) for handle in handles]
        given = [{name: one[name] for name in stage.connecting} for one in shown]
        child = self.fork("set-up", lives.set_up, life or self.life, self.kind, self.user, self.media, given,
                          self.ground.files, f"{self.ground.files_url}/page")  # fmt: skip
        told = child.wait(CHILD_SECONDS + count)
        self.user, self.media = told["user"], told["media"]
        return [Post(*each) for each in zip(told["targets"], told["remotes"], handles, strict=True)]

    def record(self, post: Post, **environment: str) -> list[Step]:
        """A delivery from now until the post is at rest (or parked), written down."""
        last = max((one["n"] for one in self.sandbox.requests()), default=0)
        life = self.life_with(environment)
        watch = Watch(UUID(post.target), self.sandbox.url)
        child = self.fork("record", lives.carry, life, [post.target], watch, parked=bool(environment))
        seen = child.wait(CHILD_SECONDS)["seen"]
        return read_steps(seen, [one for one in self.sandbox.requests() if one["n"] > last])

    def lose(self, story: Story, post: Post) -> None:
        """The answer to the post's publishing call will be lost."""
        step = self.publishing
        refused = self.sandbox.plan(
            platform=self.kind.platform, operation=step.name, skip=step.number - 1, account=post.handle,
            kind=SENT_BEFORE[story],
        )  # fmt: skip
        assert refused is None, refused

    def punish_repeats(self) -> None:
        """From now on the platform makes a second copy of a repeated publishing call, if there is a way in which it may."""
        self.sandbox.plan(platform=self.kind.platform, kind="double_on_repeat", count=None)

    def park(self, posts: Sequence[Post], life: Life | None = None) -> None:
        """Carries posts to where their answer is lost, and waits until an absence would count."""
        life = self.life_with(PARKED, life)
        self.fork("park", lives.carry, life, [post.target for post in posts], parked=True).wait(CHILD_SECONDS)
        time.sleep(QUIET)

    def stage(self, cells: Sequence[Cell], life: Life | None = None) -> list[Post]:
        """A post for each cell, brought to where its story begins."""
        posts = self.set_up(len(cells), life)
        for cell, post in zip(cells, posts, strict=True):
            if cell.story in SENT_BEFORE:
                self.lose(cell.story, post)
        parked = [post for cell, post in zip(cells, posts, strict=True) if cell.story in {Story.LANDED, Story.LOST}]
        if parked:
            self.park(parked, life)
        for cell, post in zip(cells, posts, strict=True):
            if cell.how in FAULTS:
                self.plan(cell, post)
        return posts

    def plan(self, cell: Cell, post: Post) -> None:
        """The mishap of the cell. Where the platform knows none such, the cell cannot exist."""
        for fault in FAULTS[cell.how]:
            habit = fault["kind"] in {"list_late", "status_late"}
            refused = None if cell.step.nameless else self.sandbox.plan(
                platform=self.kind.platform, account=post.handle, operation=cell.step.name,
                skip=0 if habit else cell.step.number - 1, count=None if habit else 1, **fault,
            )  # fmt: skip
            if refused is not None:
                self.verdicts[cell.number] = Verdict(NO_SUCH, True, refused)
                return

    def watch(self, cell: Cell, post: Post, sign: int) -> Watch:
        """What ends or stops a process at the cell's moment."""
        step = cell.step
        assert cell.when is not None
        end = End(None if step.call else step.name, step.place if step.call else step.number, cell.when, sign)
        return Watch(UUID(post.target), self.sandbox.url, end)

    def wait_for_leases(self) -> None:
        """Until nobody holds one."""
        left: float = self.fork("leases", lives.longest_lease, self.life).wait(CHILD_SECONDS)
        time.sleep(left + 0.05 if left else 0)

    def life_with(self, environment: Mapping[str, str], life: Life | None = None) -> Life:
        """The same life with other settings."""
        life = life or self.life
        return replace(life, environment={**life.environment, **environment})

    def fork(self, name: str, work: Callable[..., Any], *arguments: Any, **named: Any) -> Child:
        """A child that does this."""
        self._children += 1
        return fork(lambda: work(*arguments, **named), self.folder / f"{self._children:04}-{name}")

    def timed(self, name: str, started: float) -> None:
        """Notes how long a part took."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        before, self._at_work = self._at_work, used.ru_utime + used.ru_stime
        self.seconds[name] = (time.monotonic() - started, self._at_work - before)
