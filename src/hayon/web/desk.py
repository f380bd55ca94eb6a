"""What every route may reach: Hayon itself, and the few things the front desk keeps for itself while the process lives."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request

from hayon.web.passwords import Passwords
from hayon.web.throttle import Throttle
from hayon.web.watching import Watch
from hayon.wiring import Hayon, media_place

TRIES, TRIES_REFILL = 10, timedelta(minutes=1)
"""How often somebody's password may be tried, counted in the database for all processes (`store/tries.py`)."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One per application."""

    hayon: Hayon
    watch: Watch
    passwords: Passwords = field(default_factory=Passwords)
    tries_per_address: Throttle = field(default_factory=lambda: Throttle(40, 15))

    @property
    def is_secure(self) -> bool:
        """Whether people reach this over https, so that cookies may be Secure."""
        return self.hayon.settings.public_url.startswith("https://")

    @property
    def public_origin(self) -> str:
        """Scheme and host people reach this at, or nothing where it is not set."""
        parts = urlsplit(self.hayon.settings.public_url)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""

    @property
    def uploads_to(self) -> str:
        """The origin that files are sent to where they are kept elsewhere; nothing where they are sent to us."""
        place = media_place(self.hayon.settings)
        return place.origins[0] if place else ""


async def desk_of(request: Request) -> Desk:
    """The desk of the application that this request came to."""
    desk: Any = request.app.state.desk
    if not isinstance(desk, Desk):
        raise TypeError("the application was not put together by build()")
    return desk


TheDesk = Annotated[Desk, Depends(desk_of)]
