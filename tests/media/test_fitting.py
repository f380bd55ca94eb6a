"""Pictures are made to fit, no smaller than needed, and twice alike."""

from io import BytesIO

import pytest
from PIL import Image

from hayon.domain.model import Fitting
from hayon.errors import Rejected
from hayon.media import fit_bytes
from tests.media.drawing import SECRETS, SRGB, XMP, animation, camera_data, corner, photo, png_bomb, saved, talkative

BLUESKY = 1_000_000
ANY = ("image/jpeg", "image/png", "image/webp", "image/gif")


async def shrink(
    content: bytes, mime: str, largest_bytes: int, largest_side: int | None = None
) -> tuple[bytes, str, int, int]:
    return await fit_bytes(content, mime, Fitting(ANY, largest_bytes, largest_side))


def _opened(content: bytes) -> Image.Image:
    picture = Image.open(BytesIO(content))
    picture.load()
    return picture


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_what_fits_is_left_alone(form: str) -> None:
    content = saved(photo(), form)
    mime = f"image/{form.lower()}"
    assert await shrink(content, mime, len(content)) == (content, mime, 96, 64)
    assert await shrink(content, mime, len(content), 96) == (content, mime, 96, 64)
    made, _, width, height = await shrink(content, mime, 20_000, 95)
    assert (made != content, width, height) == (True, 95, 63)


async def test_a_large_photo_fits_and_twice_alike() -> None:
    content = talkative("JPEG", 6, photo(4000, 3000))
    assert len(content) > 2 * BLUESKY
    made, mime, width, height = await shrink(content, "image/jpeg", BLUESKY)
    assert 300_000 < len(made) <= BLUESKY
    assert (mime, _opened(made).format, _opened(made).size) == ("image/jpeg", "JPEG", (width, height))
    assert abs(width * 4 - height * 3) <= 4
    assert height >= 1600
    assert corner(made) == "top right"
    assert not any(secret in made for secret in SECRETS)
    assert (await shrink(content, "image/jpeg", BLUESKY))[0] == made


async def test_a_smaller_picture_tells_nothing_of_place_and_camera() -> None:
    content = saved(photo(), "JPEG", comment=b"Geheim-4711", xmp=XMP, exif=camera_data())
    made, _, _, _ = await shrink(content, "image/jpeg", 10_000, 80)
    assert not any(secret in made for secret in SECRETS)


async def test_a_see_through_picture_stays_see_through() -> None:
    content = saved(photo(1200, 900, "RGBA"), "PNG")
    made, mime, width, height = await shrink(content, "image/png", 400_000)
    assert len(made) <= 400_000
    assert (mime, _opened(made).size) == ("image/png", (width, height))
    low, high = _opened(made).convert("RGBA").getchannel("A").getextrema()
    assert low < 20
    assert high > 210
    assert (await shrink(content, "image/png", 400_000))[0] == made


async def test_a_picture_that_only_could_be_see_through_becomes_a_photo() -> None:
    picture = photo(600, 400).convert("RGBA")
    made, mime, _, _ = await shrink(saved(picture, "PNG"), "image/png", 60_000)
    assert (mime, _opened(made).mode) == ("image/jpeg", "RGB")


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("CMYK", "JPEG"),
        ("L", "JPEG"),
        ("L", "PNG"),
        ("1", "PNG"),
        ("P", "PNG"),
        ("LA", "PNG"),
        ("I;16", "PNG"),
        ("RGBA", "WEBP"),
    ],
)
async def test_every_kind_of_picture_can_be_made_smaller(mode: str, form: str) -> None:
    content = saved(photo(400, 300, mode), form)
    made, mime, width, height = await shrink(content, f"image/{form.lower()}", 50_000, 200)
    assert (width, height) == (200, 150)
    assert len(made) <= 50_000
    assert mime == ("image/png" if mode in ("LA", "RGBA") else "image/jpeg")
    grey = _opened(made).convert("RGBA").convert("L").resize((1, 1)).getpixel((0, 0))
    meant = photo(400, 300).convert("L").resize((1, 1)).getpixel((0, 0))
    assert isinstance(grey, int)
    assert isinstance(meant, int)
    assert abs(grey - meant) < 25


async def test_colours_are_brought_to_srgb_and_the_profile_is_dropped() -> None:
    swapped = SRGB.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
    red = Image.new("RGB", (300, 200), (255, 0, 0))
    for profile, meant in ((SRGB, (255, 0, 0)), (swapped, (0, 0, 255)), (b"no profile", (255, 0, 0))):
        made, _, _, _ = await shrink(saved(red, "JPEG", quality=100, icc_profile=profile), "image/jpeg", 10_000, 100)
        found = _opened(made)
        assert "icc_profile" not in found.info
        pixel = found.getpixel((50, 50))
        assert isinstance(pixel, tuple)
        assert all(abs(one - other) < 12 for one, other in zip(pixel, meant, strict=True))


async def test_what_is_not_upright_is_turned_even_where_it_fits() -> None:
    content = saved(photo(), "JPEG", exif=camera_data(8))
    made, _, width, height = await shrink(content, "image/jpeg", BLUESKY)
    assert (width, height, corner(made)) == (64, 96, "bottom left")


@pytest.mark.parametrize(
    ("content", "limit"),
    [
        (animation(frames=8), 3_000),
        (animation("WEBP", frames=8), 500),
        (saved(photo(400, 300), "JPEG"), 200),
        (saved(photo(400, 300), "JPEG")[:-900], 1_000),
        (b"no picture", 1),
        (png_bomb(20_000), 10_000),
    ],
    ids=["animation", "moving webp", "too tight", "damaged", "text", "bomb"],
)
async def test_what_cannot_be_made_to_fit_is_rejected(content: bytes, limit: int) -> None:
    with pytest.raises(Rejected):
        await shrink(content, "image/jpeg", limit)


# shape, type and colours, as Instagram wants them

INSTAGRAM = Fitting(("image/jpeg",), 8_000_000, 1440, 4 / 5, 1.91, srgb=True)


@pytest.mark.parametrize(
    ("size", "meant"),
    [((400, 1000), (800, 1000)), ((1000, 200), (1000, 524)), ((1000, 1000), (1000, 1000)), ((2000, 300), (1440, 754))],
)
async def test_a_shape_beyond_the_bounds_is_put_on_a_ground_and_nothing_is_cut_off(
    size: tuple[int, int], meant: tuple[int, int]
) -> None:
    drawn = Image.new("RGB", size, "teal")
    made, mime, width, height = await fit_bytes(saved(drawn, "PNG"), "image/png", INSTAGRAM)
    assert (mime, (width, height), _opened(made).size) == ("image/jpeg", meant, meant)
    picture = _opened(made)
    middle, edge = picture.getpixel((width // 2, height // 2)), picture.getpixel((0, 0))
    assert isinstance(middle, tuple)
    assert middle[2] > 100 > middle[0]
    assert (edge == (255, 255, 255)) == (size != (1000, 1000))
    again = await fit_bytes(made, "image/jpeg", INSTAGRAM)
    assert again == (made, "image/jpeg", width, height)


async def test_a_see_through_picture_gets_a_ground_where_only_jpeg_is_taken() -> None:
    drawn = Image.new("RGBA", (500, 500), (255, 0, 0, 0))
    made, mime, _, _ = await fit_bytes(saved(drawn, "PNG"), "image/png", INSTAGRAM)
    assert (mime, _opened(made).getpixel((250, 250))) == ("image/jpeg", (255, 255, 255))


async def test_a_foreign_profile_is_brought_into_srgb_where_that_is_wanted() -> None:
    swapped = SRGB.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
    content = saved(Image.new("RGB", (400, 400), (255, 0, 0)), "JPEG", quality=100, icc_profile=swapped)
    assert (await fit_bytes(content, "image/jpeg", Fitting(ANY, 8_000_000)))[0] == content
    made, _, _, _ = await fit_bytes(content, "image/jpeg", INSTAGRAM)
    pixel = _opened(made).getpixel((50, 50))
    assert isinstance(pixel, tuple)
    assert pixel[2] > 240 > pixel[0]
    assert "icc_profile" not in _opened(made).info


async def test_only_png_taken_gives_png() -> None:
    made, mime, _, _ = await fit_bytes(saved(photo(), "JPEG"), "image/jpeg", Fitting(("image/png",), 8_000_000))
    assert (mime, _opened(made).format) == ("image/png", "PNG")
