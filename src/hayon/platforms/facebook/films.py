"""What Facebook says of a video, read in one place for those who prepare it and those who look for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_QUOTE = 300


@dataclass(frozen=True, slots=True)
class FilmState:
    """How far Facebook is with a video (pages "Reels Publishing API", "Video Status").

    `received` in bytes, None where it does not say. `uploaded`: it has the whole file. `working`: it is making the video,
    or putting it before people's eyes. `published`: it is there. `hidden`: Facebook says itself that it is not; all else
    is silence. `failed`: it never will be, for the reason in `words`. A reel is made only after it was published, so one
    that waits for that is not worked on.
    """

    received: int | None
    uploaded: bool
    working: bool
    published: bool
    hidden: bool
    failed: bool
    words: str

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "FilmState":
        """As read from the fields `status` and `published` of a video."""
        status, shown = _part(body, "status"), body.get("published")
        video = _word(status, "video_status")
        phases = [_part(status, f"{name}_phase") for name in ("uploading", "processing", "publishing")]
        uploading, processing, publishing = (_word(phase, "status") for phase in phases)
        outcome = _word(phases[2], "publish_status")
        published = outcome == "published" or (
            not outcome and (publishing == "complete" or (not publishing and video == "ready" and shown is True))
        )
        return cls(
            received=_received(phases[0]),
            uploaded=uploading == "complete" or (not uploading and video in {"upload_complete", "processing", "ready"}),
            working=_IN_PROGRESS in {processing, publishing}
            or (not processing and video == "processing")
            or outcome == "scheduled",
            published=published,
            hidden=not published and (outcome == "draft" or publishing == "not_started" or shown is False),
            failed=not published
            and (
                video in {"error", "expired", "upload_failed"}
                or "error" in {uploading, processing, publishing, outcome}
            ),
            words=_words(phases),
        )


_IN_PROGRESS = "in_progress"


def _received(uploading: Mapping[str, Any]) -> int | None:
    """Meta's guide writes `bytes_transfered`, its specification `bytes_transferred`."""
    value = uploading.get("bytes_transfered", uploading.get("bytes_transferred"))
    written = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 16 else None


def _words(phases: list[Mapping[str, Any]]) -> str:
    """What Facebook says went wrong, as it may be shown."""
    faults = [fault for phase in phases for fault in [*_list(phase.get("errors")), phase.get("error")]]
    said = [
        fault["message"] for fault in faults if isinstance(fault, Mapping) and isinstance(fault.get("message"), str)
    ]
    return "".join(sign if sign.isprintable() else " " for sign in " ".join(said))[:LONGEST_QUOTE].strip()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}


def _word(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    return value.lower() if isinstance(value, str) else ""
