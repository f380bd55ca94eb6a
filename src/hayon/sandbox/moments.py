"""Times as text, as the platforms' answers write them."""

from datetime import UTC, datetime


def iso(at: float, timespec: str = "milliseconds") -> str:
    """Unix seconds as ISO 8601 in UTC with a Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
