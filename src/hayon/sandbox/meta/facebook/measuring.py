"""What Facebook looks at in a video that has arrived: whether it is one, how large, how long, how many frames.

Its index may stand at its end. Nothing is decoded, and only the index is read.
"""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from hayon.sandbox.meta.facebook.limits import FacebookLimits
from hayon.sandbox.meta.videos import CODECS, INDEX_BYTES, index_of
from hayon.sandbox.sniffing import Clip, clip_of


@dataclass(frozen=True, slots=True)
class Measured:
    """A whole file. `flaw` says in Facebook's words why it cannot be published as what it is meant for."""

    digest: str
    size: int
    width: int
    height: int
    seconds: float
    flaw: str | None


def measured(path: Path, purpose: str, limits: FacebookLimits) -> Measured:
    """Read the file at `path`, which was uploaded as a `reel`, a `video` or a `video_story`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    clip, index = _clip(path), index_of(path)
    if clip is None or index is None or index.codec not in CODECS:
        return Measured(digest, size, 0, 0, 0.0, "The video file you selected is in a format that we don't support.")
    flaw = _flaw(clip, index.frames_per_second, purpose, limits)
    return Measured(digest, size, clip.width, clip.height, clip.seconds, flaw)


def _flaw(clip: Clip, frames: float, purpose: str, limits: FacebookLimits) -> str | None:
    if purpose == "video":
        return "Video is too long." if clip.seconds > limits.video_longest else None
    story = purpose == "video_story"
    shortest = limits.story_shortest if story else limits.reel_shortest
    longest = limits.story_longest if story else limits.reel_longest
    if clip.width < limits.narrowest or clip.height < limits.lowest:
        return f"Resolution too low. Video must have a minimum resolution of {limits.narrowest}p."
    # a length is told in whole frames: three seconds may come out as a little less
    if clip.seconds < shortest - 0.05:
        return f"Video is too short. Video must be at least {shortest:g} seconds."
    if clip.seconds > longest + 0.05:
        return f"Video is too long. Video must be at most {longest:g} seconds."
    if not limits.fewest_frames - 0.5 <= frames <= limits.most_frames + 0.5:
        return f"Frame rate must be between {limits.fewest_frames:g} and {limits.most_frames:g} frames per second."
    return None


def _clip(path: Path) -> Clip | None:
    """The measures in the index; None if there is none, or a box reaches over the end of the file."""
    found = None
    with path.open("rb") as file:
        end, place = path.stat().st_size, 0
        while place + 8 <= end:
            file.seek(place)
            size, kind = struct.unpack(">I4s", file.read(8))
            head = 8
            if size == 1:
                size, head = int.from_bytes(file.read(8), "big"), 16
            elif size == 0:
                size = end - place
            if size < head or place + size > end:
                return None
            if kind == b"moov" and size < INDEX_BYTES:
                file.seek(place)
                found = clip_of(file.read(size))
            place += size
    return found
