"""What a run plays, drawn from its seed alone: posts and wishes of authors, mishaps of platforms, faults of the house. Data only."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

PLATFORMS = ("bluesky", "threads", "instagram", "facebook", "mastodon", "tumblr")
ACCOUNTS_EACH = 2
"""Of one author on each platform."""
PARTS = ("web-1", "web-2", "relay-1", "relay-2", "worker-1", "worker-2", "worker-3")
LEASE, DEADLINE, SETTLES = 5.0, 2.5, 9.5
"""In seconds. An absence counts DEADLINE + SETTLES after the intent. Late acceptance, late listing and a process that
stood still (the lengths below) fit in it together, as rule 1 wants it."""
STANDS_STILL = LEASE + 1.5
ACCEPTED_LATE = 3.0
LISTED_LATE = 1.0

SHORT = 60.0
"""A run of fewer seconds has few faults."""

PUBLISHING: Mapping[str, str] = {
    "bluesky": "putRecord", "threads": "threads_publish", "instagram": "media_publish", "facebook": "create_post",
    "mastodon": "createStatus", "tumblr": "editPost",
}  # fmt: skip
HABITS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "bluesky": (),
    "threads": ({"kind": "double_on_repeat"}, {"kind": "list_late"}, {"kind": "status_late"}),
    "instagram": ({"kind": "double_on_repeat"}, {"kind": "list_late"}, {"kind": "status_late"}),
    "facebook": ({"kind": "double_on_repeat", "operation": "create_post"}, {"kind": "list_late"}, {"kind": "status_late"}),
    "mastodon": ({"kind": "key_at_start"}, {"kind": "list_late"}),
    "tumblr": ({"kind": "double_on_repeat"}, {"kind": "list_late"}),
}  # fmt: skip
"""How the servers of a platform are all the time: a repeated call makes a second copy wherever there is a way."""
MISHAPS: Sequence[Mapping[str, Any]] = (
    {"kind": "drop_before"},
    {"kind": "accept_then_drop"},
    {"kind": "accept_late", "seconds": ACCEPTED_LATE},
    {"kind": "error_after_accept"},
    {"kind": "refuse", "status": 503},
    {"kind": "refuse", "status": 400},
    {"kind": "delay", "seconds": 1.0},
    {"kind": "delay_answer", "seconds": DEADLINE + 1.5},
    {"kind": "rate_limit", "seconds": 3.0},
    {"kind": "drop_before", "operation": None},
)  # fmt: skip
"""What a call that publishes may meet; the last one: any call."""


class Ask(StrEnum):
    """What an author wants of a post that was handed in."""

    EDIT = "edit"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    CANCEL_ONE = "cancel one"
    REPEAT = "repeat"  # hands the same in once more, under the same key
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Wish:
    """`at` is a moment of the run in seconds, as all here. `words` of an edit; `due` of a new time, None: now."""

    at: float
    ask: Ask
    words: str = ""
    due: float | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """`accounts` are platform and which of the author's accounts there; `due` None: at once."""

    number: int
    author: int
    at: float
    words: str
    accounts: tuple[tuple[str, int], ...]
    due: float | None
    pictured: bool
    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class Mishap:
    """One planned mishap on one account; `skip` so many of its calls pass first."""

    platform: str
    author: int
    account: int
    skip: int
    facts: Mapping[str, Any]


class Kind(StrEnum):
    """What befalls the house."""

    KILL = "killed"
    STOP = "stood still past the lease"
    ASKED = "asked to end"
    WIPE = "wiped"
    CUT = "links cut"
    STILL = "links stood still"


@dataclass(frozen=True, slots=True)
class Fault:
    """`whom`: a part, or a server ("broker", "database"). Of links: those of `whom` ("all": everybody's) to `server`.

    `seconds` is how long it lasts: until it is started again, goes on, or the links flow.
    """

    at: float
    kind: Kind
    whom: str
    seconds: float
    server: str = ""

    @property
    def name(self) -> str:
        """As the tally counts it."""
        return f"{self.server or self.whom.split('-', maxsplit=1)[0]} {self.kind}"


SORTS: Sequence[tuple[Kind, Sequence[str], str]] = (
    (Kind.KILL, ("web-1", "web-2"), ""),
    (Kind.KILL, ("relay-1", "relay-2"), ""),
    (Kind.KILL, ("worker-1", "worker-2", "worker-3"), ""),
    (Kind.KILL, ("broker",), ""),
    (Kind.KILL, ("database",), ""),
    (Kind.STOP, ("web-1", "web-2"), ""),
    (Kind.STOP, ("relay-1", "relay-2"), ""),
    (Kind.STOP, ("worker-1", "worker-2", "worker-3"), ""),
    (Kind.ASKED, ("worker-1", "worker-2", "worker-3"), ""),
    (Kind.CUT, ("all", *PARTS), "database"),
    (Kind.CUT, ("all", *PARTS[2:]), "broker"),
    (Kind.STILL, ("all", *PARTS), "database"),
    (Kind.STILL, ("all", *PARTS[2:]), "broker"),
)
"""What is drawn from, each once before any comes again. The broker's data is wiped once, beside these."""
_BACK_AFTER = {"broker": 8.0, "database": 3.0}
_PART_BACK_AFTER = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run."""

    seed: int
    seconds: float
    authors: int
    posts: tuple[Post, ...]
    mishaps: tuple[Mishap, ...]
    faults: tuple[Fault, ...] = field(default=())


def draw(seed: int, *, posts: int, seconds: float, authors: int) -> Plan:
    """The same for the same arguments, on every machine."""
    dice = {what: Random(f"{what} {seed}") for what in ("posts", "mishaps", "faults")}  # noqa: S311 - no secret
    written = tuple(_draw_posts(dice["posts"], seed, posts, seconds, authors))
    return Plan(
        seed, seconds, authors, written, tuple(_draw_mishaps(dice["mishaps"], written)),
        tuple(_draw_faults(dice["faults"], seconds)),
    )  # fmt: skip


def _draw_posts(rng: Random, seed: int, count: int, seconds: float, authors: int) -> Iterator[Post]:
    moments = sorted(rng.uniform(0, seconds * 0.9) for _ in range(count))
    before: dict[int, Post] = {}
    for number, at in enumerate(moments):
        author = rng.randrange(authors)
        words = f"Post {number} of run {seed}, as it was written first"
        wanted = rng.sample(PLATFORMS, rng.choices((1, 2, 3, 6), (6, 4, 1, 1))[0])
        accounts = tuple((platform, rng.randrange(ACCOUNTS_EACH)) for platform in wanted)
        due = rng.uniform(at, seconds) if rng.random() < 0.35 else None
        pictured = rng.random() < 0.05
        twin = before.get(author)
        if twin is not None and rng.random() < 0.03:
            words, accounts = twin.words, twin.accounts  # the same words on the same accounts, soon after
        wishes = tuple(sorted(_draw_wishes(rng, seed, number, at, due, seconds), key=lambda wish: wish.at))
        before[author] = Post(number, author, at, words, accounts, due, pictured, wishes)
        yield before[author]


def _draw_wishes(rng: Random, seed: int, number: int, at: float, due: float | None, seconds: float) -> Iterator[Wish]:
    """Mostly before it is due; some race with the delivery."""
    last = min(seconds, (due if due is not None else at) + 0.7)
    for place in range(rng.choices((0, 1, 2), (55, 33, 12))[0]):
        moment = rng.uniform(at, last)
        match rng.choices(("edit", "reschedule", "cancel", "cancel one", "repeat", "look"), (30, 15, 12, 8, 15, 20))[0]:
            case "edit":
                yield Wish(moment, Ask.EDIT, f"Post {number} of run {seed}, written anew ({place + 1})")
            case "reschedule":
                later = None if rng.random() < 0.3 else min(seconds, moment + rng.uniform(0, seconds / 4))
                yield Wish(moment, Ask.RESCHEDULE, due=later)
            case other:
                yield Wish(moment, Ask(other))


def _draw_mishaps(rng: Random, posts: Sequence[Post]) -> Iterator[Mishap]:
    """For about one call of six that publishes, each kind as often as the others on each platform."""
    calls = Counter((platform, post.author, account) for post in posts for platform, account in post.accounts)
    turns = {platform: rng.randrange(len(MISHAPS)) for platform in PLATFORMS}
    for (platform, author, account), expected in sorted(calls.items()):
        for skip in range(expected):
            if rng.random() < 1 / 6:
                facts = MISHAPS[turns[platform] % len(MISHAPS)]
                turns[platform] += 1
                yield Mishap(platform, author, account, skip, {"operation": PUBLISHING[platform], **facts})


def _draw_faults(rng: Random, seconds: float) -> Iterator[Fault]:
    """Every two to four seconds one; in a short run each sort once, and the broker ends only to be wiped, for its start
    takes long. Nothing befalls what is still getting up."""
    free: defaultdict[str, float] = defaultdict(float)
    short = seconds < SHORT
    every = [sort for sort in SORTS if not short or sort[1] != ("broker",)]
    sorts = rng.sample(every, len(every))
    wipe_at: float | None = seconds * rng.uniform(0.2, 0.45)
    at = rng.uniform(0.5, 1.5)
    while (sorts or wipe_at is not None) if short else at < seconds:
        if wipe_at is not None and at >= wipe_at and free["broker"] <= at:
            wipe_at = None
            free["broker"] = at + _BACK_AFTER["broker"]
            yield Fault(at, Kind.WIPE, "broker", rng.uniform(0, 1.5))
        else:
            drawn = next(((sort, whom) for sort in sorts if (whom := _free_one(rng, sort, free, at))), None)
            if drawn is not None:
                sort, whom = drawn
                sorts.remove(sort)
                yield _fault(rng, at, sort, whom, free)
            if not sorts and not short:
                sorts = rng.sample(every, len(every))
        at += seconds / (len(every) + 2) if short else rng.uniform(2, 4)


def _free_one(
    rng: Random, sort: tuple[Kind, Sequence[str], str], free: defaultdict[str, float], at: float
) -> str | None:
    """Of those it can befall, one that is well."""
    _, whom, server = sort
    if server and free[server] > at:
        return None
    well = [one for one in whom if all(free[name] <= at for name in _names(one, whom, server))]
    return rng.choice(well) if well else None


def _names(one: str, whom: Sequence[str], server: str) -> list[str]:
    """Under which it is noted when something is well again: a link under its end and its server."""
    ends = [end for end in whom if end != "all"] if one == "all" else [one]
    return [f"{server} {end}" if server else end for end in ends]


def _fault(
    rng: Random, at: float, sort: tuple[Kind, Sequence[str], str], whom: str, free: defaultdict[str, float]
) -> Fault:
    kind, every, server = sort
    match kind:
        case Kind.STOP:
            seconds = STANDS_STILL
        case Kind.STILL:
            seconds = rng.uniform(2, 6)
        case Kind.CUT:
            seconds = rng.choice((0.0, rng.uniform(1, 4)))  # cut once, or nobody can connect meanwhile
        case _:
            seconds = rng.uniform(0, 2)
    back = _BACK_AFTER.get(whom, _PART_BACK_AFTER) if kind in {Kind.KILL, Kind.ASKED} else 1.0
    for name in _names(whom, every, server):
        free[name] = at + seconds + back
    return Fault(at, kind, whom, seconds, server)
