"""A database that is older than its files know it publishes nothing; what cannot be told is not taken for that."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from hayon.delivery.agreement import Agreement, Note
from hayon.errors import Misconfigured, Unavailable
from hayon.media import LocalFolder
from hayon.store.generation import note_restored, raise_generation, read_generation
from hayon.vault import Vault
from tests.delivery.scripted import START, House

QUICK = timedelta(milliseconds=20)


class Folder(LocalFolder):
    """A media store that can be out of reach."""

    folder: Path
    out_of_reach = False
    written = 0

    async def read_note(self) -> str | None:
        if self.out_of_reach:
            raise Unavailable("no such host")
        return await super().read_note()

    async def write_note(self, words: str) -> None:
        if self.out_of_reach:
            raise Unavailable("no such host")
        self.written += 1
        await super().write_note(words)


@pytest.fixture
def files(tmp_path: Path) -> Folder:
    store = Folder(tmp_path / "media", Vault(["a test's own secret key, long enough"]))
    store.folder = tmp_path / "media"
    return store


@pytest.fixture
async def kept(house: House, files: Folder) -> AsyncIterator[Agreement]:
    """An agreement whose duty runs."""
    agreement = Agreement(house.database, files, every=QUICK)
    house.clock.forward(1_000_000)  # later than the migration
    duty = asyncio.create_task(agreement.keep())
    yield agreement
    duty.cancel()
    await asyncio.gather(duty, return_exceptions=True)


async def number(house: House) -> int:
    return (await house.database.read(read_generation)).number


async def begun(agreement: Agreement) -> bool:
    """Whether a duty is let in soon."""
    let_in = asyncio.Event()

    async def duty() -> None:
        let_in.set()

    task = asyncio.create_task(agreement.first(duty()))
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return let_in.is_set()


async def test_the_first_start_notes_it_and_lets_the_duties_begin(house: House, files: Folder, kept: Agreement) -> None:
    assert await begun(kept)
    noted = await kept.find_note()
    assert noted is not None
    assert noted.number == await number(house) > 0


async def test_it_is_raised_at_each_start_and_again_and_again(house: House, files: Folder, kept: Agreement) -> None:
    assert await begun(kept)
    before = await number(house)
    for _ in range(200):
        house.clock.forward(60)
        await asyncio.sleep(0.02)
        if await number(house) >= before + 3:
            break
    assert await number(house) >= before + 3
    another = Agreement(house.database, files)
    at_start = await number(house)
    await another.raise_both()
    assert await number(house) > at_start


async def test_of_several_processes_one_raises_it(house: House, files: Folder) -> None:
    house.clock.forward(1_000_000)
    both = [Agreement(house.database, files) for _ in range(2)]
    for one in both:
        await one.raise_both(older_than=timedelta(seconds=30))
    assert files.written == 1


async def test_an_older_database_is_refused_with_what_to_do(house: House, files: Folder) -> None:
    agreement = Agreement(house.database, files)
    ours = await house.database.read(read_generation)
    await files.write_note(Note(ours.house, ours.number + 1).written())
    for ask in (agreement.ask, agreement.ask_at_start, agreement.keep):
        with pytest.raises(Misconfigured, match="hayon restored --backup-time"):
            await ask()
    assert await number(house) == ours.number
    assert not await begun(agreement)


async def test_a_newer_database_and_the_same_are_taken(house: House, files: Folder) -> None:
    agreement = Agreement(house.database, files)
    ours = await house.database.read(read_generation)
    await files.write_note(Note(ours.house, ours.number).written())
    await agreement.ask()
    house.clock.forward(1_000_000)
    await house.database.write(raise_generation)  # killed before it could be noted
    await agreement.ask()


async def test_anothers_note_is_refused_but_to_a_database_that_is_empty(house: House, files: Folder) -> None:
    await files.write_note(Note(uuid4(), 7).written())
    agreement = Agreement(house.database, files)
    await agreement.ask()
    await house.connect("ann")
    await house.submit()
    with pytest.raises(Misconfigured, match="another database's"):
        await agreement.ask()


async def test_a_note_that_is_gone_is_missed_but_not_one_that_never_was(house: House, files: Folder) -> None:
    """A database restored on a new machine has no note beside it; one that was just brought to this shape has none either."""
    agreement = Agreement(house.database, files)
    house.clock.forward(1_000_000)
    await house.connect("ann")
    await house.submit()
    await agreement.ask()
    files.out_of_reach = True
    with pytest.raises(Unavailable):
        await agreement.raise_both()  # raised, and killed before it was noted, say
    files.out_of_reach = False
    await agreement.ask()
    await agreement.raise_both()
    await agreement.ask()
    (files.folder / "generation").unlink()
    with pytest.raises(Misconfigured, match="no longer beside the media"):
        await agreement.ask()


@pytest.mark.parametrize("words", ["", "17", "hayon 17", "hayon not-a-house 3", "\x00" * 50])
async def test_a_note_that_is_none_is_refused(house: House, files: Folder, words: str) -> None:
    await files.write_note(words)
    agreement = Agreement(house.database, files)
    with pytest.raises(Misconfigured, match="`generation`"):
        await agreement.ask()
    assert await agreement.find_note() is None


async def test_files_out_of_reach_are_no_disagreement_and_nothing_begins_before_they_are_back(
    house: House, files: Folder
) -> None:
    files.out_of_reach = True
    agreement = Agreement(house.database, files, every=QUICK)
    await agreement.ask_at_start()  # the house opens: pages are shown, posts are taken
    duty = asyncio.create_task(agreement.keep())
    try:
        assert not await begun(agreement)
        assert not duty.done()
        files.out_of_reach = False
        await asyncio.wait_for(agreement.first(asyncio.sleep(0)), 10)
        files.out_of_reach = True  # once they have agreed, what is going on goes on
        await asyncio.sleep(0.1)
        assert not duty.done()
        assert await begun(agreement)
    finally:
        duty.cancel()
        await asyncio.gather(duty, return_exceptions=True)


async def test_a_database_that_is_replaced_under_a_running_process_ends_it(house: House, files: Folder) -> None:
    agreement = Agreement(house.database, files, every=QUICK)
    house.clock.forward(1_000_000)
    duty = asyncio.create_task(agreement.keep())
    try:
        assert await begun(agreement)
        ours = await house.database.read(read_generation)
        await files.write_note(Note(ours.house, ours.number + 1000).written())
        with pytest.raises(Misconfigured, match="restored"):
            await asyncio.wait_for(duty, 10)
    finally:
        duty.cancel()
        await asyncio.gather(duty, return_exceptions=True)


async def test_whoever_still_waits_is_let_go_when_it_is_time_to_stop(house: House, files: Folder) -> None:
    agreement = Agreement(house.database, files)
    waiting = asyncio.create_task(agreement.first(asyncio.sleep(0)))
    await asyncio.sleep(0)
    agreement.let_go()
    await asyncio.wait_for(waiting, 5)


async def test_after_the_command_the_number_is_beyond_both(house: House) -> None:
    ours = await house.database.read(read_generation)
    noted = await house.database.write(note_restored, START, 41, house.clock.now)
    assert (noted.number, noted.house, noted.backup_time) == (42, ours.house, START)
    again = await house.database.write(note_restored, START, 3, house.clock.now)
    assert again.number == 43
