"""The pictures that simulated people show of themselves: drawn from their names, the same ones each time."""

import hashlib
from functools import lru_cache
from io import BytesIO
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hayon.sandbox.model import Account

SIDE = 256
_FINER = 2
"""Drawn larger and made smaller, so that its edges are smooth."""


def portrait_url(base_url: str, account: Account) -> str:
    """Where this person's picture is: the same one on every platform, as people do."""
    return f"{base_url}/portraits/{quote(account.display_name or account.handle, safe='')}.png"


def routes() -> list[BaseRoute]:
    """Where they are."""
    return [Route("/portraits/{name}.png", _show)]


async def _show(request: Request) -> Response:
    return Response(draw(request.path_params["name"]), media_type="image/png")


@lru_cache(maxsize=64)
def draw(name: str) -> bytes:
    """Head and shoulders before the sun, in colours of this name's own: a PNG."""
    from PIL import Image, ImageDraw  # late: only a picture needs it, and it is heavy

    mixed = hashlib.sha256(name.encode("utf-8", "replace")).digest()
    hue, other, lean = mixed[0] * 360 // 256, (mixed[0] * 360 // 256 + 120 + mixed[1] // 2) % 360, mixed[2] % 41 - 20
    side = SIDE * _FINER
    picture = Image.new("RGB", (side, side), f"hsl({hue}, 62%, 82%)")
    pen = ImageDraw.Draw(picture)

    def circle(x: float, y: float, radius: float, colour: str) -> None:
        pen.ellipse([side * part for part in (x - radius, y - radius, x + radius, y + radius)], fill=colour)

    circle(0.5 + lean / 100, 0.36, 0.3, f"hsl({hue}, 75%, 92%)")
    circle(0.5, 1.02, 0.4, f"hsl({other}, 45%, 38%)")
    circle(0.5, 0.42, 0.19, f"hsl({20 + mixed[3] % 15}, 48%, {45 + mixed[4] % 35}%)")
    hair = [side * part for part in (0.3, 0.215, 0.7, 0.615)]
    pen.chord(hair, 192 + lean / 2, 348 + lean / 2, fill=f"hsl({mixed[5] % 50}, 45%, 22%)")
    written = BytesIO()
    picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(written, "PNG", optimize=True)
    return written.getvalue()
