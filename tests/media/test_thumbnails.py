"""Small pictures of pictures and videos."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from hayon.errors import Invalid, NotFound
from hayon.media import portrait, thumbnail
from tests.media.drawing import SECRETS, animation, corner, photo, png_bomb, saved, talkative
from tests.media.filming import film


def opened(content: bytes) -> Image.Image:
    picture = Image.open(BytesIO(content))
    assert (picture.format, picture.mode) == ("JPEG", "RGB")
    return picture


@pytest.mark.parametrize(("form", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "I;16"), ("PNG", "P"), ("WEBP", "RGB"), ("GIF", "L")])  # fmt: skip
async def test_a_picture_is_made_small(form: str, mode: str, tmp_path: Path) -> None:
    content = saved(photo(1200, 900, mode), form)
    made = await thumbnail(content)
    assert opened(made).size == (320, 240)
    assert len(made) < 40_000
    (tmp_path / "picture").write_bytes(content)
    assert await thumbnail(tmp_path / "picture") == made
    meant = photo(1200, 900).convert("L")
    if mode == "RGBA":
        meant.paste(255, (0, 0, 1200, 900), photo(1200, 900, mode).getchannel("A").point(lambda value: 255 - value))
    assert abs(ImageStat.Stat(opened(made).convert("L")).mean[0] - ImageStat.Stat(meant).mean[0]) < 25


async def test_it_is_upright_silent_and_never_larger() -> None:
    made = await thumbnail(talkative("JPEG", 6, photo(1200, 900)))
    assert (opened(made).size, corner(made)) == ((240, 320), "top right")
    assert not any(secret in made for secret in SECRETS)
    assert opened(await thumbnail(saved(photo(80, 60), "PNG"))).size == (80, 60)
    assert opened(await thumbnail(saved(Image.new("RGB", (2, 5000)), "PNG"))).size == (1, 320)


@pytest.mark.parametrize("size", [(900, 300), (300, 900), (60, 40)])
async def test_a_portrait_is_the_middle_of_a_picture_square_and_silent(size: tuple[int, int]) -> None:
    drawn = photo(*size)
    drawn.paste("blue", (size[0] // 3, size[1] // 3, 2 * size[0] // 3, 2 * size[1] // 3))
    made = await portrait(talkative("JPEG", picture=drawn))
    assert opened(made).size == (128, 128)
    red, green, blue = opened(made).getpixel((64, 64))
    assert blue > 200
    assert max(red, green) < 100
    assert not any(secret in made for secret in SECRETS)


async def test_a_portrait_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(Invalid, match="A face has"):
        await portrait(saved(Image.new("L", (5_000, 5_000)), "PNG"))


async def test_an_animation_shows_its_first_picture() -> None:
    made = await thumbnail(animation("GIF", size=(400, 300)))
    assert (opened(made).size, corner(made)) == ((320, 240), "top left")


@pytest.mark.parametrize(
    ("rotation", "shown"), [(0, "top left"), (90, "bottom left"), (180, "bottom right"), (-90, "top right")]
)
async def test_a_video_shows_a_picture_of_it_turned_as_it_is_played(tmp_path: Path, rotation: int, shown: str) -> None:
    """FFmpeg counts the angle against the clock: the red corner of a film that is to be turned by 90 ends at the bottom."""
    (tmp_path / "film").write_bytes(film(size=(640, 360), rotation=rotation))
    made = await thumbnail(tmp_path / "film")
    assert (opened(made).size, corner(made)) == ((180, 320) if rotation % 180 else (320, 180), shown)
    assert len(made) < 40_000


async def test_a_film_of_wide_pixels_is_shown_wide(tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(film(size=(320, 180), shape=(2, 1)))
    assert opened(await thumbnail(tmp_path / "film")).size == (320, 90)


@pytest.mark.parametrize(("black", "is_black"), [(0, False), (20, False), (45, True)])
async def test_a_video_that_begins_in_the_dark_shows_its_first_light_or_its_first_second(
    tmp_path: Path, black: int, is_black: bool
) -> None:
    (tmp_path / "film").write_bytes(film("webm", video="libvpx", audio=None, black=black, frames=60))
    made = opened(await thumbnail(tmp_path / "film"))
    assert (ImageStat.Stat(made.convert("L")).mean[0] < 16) == is_black


async def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(film()[:-300])
    for source in (tmp_path / "broken", b"words", png_bomb(20_000), film()):
        with pytest.raises(Invalid):
            await thumbnail(source)
    with pytest.raises(NotFound):
        await thumbnail(tmp_path / "nothing")
