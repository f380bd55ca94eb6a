"""Real videos, filmed for tests: in every form that is taken, talkative, broken, locked, huge."""

import io
import os
import random
import struct
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
from PIL import Image

from tests.media.drawing import photo

PLACE = "+52.5200+013.4050/"
TOLD = (PLACE.encode(), b"Geheim-4711", b"Kamera-4711", b"2019-12-24", b"52.5200")
"""What no clean video may hold."""
TAGS = {"location": PLACE, "comment": "Geheim-4711", "make": "Kamera-4711", "creation_time": "2019-12-24T18:00:00Z"}
SOUND_RATE = 48_000


def film(form: str = "mp4", **options: Any) -> bytes:
    """A video of a second, 160 by 96, H.264 and AAC; see `_film` for what can be another way. Made once."""
    return _film(form, tuple(sorted(options.items())))


@cache
def _film(form: str, options: tuple[tuple[str, Any], ...]) -> bytes:
    written = io.BytesIO()
    _write(written, form, **dict(options))
    return written.getvalue()


def _write(
    to: io.BytesIO,
    form: str,
    video: str | None = "libx264",
    audio: str | None = "aac",
    size: tuple[int, int] = (160, 96),
    frames: int = 30,
    rate: int = 30,
    rotation: int = 0,
    black: int = 0,
    far: int = 0,
    shape: tuple[int, int] = (1, 1),
    tags: tuple[tuple[str, str], ...] = (),
    chapters: bool = False,
    movflags: str = "",
) -> None:
    """`black` pictures come first; the last one is shown `far` seconds after the others; `shape` is that of a pixel."""
    options = {"movflags": movflags} if movflags else {}
    with av.open(to, "w", format=form, container_options=options) as out:
        out.metadata.update(dict(tags))
        if chapters:
            out.set_chapters(
                [
                    {
                        "id": 1,
                        "start": 0,
                        "end": 500,
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": "Geheim-4711"},
                    }
                ]
            )
        pictures = sound = None
        if video:
            pictures = out.add_stream(
                video, rate=rate, width=size[0], height=size[1], pix_fmt="yuv420p", options=_quick(video)
            )
            pictures.codec_context.sample_aspect_ratio = Fraction(*shape)
            if rotation:
                pictures.set_display_rotation(rotation)
        if audio:
            sound = out.add_stream(audio, rate=SOUND_RATE)
        if pictures is not None:
            for packet in _pictures(pictures, size, frames, rate, black, far):
                out.mux(packet)
        if sound is not None:
            for packet in _sound(sound, frames / rate):
                out.mux(packet)


def _quick(video: str) -> dict[str, str]:
    return {
        "libx264": {"preset": "ultrafast"},
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
        "mjpeg": {"strict": "unofficial"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
        "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
    }.get(video, {})


def _pictures(track: Any, size: tuple[int, int], frames: int, rate: int, black: int, far: int) -> Iterator[Any]:
    drawn = photo(*size)
    for number in range(frames):
        picture = Image.new("RGB", size) if number < black else drawn
        frame = av.VideoFrame.from_image(picture)
        frame.pts, frame.time_base = number + (far * rate if number == frames - 1 else 0), Fraction(1, rate)
        yield from track.encode(frame)
    yield from track.encode(None)


def _sound(track: Any, seconds: float) -> Iterator[Any]:
    form = track.codec_context.format.name
    samples = track.codec_context.frame_size or 1024
    for number in range(int(seconds * SOUND_RATE // samples)):
        frame = av.AudioFrame(format=form, layout="stereo", samples=samples)
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, number * samples, Fraction(1, SOUND_RATE)
        for plane in frame.planes:
            content = b"GPS-Geheim-4711 " if form.startswith("s16") else struct.pack("4f", 0.1, 0.2, -0.1, -0.2)
            plane.update((content * (plane.buffer_size // 16 + 1))[: plane.buffer_size])
        yield from track.encode(frame)
    yield from track.encode(None)


def film_large(path: Path, size: int, quantizer: int = 4) -> None:
    """A video of at least so many bytes: noise, filmed for a second and shown until it is long enough.

    A larger `quantizer` makes it longer: fewer bits a second.
    """
    noise, dice = io.BytesIO(), random.Random(4711)  # noqa: S311 - noise that can be made again, no secret
    with av.open(noise, "w", format="mp4") as out:
        track = out.add_stream(
            "libx264",
            rate=30,
            width=640,
            height=480,
            pix_fmt="yuv420p",
            options={"qp": str(quantizer), "preset": "ultrafast"},
        )
        for number in range(30):
            frame = av.VideoFrame(640, 480, "yuv420p")
            for plane in frame.planes:
                plane.update(dice.randbytes(plane.buffer_size))
            frame.pts, frame.time_base = number, Fraction(1, 30)
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    noise.seek(0)
    with av.open(noise, "r", format="mov") as second, av.open(str(path), "w", format="mp4") as out:
        to = out.add_stream_from_template(second.streams.video[0], opaque=True)
        packets = [packet for packet in second.demux() if packet.dts is not None]
        lasts, written = sum(packet.duration or 0 for packet in packets), 0
        for turn in range(1 + size // sum(packet.size for packet in packets)):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.pts, again.dts = (packet.pts or 0) + turn * lasts, (packet.dts or 0) + turn * lasts
                again.time_base, again.duration, again.is_keyframe = (
                    packet.time_base,
                    packet.duration,
                    packet.is_keyframe,
                )
                again.stream = to
                written += again.size
                out.mux(again)
    assert size <= written <= os.stat(path).st_size  # noqa: PTH116 - what is really there


# Boxes of an MP4 (ISO/IEC 14496-12). Films as made above have their table of contents at the end, so it may grow.


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def boxes(content: bytes) -> list[tuple[bytes, bytes]]:
    """The boxes that stand beside one another."""
    found, place = [], 0
    while place < len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        found.append((kind, content[place + 8 : place + length]))
        place += length
    return found


def rebuilt(content: bytes, path: tuple[bytes, ...], change: Callable[[bytes], bytes]) -> bytes:
    """The same with the content of every box at this path changed."""
    first, *rest = path
    return b"".join(
        box(kind, body if kind != first else rebuilt(body, tuple(rest), change) if rest else change(body))
        for kind, body in boxes(content)
    )


DREF = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")
STSD = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


def phone_film() -> bytes:
    """As phones write them: place and camera in every spot there is, a track of them too, chapters, a time code."""
    content = film("mov", audio="pcm_s16le", tags=tuple({**TAGS, "timecode": "10:00:00:00"}.items()), chapters=True)
    here = PLACE.encode()
    keys = [b"com.apple.quicktime.location.ISO6709", b"com.apple.quicktime.make"]
    listed = b"".join(box(b"mdta", key) for key in keys)
    values = b"".join(
        box(struct.pack(">I", number), box(b"data", struct.pack(">II", 1, 0) + value))
        for number, value in ((1, here), (2, b"Kamera-4711"))
    )
    handler = box(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    meta = box(b"meta", handler + box(b"keys", struct.pack(">II", 0, 2) + listed) + box(b"ilst", values))
    place = box(b"\xa9xyz", struct.pack(">HH", len(here), 0x15C7) + here)
    loci = box(b"loci", bytes(4) + struct.pack(">H", 0x15C7) + b"Geheim-4711\0\0" + bytes(12) + b"earth\0\0")
    content = rebuilt(content, (b"moov",), lambda body: body + box(b"udta", place + loci) + meta)
    content = rebuilt(
        content, (b"moov", b"trak"), lambda body: body + box(b"udta", box(b"name", b"Geheim-4711") + place)
    )
    # the sound becomes a track of metadata, as cameras write their places into
    content = rebuilt(content, (b"moov", b"trak", b"mdia", b"hdlr"), lambda body: body.replace(b"soun", b"meta"))
    return rebuilt(content, STSD, lambda body: body.replace(b"sowt", b"mebx"))


def pointing_film(to: Path) -> bytes:
    """A QuickTime film whose pictures lie in another file, named by an alias as FFmpeg reads them (libavformat/mov.c)."""
    path = str(to).encode()
    alias = (
        bytes(10) + bytes((4,)) + b"disk".ljust(27, b"\0") + bytes(12)
        + bytes((len(to.name),)) + to.name.encode().ljust(63, b"\0") + bytes(16) + struct.pack(">hh", -1, -1) + bytes(16)
        + struct.pack(">hH", 2, len(path)) + path + bytes(len(path) % 2) + struct.pack(">hH", -1, 0)
    )  # fmt: skip
    entry = box(b"alis", bytes(4) + alias)
    return rebuilt(film("mov", audio=None), DREF, lambda _: struct.pack(">II", 0, 1) + entry)


# Elements of a WebM (RFC 8794)


def element(number: int, content: bytes) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8) + (len(content) | 1 << 56).to_bytes(8) + content


def webm_skeleton(*parts: bytes, kind: bytes = b"webm") -> bytes:
    return element(0x1A45DFA3, element(0x4282, kind)) + element(0x18538067, b"".join(parts))


def tracks(content: bytes, form: str = "mov") -> list[str]:
    """What tracks there are, in FFmpeg's words: video, audio, data …"""
    with av.open(io.BytesIO(content), "r", format=form) as opened:
        return [track.type for track in opened.streams]


def packets(content: bytes, form: str = "mov") -> Mapping[str, list[bytes]]:
    """Every packet of the pictures and of the sound, in order."""
    found: dict[str, list[bytes]] = {}
    with av.open(io.BytesIO(content), "r", format=form) as opened:
        for packet in opened.demux():
            if packet.size:
                found.setdefault(packet.stream.type, []).append(bytes(packet))
    return found


def timeless(content: bytes) -> bytes:
    """The same film, in which nothing lasts any time."""
    for path, place in (
        ((b"moov", b"mvhd"), 16),
        ((b"moov", b"trak", b"tkhd"), 20),
        ((b"moov", b"trak", b"mdia", b"mdhd"), 16),
        ((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"), 12),
    ):
        content = rebuilt(content, path, lambda body, at=place: body[:at] + bytes(4) + body[at + 4 :])
    return rebuilt(content, (b"moov", b"trak", b"edts"), lambda _: b"")


def moov_first(content: bytes) -> bool:
    kinds = [kind for kind, _ in boxes(content)]
    return kinds.index(b"moov") < kinds.index(b"mdat")
