"""Plays one group of the matrix: writes deliveries down, kills, stops, plays mishaps, carries on, and has all of it judged."""

import shutil
import signal
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from tests.matrix import lives
from tests.matrix.forks import Child, ChildFailedError
from tests.matrix.group import (
    AT_ONCE,
    CHILD_SECONDS,
    FAULTS,
    GOES,
    LEASE,
    PARKED,
    SETTINGS,
    STAGED,
    Ground,
    Group,
    Post,
)
from tests.matrix.judging import Verdict, judge
from tests.matrix.kinds import STAGES, Kind
from tests.matrix.lives import Life
from tests.matrix.places import Sandbox
from tests.matrix.points import Cell, How, Story, When, cells_of, choose_few
from tests.matrix.watching import End, Watch


def play(kind: Kind, ground: Ground) -> dict[str, Any]:
    """Plays a group. What became of every cell, as JSON."""
    folder = ground.folder / f"{kind.platform}-{kind.name}-{ground.databases.kind}".replace(" ", "-")
    folder.mkdir()
    began = time.time()
    sandbox = Sandbox.start(folder, began)
    url = ground.databases.make(folder)
    theirs = {name: value.replace("{sandbox}", sandbox.url) for name, value in STAGES[kind.platform].settings.items()}
    environment = SETTINGS | theirs | dict(kind.settings) | {
        "HAYON_DATA_DIR": str(folder), "HAYON_DATABASE_URL": url, "HAYON_MEDIA_URL": f"file://{ground.media}",
        "HAYON_PUBLIC_URL": ground.files_url,
    }  # fmt: skip
    group = Group(kind, ground, folder, sandbox, Life(environment, sandbox.url, began, ground.without))
    started = time.monotonic()
    try:
        cells = _write_down(group)
        posts = _stage_all(group, cells)
        _kill_all(group, cells, posts)
        _stop_all(group, cells, posts)
        _finish(group, cells, posts)
        return _told(group, cells, posts, time.monotonic() - started)
    finally:
        sandbox.stop()
        ground.databases.drop(url)


def _write_down(group: Group) -> list[Cell]:
    """One delivery of each story, and the cells that follow from them."""
    started = time.monotonic()
    plain, landed, lost = group.set_up(3)
    group.punish_repeats()
    plainly = group.record(plain)
    group.publishing = next(step for step in plainly if step.publishing)
    group.lose(Story.LANDED, landed)
    sent = group.record(landed, **PARKED)
    group.lose(Story.LOST, lost)
    group.park([lost])
    cells = cells_of(plainly, sent, group.record(landed), group.record(lost))
    group.timed("recording", started)
    return choose_few(cells) if group.ground.few else cells


def _stage_all(group: Group, cells: list[Cell]) -> dict[int, Post]:
    """A post for every cell, brought to where its story begins."""
    started = time.monotonic()
    posts = dict(zip([cell.number for cell in cells], group.stage(cells), strict=True))
    if group.ground.databases.postgres is None:
        shutil.copyfile(group.folder / "hayon.db", group.folder / STAGED)
    group.timed("setting the stage", started)
    return posts


def _kill_all(group: Group, cells: list[Cell], posts: dict[int, Post]) -> None:
    """One worker after the other dies, each over a target of its own; nobody takes back what they held."""
    started = time.monotonic()
    for cell in cells:
        if cell.how is How.KILLED and cell.story is not Story.LEASE:
            for child in _tries(group, cell, posts, signal.SIGKILL):
                if child.wait_until_killed(CHILD_SECONDS):
                    break
    _kill_sweeps(group, [cell for cell in cells if cell.story is Story.LEASE], posts)
    group.timed("killing", started)


def _tries(group: Group, cell: Cell, posts: dict[int, Post], sign: int) -> Iterator[Child]:
    """A child that is to end at the cell's point; where its delivery never came there, another with another post."""
    for _ in range(GOES):
        post = posts[cell.number]
        child = group.fork(
            "ended", lives.carry, group.life, [post.target], group.watch(cell, post, sign), sweeping=False
        )
        yield child
        (posts[cell.number],) = group.stage([cell])
    raise ChildFailedError(f"{cell}: the delivery never came there:\n{child.words()}")


def _kill_sweeps(group: Group, cells: list[Cell], posts: dict[int, Post]) -> None:
    """Workers die right after the publishing call; then those that take back what they held die over that."""
    if not cells:
        return
    for cell in cells:
        post = posts[cell.number]
        end = End(None, group.publishing.place, When.AFTER)
        watch = Watch(UUID(post.target), group.sandbox.url, end)
        child = group.fork("killed", lives.carry, group.life, [post.target], watch, sweeping=False)
        if not child.wait_until_killed(CHILD_SECONDS):
            raise ChildFailedError(f"{cell}: nothing was published:\n{child.words()}")
    group.wait_for_leases()
    for cell in cells:
        post = posts[cell.number]
        child = group.fork("sweeper", lives.carry, group.life, [post.target], group.watch(cell, post, signal.SIGKILL))
        if not child.wait_until_killed(CHILD_SECONDS):
            raise ChildFailedError(f"{cell}: the sweep never came there:\n{child.words()}")


def _stop_all(group: Group, cells: list[Cell], posts: dict[int, Post]) -> None:
    """Processes stand still with their leases until these are over, and go on then."""
    started = time.monotonic()
    stopped = [cell for cell in cells if cell.how is How.STOPPED]
    for place in range(0, len(stopped), AT_ONCE):
        batch = stopped[place : place + AT_ONCE]
        if group.ground.databases.postgres is None:
            _stop_alone(group, batch, posts)
        else:
            _stop_among_others(group, batch, posts)
    group.timed("stopping", started)


def _stop_among_others(group: Group, cells: list[Cell], posts: dict[int, Post]) -> None:
    """Another process takes over meanwhile; then those that stood still write what they have to write."""
    children = []
    for cell in cells:
        for child in _tries(group, cell, posts, signal.SIGSTOP):
            if child.wait_until_stopped(CHILD_SECONDS):
                children.append(child)
                break
    group.wait_for_leases()
    group.fork("successor", lives.carry, group.life, [posts[cell.number].target for cell in cells]).wait(CHILD_SECONDS)
    for child in children:
        child.go_on()
    for child in children:
        child.wait(CHILD_SECONDS)


def _stop_alone(group: Group, cells: list[Cell], posts: dict[int, Post]) -> None:
    """SQLite belongs to one process: each has a copy of the database, and finds by itself that its lease is over."""
    children = [(cell, _stop_on_a_copy(group, cell, posts)) for cell in cells]
    time.sleep(LEASE)
    for _, child in children:
        child.go_on()
    for cell, child in children:
        (group.standing[cell.number],) = child.wait(CHILD_SECONDS)["told"]


def _stop_on_a_copy(group: Group, cell: Cell, posts: dict[int, Post]) -> Child:
    for go in range(GOES):
        folder = group.folder / f"alone-{cell.number}-{go}"
        folder.mkdir()
        shutil.copyfile(group.folder / STAGED, folder / "hayon.db")
        life = group.life_with(
            {"HAYON_DATA_DIR": str(folder), "HAYON_DATABASE_URL": f"sqlite:///{folder / 'hayon.db'}"}
        )
        if go:
            (posts[cell.number],) = group.stage([cell], life)
        watch = group.watch(cell, posts[cell.number], signal.SIGSTOP)
        child = group.fork("stopped", lives.carry, life, [posts[cell.number].target], watch)
        if child.wait_until_stopped(CHILD_SECONDS):
            return child
    raise ChildFailedError(f"{cell}: the delivery never came there:\n{child.words()}")


def _finish(group: Group, cells: list[Cell], posts: dict[int, Post]) -> None:
    """What is left is carried on by a healthy process until all is at rest."""
    started = time.monotonic()
    group.wait_for_leases()
    rest = [cell for cell in cells if cell.number not in group.standing and cell.number not in group.verdicts]
    crowd = [posts[cell.number].target for cell in rest if not cell.step.nameless or cell.how not in FAULTS]
    group.fork("finish", lives.carry, group.life, crowd).wait(CHILD_SECONDS)
    for cell in rest:
        if cell.step.nameless and cell.how in FAULTS:
            _play_nameless(group, cell, posts[cell.number])
    told = group.fork("look", lives.look, group.life, [posts[cell.number].target for cell in rest]).wait(CHILD_SECONDS)
    group.standing |= {cell.number: one for cell, one in zip(rest, told, strict=True)}
    group.timed("finishing", started)


def _play_nameless(group: Group, cell: Cell, post: Post) -> None:
    """A call that the platform cannot tell from others': it meets its mishap while nobody else is about."""
    group.sandbox.clear_faults()
    group.punish_repeats()
    for fault in FAULTS[cell.how]:
        group.sandbox.plan(platform=group.kind.platform, operation=cell.step.name, **fault)
    group.fork("nameless", lives.carry, group.life, [post.target]).wait(CHILD_SECONDS)


def _told(group: Group, cells: list[Cell], posts: dict[int, Post], seconds: float) -> dict[str, Any]:
    ledger = group.sandbox.ledger(group.kind.platform)
    words = lives.words_of(group.kind, f"{group.ground.files_url}/page")
    told = []
    for cell in cells:
        verdict = group.verdicts.get(cell.number)
        if verdict is None:
            verdict = judge(
                group.standing[cell.number], posts[cell.number].remote, words, len(group.kind.files), ledger
            )
        places = [(cell.step, cell.when), *([(cell.also, When.BEFORE)] if cell.also else [])]
        why = _why(group, cell, verdict, posts[cell.number])
        told += [
            {"story": cell.story, "step": str(step), "how": cell.how, "when": when, "sign": verdict.sign,
             "right": verdict.right, "why": why}
            for step, when in places
        ]  # fmt: skip
    return {"platform": group.kind.platform, "kind": group.kind.name, "database": group.ground.databases.kind,
            "cells": told, "played": len(cells), "seconds": seconds, "parts": group.seconds}  # fmt: skip


def _why(group: Group, cell: Cell, verdict: Verdict, post: Post) -> str:
    """The whole story of a cell that is wrong: its tries, the ledger, and what was said of it."""
    if verdict.right:
        return verdict.why
    told = group.standing[cell.number]
    lines = [f"{cell}: {verdict.why}", *(f"  try {line}" for line in told["tries"])]
    lines += [
        f"  ledger {entry.operation} {entry.remote_id} at {entry.at}{' (repeat)' if entry.repeat else ''}"
        for entry in group.sandbox.ledger(group.kind.platform) if entry.account == post.remote
    ]  # fmt: skip
    for log in sorted(group.folder.glob("*.log")):
        said = [line for line in log.read_text(errors="replace").splitlines() if told["target"] in line]
        lines += [f"  {log.stem}: {line}" for line in said]
    return "\n".join(lines)
