"""What a video really is, a clean copy of it, and a still. Each file is read in a process of its own, which may fail alone."""

import asyncio
import base64
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import hayon
from hayon.errors import NotFound
from hayon.media.contract import Measured, unfit

LONGEST_LOOK_SECONDS = 180
"""A video that takes longer to read is refused. A gigabyte is read, written and put in order in a fraction of it."""
_AT_ONCE = 2
"""Videos read at a time: each takes some 70 MB of memory, and a processor."""
# the same code as ours, whatever stands in the folder we were started in, and nothing else of our environment
_READER = (sys.executable, "-s", "-P", "-m", "hayon.media.inspecting")
_ENVIRONMENT = {"PYTHONPATH": str(Path(hayon.__file__).parents[1])}
_rooms: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def clean_video(source: Path, declared: str, to: Path) -> Measured:
    """Writes the video without place, camera and comment to a new file, its packets as they are, and measures that.

    What it says of itself goes before its pictures, so that it plays while it is fetched; MP4 and QuickTime become MP4,
    WebM stays WebM. One track of pictures is kept and one of sound; how it is to be turned stays. Raises NotFound, or
    Invalid for all but whole videos of the declared type that are open, by themselves and of bearable size.
    """
    return Measured(**await _ask("clean", source, declared, _whole(to)))


async def measure_video(path: Path) -> Measured:
    """Measures a video that was cleaned. Raises NotFound, or Invalid where it cannot be read."""
    return Measured(**await _ask("measure", path))


async def take_still(path: Path) -> bytes:
    """A small JPEG of the first picture that is not black, or of the one at a second. Raises as `measure_video` does."""
    return base64.b64decode(await _ask("still", path))


async def _ask(work: str, source: Path, *rest: str) -> Any:
    if not await asyncio.to_thread(source.exists):
        raise NotFound("There is no such file.")
    room = _rooms.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE))
    async with room:
        reader = await asyncio.create_subprocess_exec(
            *_READER, work, str(LONGEST_LOOK_SECONDS), _whole(source), *rest,
            stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=_ENVIRONMENT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(LONGEST_LOOK_SECONDS):
                told, complaint = await reader.communicate()
        except TimeoutError:
            raise unfit(
                "too_slow", "This video takes too long to read. Export it anew, or shorter, and upload that."
            ) from None
        finally:
            if reader.returncode is None:
                with suppress(ProcessLookupError):
                    reader.kill()
                await reader.wait()
    if reader.returncode is not None and reader.returncode < 0:  # it crashed, or ran into its limits
        raise unfit("unreadable", "This video breaks what reads it. Export it anew as an MP4 and upload that.")
    if reader.returncode != 0:
        if not await asyncio.to_thread(source.exists):  # somebody else completed it, or threw it away, in between
            raise NotFound("There is no such file any more.")
        last = complaint.decode(errors="replace").strip().rsplit("\n", 1)[-1]
        raise RuntimeError(f"The reader of videos does not work here: {last}")
    answer = json.loads(told)
    if "refused" in answer:
        raise unfit(*answer["refused"])
    return answer["given"]


def _whole(path: Path) -> str:
    return str(path.absolute())
