"""The process that reads a video: what it may use, what it does not know, and what becomes of us when it breaks."""

import asyncio
import json
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from hayon.errors import Invalid
from hayon.media import videos
from hayon.media.videos import clean_video, measure_video
from tests.media.filming import film, film_large


@pytest.fixture
def given(tmp_path: Path) -> Path:
    path = tmp_path / "given.mp4"
    path.write_bytes(film())
    return path


def other_reader(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Lets another program be started in the place of the reader; it is told the same."""
    monkeypatch.setattr(videos, "_READER", (sys.executable, "-c", code))


def readers() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


async def test_a_video_that_takes_too_long_is_refused_and_nobody_goes_on_reading(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_reader(monkeypatch, "import time; time.sleep(600)")
    monkeypatch.setattr(videos, "LONGEST_LOOK_SECONDS", 0.2)
    with pytest.raises(Invalid, match="takes too long") as caught:
        await clean_video(given, "video/mp4", tmp_path / "clean")
    assert caught.value.problems[0].rule == "too_slow"
    assert readers() == []


async def test_who_goes_away_takes_the_reader_along(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = tmp_path / "begun"
    other_reader(monkeypatch, f"open({str(begun)!r}, 'w').close(); import time; time.sleep(600)")
    task = asyncio.create_task(measure_video(given))
    while not begun.exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    assert len(readers()) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert readers() == []


@pytest.mark.parametrize("signal", ["SIGSEGV", "SIGKILL", "SIGXCPU"])
async def test_a_reader_that_a_video_kills_says_something_of_the_video(
    given: Path, monkeypatch: pytest.MonkeyPatch, signal: str
) -> None:
    other_reader(monkeypatch, f"import os, signal; os.kill(os.getpid(), signal.{signal})")
    with pytest.raises(Invalid, match="breaks what reads it") as caught:
        await measure_video(given)
    assert caught.value.problems[0].rule == "unreadable"


async def test_a_reader_that_does_not_work_here_says_nothing_of_the_video(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError, match="No such file or directory"):
        await clean_video(given, "video/mp4", tmp_path / "no" / "folder" / "clean")
    other_reader(monkeypatch, "import no_such_library")
    with pytest.raises(RuntimeError, match="no_such_library"):
        await measure_video(given)


async def test_the_reader_knows_nothing_of_our_settings(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAYON_SECRET_KEY", "Geheim-4711")
    other_reader(monkeypatch, "import json, os; print(json.dumps({'given': dict(os.environ)}))")
    told = await videos._ask("measure", given)
    assert set(told) - {"LC_CTYPE"} == {"PYTHONPATH"}


async def test_few_are_read_at_a_time(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "room"
    room.mkdir()
    other_reader(
        monkeypatch,
        f"import json, os, pathlib, time; room = pathlib.Path({str(room)!r}); mine = room / str(os.getpid()); mine.touch()\n"
        "time.sleep(0.1); seen = len(list(room.iterdir())); mine.unlink(); print(json.dumps({'given': seen}))",
    )
    seen = await asyncio.gather(*[videos._ask("measure", given) for _ in range(6)])
    assert len(seen) == 6
    assert max(seen) <= 2


CONFINED = "import sys, resource\nfrom pathlib import Path\nfrom hayon.media.inspecting import confine\nconfine(1, Path(sys.argv[1]))\n"


@pytest.mark.parametrize(
    ("code", "code_of_exit", "words"),
    [
        ("import signal; signal.alarm(0)\nwhile True: pass", -9, ""),  # on a busy machine the alarm would be first
        ("bytearray(2_000_000_000)", 1, "MemoryError"),
        ("open(sys.argv[1] + '.big', 'wb').write(bytes(100_000_000))", 1, "File too large"),
        ("[open('/dev/null') for _ in range(100)]", 1, "Too many open files"),
        ("import time; time.sleep(60)", -14, ""),
    ],
)
def test_the_reader_has_limits(given: Path, code: str, code_of_exit: int, words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CONFINED + code, given], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, words in ended.stderr) == (code_of_exit, True), ended.stderr


@pytest.mark.parametrize("how_often", [6, pytest.param(40, marks=pytest.mark.long)])
@pytest.mark.parametrize("form", ["mp4", "mov", "webm"])
async def test_no_damage_does_worse_than_being_refused(tmp_path: Path, form: str, how_often: int) -> None:
    dice = random.Random(form)  # noqa: S311 - damage that can be done again, no secret
    whole = film("webm", video="libvpx-vp9", audio="libopus") if form == "webm" else film(form)
    declared = "video/webm" if form == "webm" else "video/mp4"

    async def spoil(number: int) -> None:
        spoilt = bytearray(whole)
        for _ in range(dice.choice((1, 3, 20))):
            place = dice.randrange(len(spoilt)) if dice.random() < 0.3 else dice.randrange(2500)
            spoilt[place if form == "webm" else -1 - place] = dice.randrange(256)
        path = tmp_path / f"{number}"
        path.write_bytes(spoilt)
        with suppress(Invalid):
            measured = await clean_video(path, declared, tmp_path / f"{number}.clean")
            assert measured.size == (tmp_path / f"{number}.clean").stat().st_size

    await asyncio.gather(*[spoil(number) for number in range(how_often)])


TAKEN_IN = """
import asyncio, json, re, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from hayon.media import LocalFolder, temp_key, thumbnail
from hayon.vault import Vault

async def pieces(path):
    with open(path, "rb") as file:
        while piece := file.read(65536):
            yield piece

async def take_in(path, folder):
    store = LocalFolder(folder, Vault(["a test's own secret key"]))
    now, size = datetime.now(UTC), path.stat().st_size
    grant = await store.upload_grant(UUID(int=7), "video/mp4", size, "https://hayon.example", now)
    await store.receive(grant.url.rsplit("/", 1)[1], pieces(path), "video/mp4", size, now)
    measured = await store.complete(grant.key, "video/mp4")
    handed_out = sum([len(piece) async for piece in store.open_stream(grant.key)])
    await thumbnail(folder / grant.key)
    return measured.size, handed_out, measured.duration_seconds

def ours(word):  # not by getrusage, which counts what this process was before it became this one
    return int(re.search(word + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

before = ours("VmRSS")
size, handed_out, seconds = asyncio.run(take_in(Path(sys.argv[1]), Path(sys.argv[2])))
theirs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps([size, handed_out, seconds, ours("VmHWM") - before, theirs]))
"""


def test_a_large_video_is_taken_in_with_little_memory(tmp_path: Path) -> None:
    """What this process takes more, and all that the reader takes, its libraries included, are under 100 MB together."""
    film_large(tmp_path / "large.mp4", 200_000_000)
    ended = subprocess.run(
        [sys.executable, "-c", TAKEN_IN, tmp_path / "large.mp4", tmp_path / "media"],
        capture_output=True,
        check=True,
        text=True,
    )
    taken, handed_out, seconds, ours, the_readers = json.loads(ended.stdout)
    assert taken == handed_out > 200_000_000
    assert seconds > 5
    assert the_readers > 30_000_000
    assert ours > 0
    assert the_readers + ours < 100_000_000, (ours, the_readers)
