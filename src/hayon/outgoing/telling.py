"""Each call out is told once: where it went, what was answered, how long it took. Nothing of what was said in it is told."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from yarl import URL

from hayon import telemetry

_LONGEST_PART = 40
"""Longer parts of a path may be keys to a door (signed addresses of files, upload sessions)."""


class Call:
    """One call on its way. `answered` is told the status as soon as there is one."""

    __slots__ = ("status",)

    def __init__(self) -> None:
        self.status: int | None = None

    def answered(self, status: int) -> None:
        """There is an answer."""
        self.status = status


@contextmanager
def tell_call(method: str, url: URL) -> Iterator[Call]:
    """Tells of the call when it is over, however it ends. An error passes through."""
    host, path, began, call = (url.raw_host or "").lower(), shown_path(url), time.perf_counter(), Call()
    facts = {"http.request.method": method, "server.address": host, "url.path": path}
    with telemetry.open_child(method, telemetry.Kind.CLIENT, facts) as span:
        try:
            yield call
        except BaseException as error:
            telemetry.emit(
                "call.unanswered", level="debug", method=method, host=host, path=path,
                milliseconds=_milliseconds(began), error=type(error).__name__,
            )  # fmt: skip
            raise
        if span is not None and call.status is not None:
            span.tell({"http.response.status_code": call.status})
        telemetry.emit(
            "call.answered", level="debug", method=method, host=host, path=path, status=call.status,
            milliseconds=_milliseconds(began),
        )  # fmt: skip


def shown_path(url: URL) -> str:
    """The path without parts that may be secrets. The query, where most secrets are, is never shown."""
    return "/".join(part if len(part) <= _LONGEST_PART else "…" for part in url.raw_path.split("/"))


def _milliseconds(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
