"""A process of its own that reads one video, started for it by `videos`: measures it, copies it clean, takes a still out of it.

The libraries that read videos are large, written in C, and fed by strangers. What goes wrong in here (a crash, a loop,
all memory eaten, a reader taken over) ends with this process, which has limits on time, memory and what it may write,
and none of our secrets in its environment. It answers with one line of JSON.
"""

import base64
import errno
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar, cast

import av
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageStat

from hayon.errors import Invalid
from hayon.media.boxes import broken_off, check_film, check_webm, elsewhere
from hayon.media.contract import TAKEN, Measured, unfit
from hayon.media.sniffing import SNIFFED, guess, sniff

LONGEST_SIDE = 8192
LONGEST_SECONDS = 3600
MOST_FRAMES_A_SECOND = 120
THUMBNAIL_SIDE = 320
_MEMORY = 1_500_000_000
"""Of address space: the libraries take 200 MB of it, the pictures of the largest film that is taken most of the rest."""
_DARK = 16
"""Of 255. A picture darker than that on average says nothing."""
_VIDEO = frozenset(("h264", "hevc", "av1", "vp9", "vp8", "mpeg4"))
_AUDIO = frozenset(
    ("aac", "mp3", "opus", "vorbis", "ac3", "eac3", "alac", "flac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be")
)
_READERS = {
    # FFmpeg's demuxer for each type, and what the clean copy is
    "video/mp4": ("mov", "mp4", "video/mp4"),
    "video/quicktime": ("mov", "mp4", "video/mp4"),
    "video/webm": ("matroska", "webm", "video/webm"),
}
_READING = {
    # so that nothing but what we take is ever decoded, and no picture is made room for that is not taken
    "codec_whitelist": ",".join((*_VIDEO, *_AUDIO, "libdav1d", "mp3float", "libopus")),
    "protocol_whitelist": "file",
    "max_pixels": str(LONGEST_SIDE * LONGEST_SIDE),
    "max_streams": "64",
}
_WRITING = {
    # bitexact: no name of the writer, no time of writing; the last: how long packets of one track wait for another's
    "mp4": {"movflags": "+faststart", "fflags": "+bitexact", "max_interleave_delta": "1000000"},
    "webm": {"fflags": "+bitexact", "max_interleave_delta": "1000000"},
}
_OURS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOENT, errno.EMFILE, errno.ENFILE))
"""Errors that say something of this machine and not of the file."""
Track = TypeVar("Track", bound=Stream)


def main(arguments: list[str]) -> None:
    """`clean SECONDS FILE TYPE TO`, `measure SECONDS FILE` or `still SECONDS FILE`."""
    work, seconds, *rest = arguments
    confine(int(seconds), Path(rest[0]))
    print(json.dumps(answer(lambda: _WORKS[work](*rest))))  # noqa: T201 - the answer


def confine(seconds: int, file: Path) -> None:
    """Bounds what this process may use: seconds of time, memory, and no more writing than a copy of the file takes."""
    written = file.stat().st_size + 64_000_000
    for kind, most in (
        (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_FSIZE, written),
        (resource.RLIMIT_NOFILE, 64), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        resource.setrlimit(kind, (most, most))
    signal.alarm(2 * seconds)  # whoever started this should have ended it by then, but may be gone
    os.nice(5)  # posts go out first


def answer(work: Callable[[], object]) -> dict[str, Any]:
    """What the work gives, or why this file is refused. Whatever a reader says of the file becomes a refusal."""
    try:
        return {"given": work()}
    except Invalid as error:
        problem = error.problems[0]
    except MemoryError:
        problem = _too_heavy().problems[0]
    except (av.FFmpegError, ValueError, ArithmeticError, EOFError) as error:
        number = getattr(error, "errno", None)
        if number in _OURS:
            raise
        problem = (_too_heavy() if number == errno.ENOMEM else _damaged()).problems[0]
    return {"refused": [problem.rule, problem.message]}


def clean(source: str, declared: str, to: str) -> dict[str, Any]:
    """Writes a clean copy, every packet as it was, and measures that."""
    with open_video(Path(source), declared) as film:
        form = _READERS[film.kind][1]
        with av.open(to, "w", format=form, container_options=_WRITING[form]) as copy:
            _copy(film, copy)
    measured = measure(to)
    if not measured["duration_seconds"]:
        raise _no_time()
    if measured["frame_rate"] > MOST_FRAMES_A_SECOND:
        raise _too_fast()
    return measured


def measure(source: str) -> dict[str, Any]:
    """What a file that was cleaned is. Decodes its first picture."""
    with open_video(Path(source)) as film:
        video, audio = _tracks(film)
        frame = next(_decoded(film, video), None)
        if frame is None:
            raise _no_pictures()
        width, height = _shown_size(video, frame)
        measured = Measured(
            _READERS[film.kind][2], film.size, width, height,
            duration_seconds=round((film.container.duration or 0) / av.time_base, 3), video_codec=_codec(video),
            audio_codec=_codec(audio) if audio else None, frame_rate=round(float(video.average_rate or 0), 3),
        )  # fmt: skip
    return asdict(measured)


def still(source: str) -> str:
    """The first picture that is not black, or the one at a second: a small JPEG, in base64."""
    with open_video(Path(source)) as film:
        video, _ = _tracks(film)
        best: Image.Image | None = None
        for frame in _decoded(film, video):
            best = _drawn(video, frame)
            if ImageStat.Stat(best.convert("L")).mean[0] >= _DARK or (frame.time or 0) >= 1:
                break
        if best is None:
            raise _no_pictures()
        written = BytesIO()
        best.save(written, "JPEG", quality=80, optimize=True)
    return base64.b64encode(written.getvalue()).decode()


@dataclass(frozen=True, slots=True)
class Film:
    """An opened video: what it was sniffed to be, and its size in bytes."""

    container: InputContainer
    kind: str
    size: int


@contextmanager
def open_video(path: Path, declared: str | None = None) -> Iterator[Film]:
    """Opens a file as what it begins like, once, and never another. Raises Invalid where it is not as declared, or not whole."""
    with path.open("rb") as file:
        start = file.read(SNIFFED)
        kind = sniff(start)
        if kind not in _READERS:
            raise unfit("kind", f"This is {guess(start)}. {TAKEN}")
        reader = _READERS[kind][0]
        if declared is not None and _READERS.get(declared, ("",))[0] != reader:
            raise unfit("kind", f"This was announced as {declared}, but is {kind}. Upload it as what it is.")
        (check_webm if reader == "matroska" else check_film)(file)
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        with av.open(
            file, "r", format=reader, options=_READING, metadata_errors="replace", buffer_size=262_144,
            io_open=_open_nothing,
        ) as container:  # fmt: skip
            # a reader that waits for times that never come would hold the whole file
            container.flags &= ~cast("int", av.container.Flags.gen_pts.value)
            yield Film(container, kind, size)


def _open_nothing(*_: object) -> None:
    raise elsewhere()


def _tracks(film: Film) -> tuple[VideoStream, AudioStream | None]:
    """The film and its sound: of several, those that are played unless somebody chooses. Raises Invalid."""
    stills = Disposition.attached_pic | Disposition.timed_thumbnails
    videos = [one for one in film.container.streams.video if not one.disposition & stills]
    sounds = list(film.container.streams.audio)
    if not videos:
        raise unfit("no_video", "There are no moving pictures in this file. Upload a video, or a picture.")
    video = _played([one for one in videos if _codec(one) in _VIDEO])
    audio = _played([one for one in sounds if _codec(one) in _AUDIO])
    if video is None:
        raise _other_codec("pictures", videos[0])
    if audio is None and sounds:
        raise _other_codec("sound", sounds[0])
    if max(video.width, video.height) > LONGEST_SIDE:
        raise unfit(
            "too_many_pixels",
            f"A video may have sides of {LONGEST_SIDE:,} pixels, not {video.width:,} by {video.height:,}.",
        )
    return video, audio


def _played(tracks: list[Track]) -> Track | None:
    return next((one for one in tracks if one.disposition & Disposition.default), tracks[0] if tracks else None)


def _codec(track: Stream) -> str:
    context = cast("CodecContext | None", track.codec_context)
    return "of an unknown kind" if context is None else context.codec.canonical_name


def _copy(film: Film, copy: OutputContainer) -> None:
    """Copies the packets, in the order they are read; refuses a film that gives fewer, or more, than it said."""
    video, audio = _tracks(film)
    kept: dict[int, Stream] = {one.index: one for one in (video, audio) if one is not None}
    to = {index: _add(copy, track) for index, track in kept.items()}
    counted, taken = dict.fromkeys(kept, 0), 0
    last: dict[int, int] = {}
    earliest = latest = None
    if video.frames and not film.container.duration:
        raise _no_time()
    _refuse_long((film.container.duration or 0) / av.time_base)
    for packet in film.container.demux(*kept.values()):
        index, shown = packet.stream_index, packet.dts if packet.pts is None else packet.pts
        if shown is None:
            if packet.size:
                raise ValueError("a packet without a time")
            continue  # the reader's word that a track has ended
        if packet.is_corrupt:
            raise broken_off()
        taken += packet.size
        if taken > film.size:
            raise unfit("too_complex", "This video shows the same bytes over and over. Export it anew and upload that.")
        counted[index] += 1
        at = float(shown * packet.time_base)
        earliest, latest = min(at, at if earliest is None else earliest), max(at, latest or at)
        _refuse_long(latest - earliest)
        # as FFmpeg's own program does: times to decode at must rise
        packet.dts = max(shown if packet.dts is None else packet.dts, last.get(index, -(2**62)) + 1)
        packet.pts = max(shown, packet.dts)
        last[index] = packet.dts
        packet.stream = to[index]
        copy.mux(packet)
    lasted = (latest or 0) - (earliest or 0)
    if any(counted[index] < len(track.index_entries) for index, track in kept.items()):
        raise broken_off()
    # only films in fragments have no table of pictures to compare with
    if not video.frames and (film.container.duration or 0) / av.time_base * 0.9 > lasted + 1:
        raise broken_off()
    if not counted[video.index]:
        raise _no_pictures()
    if lasted >= 1 and counted[video.index] / lasted > MOST_FRAMES_A_SECOND * 1.02:
        raise _too_fast()


def _add(copy: OutputContainer, track: Stream) -> Stream:
    try:
        added = copy.add_stream_from_template(track, opaque=True)
    except ValueError:
        raise _other_codec("sound" if track.type == "audio" else "pictures", track) from None
    if isinstance(added, VideoStream) and isinstance(track, VideoStream) and track.average_rate:
        added.codec_context.framerate = track.average_rate  # a WebM tells by it how long its last picture is shown
    if track.codec_context.codec_tag in ("hvc1", "hev1"):  # where parameters are; some players know only the one
        added.codec_context.codec_tag = track.codec_context.codec_tag
    return added


def _decoded(film: Film, video: VideoStream) -> Iterator[VideoFrame]:
    video.codec_context.thread_count = 1  # each thread would take memory for pictures of its own
    yield from film.container.decode(video)


def _shown_size(video: VideoStream, frame: VideoFrame) -> tuple[int, int]:
    """With pixels made square, and turned as it is shown."""
    width, height = round(frame.width * (video.sample_aspect_ratio or Fraction(1))), frame.height
    if width > LONGEST_SIDE:
        raise unfit(
            "too_many_pixels", f"A video may have sides of {LONGEST_SIDE:,} pixels, not {width:,} by {height:,}."
        )
    return (height, width) if _is_lying(frame) else (width, height)


def _is_lying(frame: VideoFrame) -> bool:
    return frame.rotation % 180 == 90


def _drawn(video: VideoStream, frame: VideoFrame) -> Image.Image:
    width, height = _shown_size(video, frame)
    if _is_lying(frame):
        width, height = height, width
    scale = min(1.0, THUMBNAIL_SIDE / max(width, height))
    smaller = frame.reformat(max(1, round(width * scale)), max(1, round(height * scale)), "rgb24")
    picture: Image.Image = cast("Any", smaller).to_image()
    return picture.rotate(frame.rotation, expand=True)


def _refuse_long(seconds: float) -> None:
    if seconds > LONGEST_SECONDS:
        raise unfit("too_long", "A video may last an hour at most. Upload a shorter one.")


def _no_time() -> Invalid:
    return unfit("no_duration", "This video lasts no time at all. Export it anew and upload that.")


def _too_fast() -> Invalid:
    return unfit(
        "too_fast", f"A video may have {MOST_FRAMES_A_SECOND} pictures a second at most. Export it with fewer."
    )


def _too_heavy() -> Invalid:
    return unfit("too_complex", "This video takes too much memory to read. Export it anew and upload that.")


def _damaged() -> Invalid:
    return unfit("damaged", "This video is damaged. Export it anew and upload that.")


def _no_pictures() -> Invalid:
    return unfit("damaged", "No picture of this video can be read. Export it anew and upload that.")


def _other_codec(what: str, track: Stream) -> Invalid:
    return unfit("codec", f"The {what} of this video are coded as {_codec(track)}. Export it as H.264 with AAC sound.")


_WORKS: dict[str, Callable[..., object]] = {"clean": clean, "measure": measure, "still": still}

if __name__ == "__main__":
    main(sys.argv[1:])
