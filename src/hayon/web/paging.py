"""Where a page of a list ends, as a word that leads to the next one: a time and an id. Nothing is read from the database here."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from hayon.errors import Invalid, Problem

Cursor = Annotated[str | None, Query(max_length=200)]


def write_cursor(at: datetime, last_id: UUID) -> str:
    """The word for a page whose last entry is of this time and has this id."""
    place = f"{at.isoformat()} {last_id.hex}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Time and id. Raises Invalid for what is no word of ours."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        at, last_id = base64.urlsafe_b64decode(padded).decode("ascii").split(" ")
        return datetime.fromisoformat(at).astimezone(UTC), UUID(hex=last_id)
    except (ValueError, OverflowError, binascii.Error) as error:
        message = "This is no cursor of ours; use the nextCursor of the page before."
        raise Invalid([Problem("cursor", "not_a_cursor", message)]) from error
