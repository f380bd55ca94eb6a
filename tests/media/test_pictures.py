"""What a picture file is, whatever it says; and what is left of it when it is clean."""

import random
import struct
import warnings
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from hayon.errors import Invalid, NotFound
from hayon.media import measure_file
from hayon.media.metadata import count_scans
from hayon.media.pictures import LARGEST_PIXELS, clean, measure_bytes
from tests.media.drawing import SECRETS, SRGB, animation, camera_data, corner, photo, png_bomb, saved, talkative

FORMS = ["JPEG", "PNG", "WEBP", "GIF"]


def _mime(form: str) -> str:
    return f"image/{form.lower()}"


def _same(one: bytes, other: bytes) -> bool:
    left, right = Image.open(BytesIO(one)), Image.open(BytesIO(other))
    return ImageChops.difference(left.convert("RGBA"), right.convert("RGBA")).getbbox(alpha_only=False) is None


def _apart(one: Image.Image, other: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).rms)


async def test_a_file_is_measured_by_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "really-a.png"
    path.write_bytes(saved(photo(), "JPEG"))
    measured = await measure_file(path)
    assert (measured.mime, measured.size, measured.width, measured.height) == (
        "image/jpeg",
        path.stat().st_size,
        96,
        64,
    )
    with pytest.raises(NotFound):
        await measure_file(tmp_path / "nothing.png")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"Dear diary, this is no picture.", "no picture and no video"),
        (b"", "an empty file"),
        (b"  <svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"<!doctype html><script>", "a web page"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC photo"),
        (saved(photo(), "BMP"), "a BMP picture"),
        (saved(photo(), "TIFF"), "a TIFF picture"),
        (saved(photo(), "AVIF"), "an AVIF picture"),
        (saved(photo(), "PPM"), "no picture and no video"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture and no video"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes, shown: str) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(Invalid, match=f"This is {shown}") as caught:
        await measure_file(path)
    assert caught.value.problems[0].rule == "kind"


@pytest.mark.parametrize("form", FORMS)
def test_lies_about_the_type_are_refused(form: str) -> None:
    content = saved(photo(), form)
    for other in FORMS:
        if other != form:
            with pytest.raises(Invalid, match=f"but is {_mime(form)}"):
                clean(content, _mime(other))
    assert clean(content, _mime(form))[1].mime == _mime(form)


def test_bombs_are_refused_before_they_go_off() -> None:
    bomb = png_bomb(20_000)
    assert len(bomb) < 100_000
    for judge in (measure_bytes, lambda content: clean(content, "image/png")):
        with pytest.raises(Invalid) as caught:
            judge(bomb)
        assert caught.value.problems[0].rule == "too_many_pixels"
    assert measure_bytes(png_bomb(int(LARGEST_PIXELS**0.5))).width == 8000
    with pytest.raises(Invalid):
        measure_bytes(png_bomb(int(LARGEST_PIXELS**0.5) + 1))


def test_bombs_are_refused_even_where_nobody_listens_to_warnings() -> None:
    frame = b",\0\0\0\0\x28\x23\x28\x23\0\x02\x02\x44\x01\0"  # 9,000 by 9,000 on a screen of one pixel
    dot = b"GIF89a\x01\0\x01\0\x80\0\0" + bytes(6) + b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for content in (png_bomb(9000), dot + frame + b";"):
            with pytest.raises(Invalid) as caught:
                measure_bytes(content)
            assert caught.value.problems[0].rule == "too_many_pixels"


def test_a_frame_larger_than_its_animation_is_a_bomb_too() -> None:
    screen = b"GIF89a\x01\0\x01\0\x80\0\0" + bytes(6)
    frame = b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0"
    for content in (screen + frame + b";", screen + b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0" + frame + b";"):
        with pytest.raises(Invalid):
            measure_bytes(content)


def test_an_animation_of_too_many_pictures_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = animation(frames=6)
    monkeypatch.setattr("hayon.media.pictures.LARGEST_FILM", 6 * 40 * 30)
    assert measure_bytes(content).animated
    monkeypatch.setattr("hayon.media.pictures.LARGEST_FILM", 6 * 40 * 30 - 1)
    with pytest.raises(Invalid, match="too many pictures"):
        measure_bytes(content)


def test_an_animation_of_too_many_tiny_pictures_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = animation(frames=6)
    monkeypatch.setattr("hayon.media.pictures.MOST_FRAMES", 6)
    assert measure_bytes(content).animated
    monkeypatch.setattr("hayon.media.pictures.MOST_FRAMES", 5)
    with pytest.raises(Invalid, match="too many pictures"):
        measure_bytes(content)


def test_an_animation_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = animation(frames=6)
    monkeypatch.setattr("hayon.media.pictures.LONGEST_LOOK_SECONDS", -1)
    with pytest.raises(Invalid, match="too many pictures"):
        measure_bytes(content)


def _rescanned(times: int, between: bytes = b"") -> bytes:
    """A progressive photo whose last scan stands there so many times, as small as they come."""
    content = saved(photo(512, 512), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + (content[last:-2] + between) * times + content[-2:]


def test_a_photo_that_is_drawn_over_and_over_is_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_scans("image/jpeg", _rescanned(1)) == 10
    assert count_scans("image/jpeg", _rescanned(41)) == 50
    monkeypatch.setattr("hayon.media.pictures.MOST_SCANNED_PIXELS", 512 * 512 * 50)
    assert measure_bytes(_rescanned(41)).width == 512
    for bomb in (_rescanned(42), _rescanned(42, b"\xff\xfe\0\2no marker stands here")):
        for judge in (measure_bytes, lambda content: clean(content, "image/jpeg")):
            with pytest.raises(Invalid) as caught:
                judge(bomb)
            assert caught.value.problems[0].rule == "too_complex"


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_of_too_many_parts_is_refused(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(photo(), form)
    heap = {
        "JPEG": content[:2] + b"\xff\xfe\0\2" * 300 + content[2:],
        "PNG": content[:33] + (b"\0\0\0\0tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))) * 300 + content[33:],
        "GIF": content[:-1] + b"\x21\xfe\0" * 300 + content[-1:],
        "WEBP": content[:4] + struct.pack("<I", len(content) - 8 + 2400) + content[8:] + b"JUNK\0\0\0\0" * 300,
    }[form]
    assert clean(heap, _mime(form))[0] == content
    monkeypatch.setattr("hayon.media.metadata._MOST_PARTS", 300)
    assert clean(content, _mime(form))[0] == content
    with pytest.raises(Invalid) as caught:
        measure_bytes(heap)
    assert caught.value.problems[0].rule == "too_complex"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("moving", [False, True])
def test_files_that_break_off_are_refused(form: str, moving: bool) -> None:
    if moving and form == "JPEG":  # there are none; but there are photos of several scans
        content = saved(photo(), form, progressive=True)
    else:
        content = animation(form) if moving else saved(photo(), form)
    assert clean(content, _mime(form))[1].animated == (moving and form != "JPEG")
    cuts = [len(content) * part // 20 for part in range(1, 20)] + [len(content) - 1, len(content) - 2]
    for cut in cuts:
        with pytest.raises(Invalid):
            clean(content[:cut], _mime(form))


@pytest.mark.parametrize("form", FORMS)
def test_no_damage_does_worse_than_being_refused(form: str) -> None:
    dice = random.Random(form)  # noqa: S311 - damage that can be done again, no secret
    whole = talkative(form, 6) if form != "GIF" else animation()
    for _ in range(150):
        spoilt = bytearray(whole)
        for _ in range(dice.choice((1, 3, 20))):
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        with suppress(Invalid):
            cleaned, measured = clean(bytes(spoilt), _mime(form))
            assert measured.size == len(cleaned)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_clean_picture_has_the_same_pixels_and_colours_and_nothing_else(form: str) -> None:
    content = talkative(form, picture=photo(mode="RGBA") if form != "JPEG" else None)
    cleaned, measured = clean(content, _mime(form))
    assert not any(secret in cleaned for secret in SECRETS)
    found = Image.open(BytesIO(cleaned))
    found.load()
    assert dict(found.getexif()) == {}
    assert set(found.info) <= {
        "icc_profile",
        "jfif",
        "jfif_version",
        "jfif_unit",
        "jfif_density",
        "loop",
        "background",
        "duration",
        "timestamp",
    }
    assert found.info["icc_profile"] == SRGB
    assert _same(cleaned, content)
    assert (measured.size, measured.width, measured.height) == (len(cleaned), 96, 64)
    assert clean(cleaned, _mime(form))[0] == cleaned


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(form: str, orientation: int) -> None:
    shown = {1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left", 5: "top left", 6: "top right",
             7: "bottom right", 8: "bottom left"}[orientation]  # fmt: skip
    content = talkative(form, orientation)
    before = measure_bytes(content)
    cleaned, after = clean(content, _mime(form))
    assert corner(cleaned) == shown
    assert (after.width, after.height) == (before.width, before.height) == ((64, 96) if orientation > 4 else (96, 64))
    assert not any(secret in cleaned for secret in SECRETS)
    found = Image.open(BytesIO(cleaned))
    assert found.getexif().get(0x0112, 1) == 1
    assert found.info["icc_profile"] == SRGB


def test_turning_a_photo_loses_next_to_nothing() -> None:
    drawn = photo(400, 300)
    content = talkative("JPEG", 3, drawn)
    cleaned, _ = clean(content, "image/jpeg")
    lost = _apart(drawn, Image.open(BytesIO(content)))
    assert _apart(drawn.transpose(Image.Transpose.ROTATE_180), Image.open(BytesIO(cleaned))) < 1.2 * lost
    assert len(cleaned) < 2 * len(content)


def test_an_animation_stays_as_it_is() -> None:
    for form in ("GIF", "WEBP", "PNG"):
        content = animation(form)
        cleaned, measured = clean(content, _mime(form))
        assert cleaned == content
        assert measured.animated


def test_an_animation_loses_its_talk_and_keeps_its_frames() -> None:
    quiet = animation("GIF")
    for content in (animation("GIF", comment=b"Geheim-4711"), _with_xmp(quiet)):
        assert SECRETS[1] in content
        cleaned, measured = clean(content, "image/gif")
        assert cleaned == quiet
        assert measured.animated
    content = animation("WEBP", exif=camera_data(6), xmp=b"<x:xmpmeta>Geheim-4711")
    cleaned, measured = clean(content, "image/webp")
    assert not any(secret in cleaned for secret in SECRETS)
    assert measured.animated
    assert Image.open(BytesIO(cleaned)).n_frames == 4


def test_what_hangs_behind_a_photo_is_cut_off() -> None:
    film = b"\0\0\0\x18ftypmp42 Geheim-4711"
    for form in ("JPEG", "PNG", "GIF", "WEBP"):
        content = saved(photo(), form)
        assert clean(content + film, _mime(form))[0] == content
    pair = saved(photo(), "MPO", save_all=True, append_images=[photo(seed=3)], exif=camera_data())
    assert Image.open(BytesIO(pair)).format == "MPO"
    cleaned, measured = clean(pair, "image/jpeg")
    assert Image.open(BytesIO(cleaned)).format == "JPEG"
    assert not measured.animated
    assert SECRETS[0] not in cleaned
    turned = saved(photo(), "MPO", save_all=True, append_images=[photo(seed=3)], exif=camera_data(6))
    assert corner(clean(turned, "image/jpeg")[0]) == "top right"


def test_a_webp_does_not_say_that_it_has_what_it_lost() -> None:
    cleaned, _ = clean(talkative("WEBP"), "image/webp")
    assert cleaned[12:16] == b"VP8X"
    assert cleaned[20] & 0x0C == 0


@pytest.mark.parametrize("options", [{"mode": "CMYK"}, {"mode": "RGB", "keep_rgb": True}])
def test_photos_in_other_colours_look_the_same(options: dict[str, Any]) -> None:
    content = saved(photo(mode=options.pop("mode")), "JPEG", exif=camera_data(), **options)
    cleaned, _ = clean(content, "image/jpeg")
    assert SECRETS[0] not in cleaned
    assert b"\xff\xee\0\x0eAdobe" in cleaned  # says how colours are written; some readers guess wrong without it
    assert _same(cleaned, content)


@pytest.mark.parametrize("mode", ["L", "CMYK", "1"])
def test_unusual_photos_are_taken(mode: str) -> None:
    form = "PNG" if mode == "1" else "JPEG"
    content = saved(photo(mode=mode), form, exif=camera_data(6))
    cleaned, measured = clean(content, _mime(form))
    assert (measured.width, measured.height) == (64, 96)
    assert Image.open(BytesIO(cleaned)).mode == mode


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (1, 5000)])
@pytest.mark.parametrize("form", FORMS)
def test_tiny_and_narrow_pictures_are_taken(form: str, size: tuple[int, int]) -> None:
    measured = clean(saved(Image.new("RGB", size), form), _mime(form))[1]
    assert (measured.width, measured.height) == size


def _with_xmp(content: bytes) -> bytes:
    """XMP as Adobe puts it into a GIF: bare text behind an application block, then a ramp that every reader falls down."""
    packet = b"<x:xmpmeta>Geheim-4711</x:xmpmeta>"
    ramp = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    return content[:-1] + b"!\xff\x0bXMP DataXMP" + packet + ramp + content[-1:]
