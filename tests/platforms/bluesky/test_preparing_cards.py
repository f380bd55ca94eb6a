"""Preparing the link card: a page that fails costs the card, a picture that fails costs the thumbnail, never the post."""

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image

from hayon.errors import CredentialExpired, Unreachable
from hayon.media import fit_bytes
from hayon.outgoing import Answer
from hayon.platforms.bluesky import Bluesky
from tests.platforms.bluesky.scripted import (
    ADAPTER,
    Server,
    answered,
    blob,
    parcel,
    picture,
    prepare,
    refused,
    taken,
)
from tests.platforms.parcels import NOW

HTML = {"content-type": "text/html"}
PNG = {"content-type": "image/png"}
PAGE = "<title>T</title><meta property='og:description' content='D'>"
PAGE_WITH_PICTURE = PAGE + "<meta property='og:image' content='https://a.com/p.png'>"
LATER = NOW + timedelta(hours=2)


async def test_the_first_link_becomes_a_card() -> None:
    server = Server(
        {"uploadBlob": taken("thumb")},
        {
            "https://a.com/x": answered(PAGE_WITH_PICTURE, 200, HTML),
            "https://a.com/p.png": answered(picture(), 200, PNG),
        },
    )
    handles, save = await prepare(parcel("#tag a.com/x and https://b.com"), server)
    assert handles["record"]["embed"] == {
        "$type": "app.bsky.embed.external",
        "external": {"uri": "https://a.com/x", "title": "T", "description": "D", "thumb": blob("thumb")},
    }
    again, _ = await prepare(replace(parcel(), checkpoint=save.last), silent := Server())
    assert again["record"] == handles["record"]
    assert silent.fetched == []


@pytest.mark.parametrize(
    ("changes", "adapter"),
    [
        ({"options": {"linkCard": False}}, ADAPTER),
        ({"allow_link_card": False}, ADAPTER),
        ({}, Bluesky(fit=fit_bytes, link_cards=False)),
    ],
)
async def test_no_page_is_fetched_where_cards_are_off(changes: dict[str, Any], adapter: Bluesky) -> None:
    server = Server()
    handles, _ = await prepare(parcel("https://a.com", **changes), server, adapter)
    assert server.fetched == []
    assert "embed" not in handles["record"]
    assert handles["record"]["facets"]


async def test_no_page_is_fetched_where_there_are_pictures() -> None:
    server = Server({"uploadBlob": taken("a")})
    handles, _ = await prepare(parcel("https://a.com", 1), server)
    assert server.fetched == []
    assert handles["record"]["embed"]["$type"] == "app.bsky.embed.images"


@pytest.mark.parametrize(
    "pages", [{}, {"https://a.com": answered("", 500, HTML)}, {"https://a.com": answered("none", 200, HTML)}]
)
async def test_a_page_that_cannot_be_read_costs_the_card_not_the_post(pages: dict[str, Any]) -> None:
    handles, save = await prepare(parcel("https://a.com"), Server(pages=dict(pages)))
    assert "embed" not in handles["record"]
    assert save.last["card"] is None
    late = Server(pages={"https://a.com": answered(PAGE, 200, HTML)})
    again, _ = await prepare(replace(parcel("https://a.com"), checkpoint=save.last), late)
    assert again["record"] == handles["record"]  # decided is decided: a retry sends the same record


@pytest.mark.parametrize(
    ("shown", "upload"),
    [
        (Unreachable("gone", host="a.com"), taken("x")),
        (answered(b"no picture", 200, PNG), taken("x")),
        (answered(picture(), 200, PNG), refused(400, "InvalidRequest", "Blob has been takendown")),
        (answered(picture(), 200, PNG), answered("<html>", 502)),
    ],
)
async def test_a_thumbnail_that_fails_costs_the_thumbnail(shown: Any, upload: Answer) -> None:
    pages = {"https://a.com": answered(PAGE_WITH_PICTURE, 200, HTML), "https://a.com/p.png": shown}
    handles, _ = await prepare(parcel("https://a.com"), Server({"uploadBlob": upload}, pages))
    assert handles["record"]["embed"]["external"] == {"uri": "https://a.com", "title": "T", "description": "D"}


async def test_a_thumbnail_is_made_to_fit() -> None:
    noise = Image.effect_noise((600, 600), 90)
    Image.merge("RGB", [noise, noise.rotate(90), noise.rotate(180)]).save(kept := io.BytesIO(), "PNG")
    assert len(kept.getvalue()) > 1_000_000
    pages = {
        "https://a.com": answered(PAGE_WITH_PICTURE, 200, HTML),
        "https://a.com/p.png": answered(kept.getvalue(), 200, PNG),
    }
    server = Server({"uploadBlob": taken("thumb")}, pages)
    await prepare(parcel("https://a.com"), server)
    (request,) = server.asked
    assert isinstance(request.body, bytes)
    assert len(request.body) <= 1_000_000
    assert request.headers["Content-Type"] == "image/jpeg"


async def test_a_session_that_ended_is_renewed_before_the_thumbnail_is_given_up() -> None:
    pages = {
        "https://a.com": answered(PAGE_WITH_PICTURE, 200, HTML),
        "https://a.com/p.png": answered(picture(), 200, PNG),
    }
    with pytest.raises(CredentialExpired):
        await prepare(parcel("https://a.com"), Server({"uploadBlob": refused(400, "ExpiredToken")}, dict(pages)))


async def test_an_old_thumbnail_is_fetched_again_or_left_out() -> None:
    pages = {
        "https://a.com": answered(PAGE_WITH_PICTURE, 200, HTML),
        "https://a.com/p.png": answered(picture(), 200, PNG),
    }
    first = parcel("https://a.com")
    handles, save = await prepare(first, Server({"uploadBlob": taken("thumb")}, dict(pages)))
    late = replace(first, checkpoint=save.last, now=LATER)
    same, _ = await prepare(late, Server({"uploadBlob": taken("thumb")}, dict(pages)))
    assert same == handles
    bare, saved = await prepare(late, Server())
    assert bare["rkey"] == handles["rkey"]
    assert "thumb" not in bare["record"]["embed"]["external"]
    again, _ = await prepare(replace(late, checkpoint=saved.last), Server())
    assert again == bare
