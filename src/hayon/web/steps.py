"""The first steps of somebody new: register, connect an account, publish something. What is left of them, and nothing else."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from hayon.settings import Settings
from hayon.store import accounts as account_rows
from hayon.store import posts as post_rows
from hayon.web.auth import Caller
from hayon.web.desk import Desk


class Stand(StrEnum):
    """How far a step is."""

    DONE = "done"
    NEXT = "next"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is, what it takes, and where it is taken."""

    title: str
    words: str
    address: str
    button: str
    stand: Stand


def steps_of(accounts_count: int, posts_count: int, *, simulated: bool = False) -> list[Step] | None:
    """The three steps of somebody who registered and has so many accounts and handed-in posts; None once all are done."""
    if accounts_count and posts_count:
        return None
    where = SIMULATED if simulated else REAL
    connected = Stand.DONE if accounts_count else Stand.NEXT
    posted = Stand.DONE if posts_count else Stand.NEXT if accounts_count else Stand.LATER
    return [
        Step("Register", "You are in, and so is everything you need.", "/settings", "Your settings", Stand.DONE),
        Step("Connect an account", where, "/accounts", "Connect one now", connected),
        Step("Write your first post", FIRST_POST, "/compose", "Write it now", posted),
    ]


async def find_steps(desk: Desk, me: Caller) -> list[Step] | None:
    """The first steps of this person, None once they are done."""
    counts = await desk.hayon.database.read(
        lambda tx: (account_rows.count_connected(tx, me.person.id), int(post_rows.has_handed_in(tx, me.person.id)))
    )
    return steps_of(*counts, simulated=is_simulated(desk.hayon.settings))


def is_simulated(settings: Settings) -> bool:
    """Whether one server plays all platforms: the sandbox. No two real ones live at the same address."""
    played = (settings.bluesky_url, settings.mastodon_url, settings.threads_url, settings.instagram_url,
              settings.facebook_url, settings.tumblr_url)  # fmt: skip
    return len({urlsplit(address)[:2] for address in played}) == 1


REAL = (
    "Bluesky and Mastodon need nothing but your account there. The others want an app that whoever runs this Hayon "
    "has registered with them."
)
SIMULATED = "The platforms here are simulated: any of them will do, and no post leaves this machine."
FIRST_POST = "Publish it now, or choose a time. You see what becomes of it on every account."
