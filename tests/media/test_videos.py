"""What a video is, whatever it says; what is left of it when it is clean; and what is refused, each with its own words."""

import io
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from hayon.errors import Invalid, NotFound
from hayon.media import inspecting, videos
from hayon.media.videos import clean_video, measure_video
from tests.media.drawing import photo, saved
from tests.media.filming import (
    DREF,
    PLACE,
    STSD,
    TAGS,
    TOLD,
    box,
    element,
    film,
    moov_first,
    packets,
    phone_film,
    pointing_film,
    rebuilt,
    timeless,
    tracks,
    webm_skeleton,
)

WEBM = {"video": "libvpx-vp9", "audio": "libopus"}


async def cleaned(folder: Path, content: bytes, declared: str = "video/mp4") -> tuple[bytes, Any]:
    """In a process of its own, as everywhere."""
    (folder / "given").write_bytes(content)
    measured = await clean_video(folder / "given", declared, folder / "clean")
    assert measured.size == (folder / "clean").stat().st_size
    return (folder / "clean").read_bytes(), measured


def looked_at(folder: Path, content: bytes, declared: str = "video/mp4") -> dict[str, Any]:
    """The same in this process, where many are to be looked at."""
    (folder / "given").write_bytes(content)
    return inspecting.answer(lambda: inspecting.clean(str(folder / "given"), declared, str(folder / "clean")))


def refused(folder: Path, content: bytes, declared: str = "video/mp4") -> tuple[str, str]:
    rule, message = looked_at(folder, content, declared)["refused"]
    return rule, message


@pytest.mark.parametrize(
    ("form", "options", "declared", "meant"),
    [
        ("mp4", {}, "video/mp4", ("video/mp4", "h264", "aac")),
        ("mov", {}, "video/quicktime", ("video/mp4", "h264", "aac")),
        ("mov", {}, "video/mp4", ("video/mp4", "h264", "aac")),
        ("mp4", {}, "video/quicktime", ("video/mp4", "h264", "aac")),
        ("mp4", {"audio": None}, "video/mp4", ("video/mp4", "h264", None)),
        ("mp4", {"video": "libx265"}, "video/mp4", ("video/mp4", "hevc", "aac")),
        ("mp4", {"video": "libsvtav1"}, "video/mp4", ("video/mp4", "av1", "aac")),
        ("mp4", {"video": "mpeg4", "audio": "libmp3lame"}, "video/mp4", ("video/mp4", "mpeg4", "mp3")),
        ("mov", {"audio": "pcm_s16le"}, "video/quicktime", ("video/mp4", "h264", "pcm_s16le")),
        ("webm", WEBM, "video/webm", ("video/webm", "vp9", "opus")),
        ("webm", {"video": "libvpx", "audio": None}, "video/webm", ("video/webm", "vp8", None)),
    ],
)
async def test_a_video_is_measured_by_what_it_holds_and_its_packets_stay_as_they_are(
    tmp_path: Path, form: str, options: dict[str, Any], declared: str, meant: tuple[str, str, str | None]
) -> None:
    content = film(form, **options)
    clean, measured = await cleaned(tmp_path, content, declared)
    assert (measured.mime, measured.video_codec, measured.audio_codec) == meant
    assert (measured.width, measured.height, measured.frame_rate, measured.animated) == (160, 96, 30.0, False)
    assert 1.0 <= measured.duration_seconds <= 1.02
    reader = "matroska" if form == "webm" else "mov"
    assert packets(clean, reader) == packets(content, reader)
    assert form == "webm" or (clean[4:12] == b"ftypisom" and moov_first(clean))
    assert await measure_video(tmp_path / "clean") == measured
    assert (await cleaned(tmp_path, clean, meant[0]))[1] == measured


async def test_no_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await measure_video(tmp_path / "nothing.mp4")
    with pytest.raises(NotFound):
        await clean_video(tmp_path / "nothing.mp4", "video/mp4", tmp_path / "clean")


@pytest.mark.parametrize("rotation", [90, 180, -90])
async def test_how_it_is_to_be_turned_stays(tmp_path: Path, rotation: int) -> None:
    content = film(rotation=rotation)
    clean, measured = await cleaned(tmp_path, content)
    assert (measured.width, measured.height) == ((160, 96) if rotation == 180 else (96, 160))
    turned = []
    for one in (content, clean):
        with av.open(io.BytesIO(one), "r", format="mov") as opened:
            turned.append(next(opened.decode(video=0)).rotation)
    assert [one % 360 for one in turned] == [rotation % 360] * 2


def test_pixels_that_are_not_square_are_shown_as_wide_as_they_are(tmp_path: Path) -> None:
    measured = looked_at(tmp_path, film(shape=(4, 3)))["given"]
    assert (measured["width"], measured["height"]) == (213, 96)


def test_h265_is_named_as_it_was(tmp_path: Path) -> None:
    """Apple's players know films as hvc1 only."""
    content = film(video="libx265")
    for name in (b"hev1", b"hvc1"):
        assert b"hev1" in content
        looked_at(tmp_path, content.replace(b"hev1", name))
        assert name in (tmp_path / "clean").read_bytes()


async def test_nothing_is_left_of_place_camera_and_time(tmp_path: Path) -> None:
    content = phone_film()
    assert all(word in content for word in (*TOLD[:3], b"com.apple.quicktime.location", b"loci", b"mebx", b"tmcd"))
    assert tracks(content) == ["video", "data", "data", "data"]
    clean, _ = await cleaned(tmp_path, content, "video/quicktime")
    for word in (*TOLD, b"keys", b"loci", b"xyz", b"mebx", b"tmcd", b"mdta", b"apple", b"Lavf"):
        assert word not in clean
    assert tracks(clean) == ["video"]
    assert clean == (await cleaned(tmp_path, film("mov", audio=None)))[0]  # as if it had never been told
    with (
        av.open(io.BytesIO(content), "r", format="mov") as before,
        av.open(io.BytesIO(clean), "r", format="mov") as after,
    ):
        assert (len(before.chapters()), len(after.chapters())) == (1, 0)
        assert "creation_time" in before.metadata
        assert set(after.metadata) == {"major_brand", "minor_version", "compatible_brands"}
        assert set(after.streams[0].metadata) == {"language", "handler_name"}


async def test_a_webm_loses_its_talk(tmp_path: Path) -> None:
    content = film("webm", **WEBM, tags=tuple(TAGS.items()))
    assert b"Geheim-4711" in content
    assert PLACE.encode() in content
    clean, _ = await cleaned(tmp_path, content, "video/webm")
    assert not any(word in clean for word in (*TOLD, b"COMMENT", b"LOCATION", b"DATE"))


@pytest.mark.parametrize("flags", ["", "use_metadata_tags", "frag_keyframe+empty_moov"])
def test_what_an_mp4_says_of_itself_is_gone_wherever_it_stood(tmp_path: Path, flags: str) -> None:
    content, silent = film(tags=tuple(TAGS.items()), movflags=flags), film(movflags=flags)
    assert b"Geheim-4711" in content
    found = []
    for one in (content, silent):
        assert "given" in looked_at(tmp_path, one)
        found.append((tmp_path / "clean").read_bytes())
    assert found[0] == found[1]
    assert not any(word in found[0] for word in TOLD)


# What is not whole


def _forms(folder: Path) -> dict[str, tuple[bytes, str]]:
    assert "given" in looked_at(folder, film())
    return {
        "table last": (film(), "video/mp4"),
        "table first": ((folder / "clean").read_bytes(), "video/mp4"),
        "fragments": (film(movflags="frag_keyframe+empty_moov"), "video/mp4"),
        "mov": (film("mov"), "video/quicktime"),
        "webm": (film("webm", **WEBM), "video/webm"),
    }


@pytest.mark.parametrize("form", ["table last", "table first", "fragments", "mov", "webm"])
def test_a_video_that_breaks_off_is_refused_wherever_it_does(tmp_path: Path, form: str) -> None:
    content, declared = _forms(tmp_path)[form]
    assert "given" in looked_at(tmp_path, content, declared)
    cuts = [len(content) * part // 25 for part in range(1, 25)] + [len(content) - 1, len(content) - 9]
    told = [refused(tmp_path, content[:cut], declared) for cut in cuts]
    assert {rule for rule, _ in told} == {"truncated"}
    assert "Upload the whole file" in told[0][1]


async def test_a_video_that_breaks_off_is_refused_by_the_reader_process_too(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="not all there") as caught:
        await cleaned(tmp_path, film()[:-500])
    assert [(problem.field, problem.rule) for problem in caught.value.problems] == [("file", "truncated")]


@pytest.mark.parametrize("where", ["in the middle", "before the last packet", "in the last packet"])
def test_a_table_that_promises_more_than_is_there_is_no_use(tmp_path: Path, where: str) -> None:
    """Its boxes all end where they say: the last one reaches to the end of the file, wherever that is."""
    content, _ = _forms(tmp_path)["table first"]
    with av.open(io.BytesIO(content), "r", format="mov") as opened:
        last = max(packet.pos or 0 for packet in opened.demux() if packet.size)
    cut = {"in the middle": len(content) // 2, "before the last packet": last, "in the last packet": len(content) - 1}[
        where
    ]
    place = content.index(b"mdat") - 4
    content = content[:place] + bytes(4) + content[place + 4 :]
    assert "given" in looked_at(tmp_path, content)
    assert refused(tmp_path, content[:cut])[0] == "truncated"


def test_a_webm_that_says_how_long_it_is_has_to_be_as_long(tmp_path: Path) -> None:
    """Cut between two of its parts, and with no length in bytes, as what is recorded live has none: only the time tells."""
    content = film("webm", video="libvpx", audio=None, frames=240)
    segment, cluster = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
    place = content.index(segment) + 4
    content = content[:place] + b"\x01" + b"\xff" * 7 + content[place + 8 :]
    assert looked_at(tmp_path, content, "video/webm")["given"]["duration_seconds"] == 8.0
    second = content.index(cluster, content.index(cluster) + 4)
    assert refused(tmp_path, content[:second], "video/webm")[0] == "truncated"


# What is not taken


@pytest.mark.parametrize(
    ("content", "declared", "rule", "words"),
    [
        (lambda: film(video=None), "video/mp4", "no_video", "no moving pictures"),
        (lambda: timeless(film(frames=1, audio=None)), "video/mp4", "no_duration", "lasts no time"),
        (lambda: timeless(film(audio=None, video="mpeg4")), "video/mp4", "no_duration", "lasts no time"),
        (lambda: film(size=(8200, 32), frames=2, audio=None), "video/mp4", "too_many_pixels", "8,192 pixels, not 8,200 by 32"),
        (lambda: film(size=(32, 8200), frames=2, audio=None), "video/mp4", "too_many_pixels", "not 32 by 8,200"),
        (lambda: film(size=(6200, 32), frames=2, shape=(3, 2), audio=None), "video/mp4", "too_many_pixels", "not 9,300 by 32"),
        (lambda: film(far=3601, audio=None), "video/mp4", "too_long", "an hour at most"),
        (lambda: film("webm", video="libvpx", far=3601, audio=None), "video/webm", "too_long", "an hour at most"),
        (lambda: film(rate=240, frames=240, audio=None), "video/mp4", "too_fast", "120 pictures a second"),
        (lambda: film("webm", video="libvpx", rate=125, frames=130, audio=None), "video/webm", "too_fast", "120 pictures a second"),
        (lambda: rebuilt(film(), STSD, lambda body: body.replace(b"avc1", b"encv")), "video/mp4", "encrypted", "copy protected"),
        (lambda: rebuilt(film(), STSD, lambda body: body.replace(b"mp4a", b"drms")), "video/mp4", "encrypted", "copy protected"),
        (lambda: film("mov", video="mjpeg"), "video/quicktime", "codec", "pictures of this video are coded as mjpeg"),
        (lambda: film("mov", audio="pcm_mulaw"), "video/quicktime", "codec", "sound of this video are coded as pcm_mulaw"),
        (lambda: film("webm", **WEBM), "video/mp4", "kind", "announced as video/mp4, but is video/webm"),
        (film, "video/webm", "kind", "announced as video/webm, but is video/mp4"),
        (film, "image/png", "kind", "announced as image/png, but is video/mp4"),
        (lambda: film("matroska"), "video/webm", "kind", "a Matroska video, but not a WebM"),
        (lambda: b"<!doctype html><script>alert(1)</script>" + film(), "video/mp4", "kind", "This is a web page"),
        (lambda: b"\n <html>" + film(), "video/mp4", "kind", "This is a web page"),
        (lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "video/mp4", "kind", "This is a playlist"),
        (lambda: b"ffconcat version 1.0\nfile '/etc/passwd'\n", "video/mp4", "kind", "This is a playlist"),
        (lambda: saved(photo(), "PNG"), "video/mp4", "kind", "This is a picture"),
        (lambda: b"RIFF\0\0\0\0AVI LIST", "video/mp4", "kind", "This is an AVI video"),
        (lambda: b"", "video/mp4", "kind", "an empty file"),
        (lambda: b"G@\x11\x10" + bytes(184), "video/mp4", "kind", "an MPEG stream"),
        (lambda: b"\0\0\0\x10ftypisom\0\0\0\0" + bytes(90), "video/mp4", "truncated", "not all there"),
        (lambda: film() + b"PK\3\4 and more of an archive", "video/mp4", "truncated", "not all there"),
        (lambda: rebuilt(film(), DREF, lambda body: body[:8] + box(b"url ", bytes(4) + b"http://evil.example/x.mp4\0")), "video/mp4", "refers_elsewhere", "other files"),
        (lambda: rebuilt(film("mov"), (b"moov",), lambda body: b"\0\0\0\x18rmra\0\0\0\x10rmda\0\0\0\x08rdrf" + body), "video/quicktime", "refers_elsewhere", "other files"),
        (lambda: rebuilt(film("mov"), (b"moov",), lambda _: b"\0\0\0\x18cmov" + bytes(16)), "video/quicktime", "kind", "is compressed"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)  # fmt: skip
def test_what_is_not_taken_is_refused_in_words_of_its_own(
    tmp_path: Path, content: Callable[[], bytes], declared: str, rule: str, words: str
) -> None:
    found, message = refused(tmp_path, content(), declared)
    assert (found, words in message) == (rule, True), message


def test_the_limits_themselves_are_taken(tmp_path: Path) -> None:
    for content in (
        film(size=(8192, 32), frames=2, audio=None),
        film(rate=120, frames=120, audio=None),
        film(far=3590, audio=None),
    ):
        assert "given" in looked_at(tmp_path, content)


def test_a_locked_webm_is_refused(tmp_path: Path) -> None:
    locked = element(0x6D80, element(0x6240, element(0x5035, element(0x47E1, b"\5"))))
    content = webm_skeleton(element(0x1654AE6B, element(0xAE, element(0xD7, b"\1") + locked)))
    assert refused(tmp_path, content, "video/webm")[0] == "encrypted"
    unlocked = webm_skeleton(element(0x1654AE6B, element(0xAE, element(0xD7, b"\1"))))
    assert refused(tmp_path, unlocked, "video/webm")[0] != "encrypted"


def test_bytes_that_are_shown_over_and_over_are_refused(tmp_path: Path) -> None:
    """A small file could become a huge one."""
    stbl = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
    content = film(audio=None, video="mpeg4")
    for name, table in (
        (b"stsz", struct.pack(">III", 0, 5000, 30)),
        (b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1)),
        (b"stco", struct.pack(">II", 0, 30) + struct.pack(">I", 48) * 30),
    ):
        content = rebuilt(content, (*stbl, name), lambda _, table=table: table)
    assert refused(tmp_path, content)[0] == "too_complex"
    assert (tmp_path / "clean").stat().st_size < 2 * len(content)


def test_a_heap_of_boxes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hayon.media.boxes._MOST_BOXES", 1000)
    content = film()
    assert "given" in looked_at(tmp_path, content)
    for heap in (
        content + b"\0\0\0\x08free" * 1000,
        rebuilt(content, (b"moov",), lambda body: body + b"\0\0\0\x08free" * 1000),
    ):
        assert refused(tmp_path, heap)[0] == "too_complex"
    void = webm_skeleton(*[element(0xEC, b"")] * 1001)
    assert refused(tmp_path, void, "video/webm")[0] == "too_complex"


# What points to other files


async def test_a_film_that_lies_in_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(film(audio=None))
    with pytest.raises(Invalid, match="other files") as caught:
        await cleaned(tmp_path, pointing_film(tmp_path / "secret.mp4"), "video/quicktime")
    assert caught.value.problems[0].rule == "refers_elsewhere"


def test_a_reader_that_would_follow_is_given_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the check of the boxes stands a second wall: FFmpeg cannot open a file in there, whatever it is told."""
    (tmp_path / "secret.mp4").write_bytes(film(audio=None))
    content = pointing_film(tmp_path / "secret.mp4")
    monkeypatch.setattr(inspecting, "check_film", lambda _: None)
    assert "refused" in looked_at(tmp_path, content, "video/quicktime")
    monkeypatch.setitem(inspecting._READING, "enable_drefs", "1")
    monkeypatch.setitem(inspecting._READING, "use_absolute_path", "1")
    assert refused(tmp_path, content, "video/quicktime")[0] == "refers_elsewhere"
    with av.open(
        io.BytesIO(content), "r", format="mov", options={"enable_drefs": "1", "use_absolute_path": "1"}
    ) as followed:
        assert sum(packet.size for packet in followed.demux()) > 0  # so it is a film that can be followed


def test_a_file_is_read_as_what_it_begins_like_and_nothing_else(tmp_path: Path) -> None:
    """A playlist behind the head of an MP4 stays an MP4, and a broken one."""
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n"
    (tmp_path / "secret.mp4").write_bytes(film())
    assert refused(tmp_path, b"\0\0\0\x10ftypisom\0\0\0\0" + playlist)[0] == "truncated"
    assert refused(tmp_path, playlist)[0] == "kind"


async def test_one_that_goes_while_it_is_read_is_missing_and_not_our_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(film())
    taking = "import pathlib, sys; pathlib.Path(sys.argv[3]).unlink(); sys.exit('gone')"
    monkeypatch.setattr(videos, "_READER", (sys.executable, "-c", taking))
    with pytest.raises(NotFound):
        await measure_video(path)
