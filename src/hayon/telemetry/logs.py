"""How log lines look: for people on a console, or one JSON document per line for programs. On standard error."""

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

from hayon.telemetry.traceparent import find_trace


def set_up(style: str) -> None:
    """Console lines for people, without those of `debug`; or every line as JSON, with the trace it belongs to."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Any
    if style == "json":
        shared += [_add_trace, structlog.processors.format_exc_info]
        last = structlog.processors.JSONRenderer(serializer=_write)
    else:
        last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=20)
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if style == "json" else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _write(line: MutableMapping[str, Any], **_: Any) -> str:
    try:
        return orjson.dumps(line, default=str).decode()
    except TypeError:  # half a character, or a number beyond 64 bits: no event may be lost for that
        return json.dumps(line, default=str)


def _add_trace(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    trace = find_trace()
    if trace is not None:
        line.setdefault("trace_id", trace.trace_id)
    return line
