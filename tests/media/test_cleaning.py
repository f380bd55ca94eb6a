"""Everything that is taken in passes one gate: what it lets through is clean, and what it refuses leaves nothing."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from hayon.errors import Invalid, NotFound
from hayon.media import LARGEST_PICTURE, clean_file, measure_file
from hayon.media.sniffing import guess, sniff
from tests.media.drawing import camera_data, photo, png_bomb, saved, talkative
from tests.media.filming import film

ZIP = b"PK\3\4\x14\0\0\0\0\0" + bytes(40) + b"PK\5\6" + bytes(18)
PAGE = b"<!doctype html><script>alert(4711)</script>"
JAR = b"PK\3\4 META-INF/MANIFEST.MF 4711"
SVG = b'<?xml version="1.0"?><!-- a drawing --><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


async def cleaned(folder: Path, content: bytes, declared: str) -> bytes:
    (folder / "given").write_bytes(content)
    measured = await clean_file(folder / "given", declared, folder / "clean")
    found = (folder / "clean").read_bytes()
    assert (measured.size, measured) == (len(found), await measure_file(folder / "clean"))
    return found


async def refused(folder: Path, content: bytes, declared: str) -> tuple[str, str]:
    (folder / "given").write_bytes(content)
    with pytest.raises(Invalid) as caught:
        await clean_file(folder / "given", declared, folder / "clean")
    assert not (folder / "clean").exists()
    (problem,) = caught.value.problems
    assert problem.field == "file"
    return problem.rule, problem.message


async def test_pictures_and_videos_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    for content, declared, mime in (
        (saved(photo(), "PNG"), "image/png", "image/png"),
        (film("mov"), "video/quicktime", "video/mp4"),
        (film("webm", video="libvpx", audio=None), "video/webm", "video/webm"),
    ):
        found = await cleaned(tmp_path, content, declared)
        assert (sniff(found), (await measure_file(tmp_path / "clean")).mime) == (mime, mime)
    assert (
        "announced as image/jpeg, but is image/png" in (await refused(tmp_path, saved(photo(), "PNG"), "image/jpeg"))[1]
    )
    (tmp_path / "given").unlink()
    (tmp_path / "clean").unlink(missing_ok=True)
    for ask in (clean_file(tmp_path / "given", "image/png", tmp_path / "clean"), measure_file(tmp_path / "given")):
        with pytest.raises(NotFound):
            await ask


@pytest.mark.parametrize("declared", ["video/mp4", "image/png"])
async def test_a_picture_for_a_video_and_the_other_way_round(tmp_path: Path, declared: str) -> None:
    content = saved(photo(), "GIF") if declared == "video/mp4" else film()
    assert (await refused(tmp_path, content, declared))[1].startswith(f"This was announced as {declared}, but is ")


@pytest.mark.parametrize("hidden", [ZIP, PAGE, JAR], ids=["zip", "page", "jar"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
async def test_what_is_hidden_behind_a_picture_is_gone(tmp_path: Path, form: str, hidden: bytes) -> None:
    content = saved(photo(), form)
    found = await cleaned(tmp_path, content + hidden, f"image/{form.lower()}")
    assert found == content
    assert hidden not in found


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF"])
async def test_what_is_hidden_inside_a_picture_is_gone(tmp_path: Path, form: str) -> None:
    """Where browsers or unpackers would look for it: in a comment at the start."""
    content = saved(photo(), form)
    said = b"4711" + PAGE + JAR
    if form == "JPEG":
        content = content[:2] + b"\xff\xfe" + struct.pack(">H", len(said) + 2) + said + content[2:]
    elif form == "PNG":
        sum_of_it = struct.pack(">I", zlib.crc32(b"teXt" + said))
        content = content[:33] + struct.pack(">I", len(said)) + b"teXt" + said + sum_of_it + content[33:]
    else:
        place = content.index(b"\x2c\0\0\0\0")
        content = content[:place] + b"\x21\xfe" + bytes((len(said),)) + said + b"\0" + content[place:]
    found = await cleaned(tmp_path, content, f"image/{form.lower()}")
    assert said in content
    assert b"4711" not in found
    assert b"script" not in found


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
async def test_not_a_byte_is_left_of_where_a_photo_was_taken(tmp_path: Path, form: str) -> None:
    exif = camera_data().tobytes()
    places = [
        struct.pack(order + "IIIIII", *degrees)
        for order in "<>"
        for degrees in ((52, 1, 31, 1, 12, 1), (13, 1, 24, 1, 36, 1))
    ]
    content = talkative(form)
    assert sum(place in exif for place in places) >= 2
    assert sum(place in content for place in places) >= 2
    found = await cleaned(tmp_path, content, f"image/{form.lower()}")
    for word in (*places, b"Exif", b"eXIf", b"EXIF", b"XMP ", b"xmpmeta", b"adobe:ns", b"Kamera", b"iTXt"):
        assert word not in found
    assert dict(Image.open(BytesIO(found)).getexif()) == {}


@pytest.mark.parametrize("declared", ["image/png", "video/mp4", "image/svg+xml"])
async def test_drawings_that_can_carry_scripts_are_refused_as_such(tmp_path: Path, declared: str) -> None:
    for start in (b"", b"\xef\xbb\xbf", b" \n"):
        rule, message = await refused(tmp_path, start + SVG, declared)
        assert (rule, message.startswith("This is an SVG drawing, which can carry scripts.")) == ("kind", True)


def huge_frames() -> bytes:
    """Forty pictures of nine million pixels in a few kilobytes: black, white, black …"""
    pictures = [Image.new("1", (3000, 3000), number % 2) for number in range(40)]
    content = saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:])
    assert len(content) < 1_000_000
    return content


def claims_to_be_huge() -> bytes:
    """A small PNG whose head says that it is 60,000 pixels wide and high."""
    head = b"IHDR" + struct.pack(">II", 60_000, 60_000) + saved(photo(), "PNG")[24:29]
    return saved(photo(), "PNG")[:12] + head + struct.pack(">I", zlib.crc32(head)) + saved(photo(), "PNG")[33:]


@pytest.mark.parametrize(
    ("drawn", "declared", "rule"),
    [
        (claims_to_be_huge, "image/png", "too_many_pixels"),
        (lambda: png_bomb(20_000), "image/png", "too_many_pixels"),
        (huge_frames, "image/gif", "too_long"),
        (lambda: PAGE + saved(photo(), "GIF"), "image/gif", "kind"),
        (lambda: ZIP + saved(photo(), "PNG"), "image/png", "kind"),
        (lambda: b"", "video/webm", "kind"),
        (lambda: saved(photo(), "PNG")[:-40], "image/png", "damaged"),
    ],
    ids=[
        "png of 60,000 by 60,000",
        "png bomb",
        "gif of many huge frames",
        "page first",
        "archive first",
        "empty",
        "half",
    ],
)
async def test_hostile_pictures_are_refused(
    tmp_path: Path, drawn: Callable[[], bytes], declared: str, rule: str
) -> None:
    assert (await refused(tmp_path, drawn(), declared))[0] == rule


@pytest.mark.parametrize("declared", ["video/mp4", "image/png"])
async def test_what_is_not_taken_is_not_even_read(tmp_path: Path, declared: str) -> None:
    for start in (b"<html>", saved(photo(), "PNG")):
        with (tmp_path / "huge").open("wb") as file:
            file.write(start)
            file.truncate(LARGEST_PICTURE + 50_000_000)
        tracemalloc.start()
        try:
            with pytest.raises(Invalid) as caught:
                await clean_file(tmp_path / "huge", declared, tmp_path / "clean")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert caught.value.problems[0].rule == ("kind" if start == b"<html>" else "size")
        assert peak < (1_000_000 if start == b"<html>" else LARGEST_PICTURE + 5_000_000)


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\0\0\0\x18ftypheic", "a HEIC photo"),
        (b"\0\0\0\x18ftypavif", "an AVIF picture"),
        (b"\0\0\0\x18ftypM4A ", "a sound file"),
        (b"OggS", "an Ogg file"),
        (b"FLV\1", "a Flash video"),
        (b"0&\xb2u\x8ef\xcf\x11", "a Windows Media file"),
        (ZIP, "a ZIP archive"),
        (b"<?xml version='1.0'?><a/>", "an XML document"),
        (b"hello", "no picture and no video"),
    ],
)
def test_other_files_have_names(start: bytes, name: str) -> None:
    assert (guess(start), sniff(start)) == (name, None)


def test_older_quicktime_films_begin_in_their_own_way() -> None:
    for kind in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        assert sniff(b"\0\0\0\x08" + kind) == "video/quicktime"
    assert sniff(b"\0\0\0\x14ftypqt  ") == "video/quicktime"
    assert sniff(b"\0\0\0\x14ftyp3gp4") == sniff(b"\0\0\0\x14ftypM4V ") == "video/mp4"
