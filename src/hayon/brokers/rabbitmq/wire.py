"""What travels through RabbitMQ: bells, the mirror of what failed, probes and dead letters, to and from AMQP messages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage, AbstractMessage

from hayon.brokers.contract import Bell, DeadLetter, Parked

PROBE = "hayon.probe"
_BELL, _PARKED, _LETTER = "hayon.bell", "hayon.parked", "hayon.letter"
_JSON = "application/json"
_BODY_SHOWN = 4096
_ERROR_KEPT = 1000


class Unreadable(Exception):
    """This is no bell; the text says why."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message and where it goes. `mandatory`: it shall come back when nothing takes it (never so with the delayed exchange)."""

    exchange: str
    key: str
    message: AbstractMessage
    mandatory: bool = True


def key_of(platform: str) -> str:
    """The routing key of a bell."""
    return f"post.create.{platform}"


def write_bell(bell: Bell, *, delay: timedelta | None = None) -> Message:
    """`delay` is for the delayed message exchange; waiting queues have theirs."""
    body = {
        "postId": str(bell.post_id), "userId": str(bell.user_id), "platform": bell.platform,
        "timestamp": bell.timestamp.isoformat(), "correlationId": bell.correlation_id,
        "targetId": str(bell.target_id), "version": bell.version, "ring": bell.ring,
    }  # fmt: skip
    headers: dict[str, Any] = {"traceparent": bell.traceparent} if bell.traceparent else {}
    if delay is not None:
        headers["x-delay"] = round(delay / timedelta(milliseconds=1))
    return Message(
        json.dumps(body).encode(), headers=headers, type=_BELL, content_type=_JSON,
        delivery_mode=DeliveryMode.PERSISTENT, timestamp=bell.timestamp, correlation_id=bell.correlation_id,
        # A message that comes back is matched by its id (aiormq: channel.py), which therefore is unique while it is under way.
        message_id=f"{bell.target_id}.{bell.version}.{bell.ring}",
    )  # fmt: skip


def read_bell(message: AbstractMessage) -> Bell:
    """Raises Unreadable."""
    try:
        said = json.loads(message.body)
        bell = Bell(
            UUID(said["postId"]), UUID(said["targetId"]), UUID(said["userId"]), _text(said["platform"]),
            _number(said["version"]), _number(said["ring"]), datetime.fromisoformat(said["timestamp"]),
            _text(said["correlationId"]), _text(message.headers.get("traceparent", "")),
        )  # fmt: skip
    except KeyError as missing:
        raise Unreadable(f"it is no bell: {missing} is missing") from missing
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"it is no bell: {error}") from error
    if bell.timestamp.tzinfo is None:
        raise Unreadable("it is no bell: its timestamp has no zone")
    return bell


def is_probe(message: AbstractMessage) -> bool:
    """Our own start-up probe: nobody's bell."""
    return message.type == PROBE


def write_probe(probe_id: str, *, lives: timedelta | None = None, delay: timedelta | None = None) -> Message:
    """Where it is not fetched it ends by itself after `lives`. `delay` is for the delayed message exchange."""
    headers: dict[str, Any] = {} if delay is None else {"x-delay": round(delay / timedelta(milliseconds=1))}
    return Message(b"", headers=headers, type=PROBE, message_id=probe_id, expiration=lives)


def write_parked(parked: Parked) -> Message:
    """The mirror of a failed target, with the seeds' headers."""
    body = {
        "postId": str(parked.post_id), "userId": str(parked.user_id), "platform": parked.platform,
        "targetId": str(parked.target_id), "timestamp": parked.parked_at.isoformat(),
    }  # fmt: skip
    headers: dict[str, Any] = {
        "x-retry-count": parked.retry_count, "x-original-routing-key": key_of(parked.platform),
        "x-last-error": parked.last_error[:_ERROR_KEPT], "x-parked-at": parked.parked_at.isoformat(),
    }  # fmt: skip
    return Message(
        json.dumps(body).encode(), headers=headers, type=_PARKED, content_type=_JSON,
        delivery_mode=DeliveryMode.PERSISTENT, timestamp=parked.parked_at,
        message_id=f"{parked.target_id}.parked.{uuid4().hex[:8]}",
    )  # fmt: skip


def find_parked_target(message: AbstractMessage) -> UUID | None:
    """Whose mirror this is; None for what is not ours."""
    try:
        return UUID(json.loads(message.body)["targetId"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def write_letter(message: AbstractIncomingMessage, reason: str) -> Message:
    """A copy of what could not be read, for the dead letters, with where it came from."""
    headers: dict[str, Any] = {
        **message.headers, "x-reason": reason,
        "x-original-exchange": message.exchange or "", "x-original-routing-key": message.routing_key or "",
    }  # fmt: skip
    return Message(
        message.body, headers=headers, type=_LETTER, content_type=message.content_type,
        delivery_mode=DeliveryMode.PERSISTENT, timestamp=datetime.now(UTC), correlation_id=message.correlation_id,
        message_id=f"letter.{uuid4().hex}",
    )  # fmt: skip


def write_copy(message: AbstractIncomingMessage) -> Message:
    """The same for another place: persistent, and without a time to live, which was meant for the place it leaves."""
    return Message(
        message.body, headers=message.headers, type=message.type, content_type=message.content_type,
        content_encoding=message.content_encoding, delivery_mode=DeliveryMode.PERSISTENT, timestamp=message.timestamp,
        correlation_id=message.correlation_id, message_id=message.message_id, reply_to=message.reply_to, app_id=message.app_id,
    )  # fmt: skip


def read_letter(message: AbstractMessage) -> DeadLetter:
    """Its reason is our own, or what the broker wrote when it gave the message up (x-death)."""
    death = _first_death(message.headers)
    reason = message.headers.get("x-reason") or _reason_of(death)
    try:
        bell = read_bell(message)
    except Unreadable:
        bell = None
    died_at = death.get("time") or message.timestamp
    if not isinstance(died_at, datetime):
        died_at = None
    elif died_at.tzinfo is None:
        died_at = died_at.replace(tzinfo=UTC)
    # The id has to be the same at every look, also for a stranger's message without one.
    known_by = repr((message.message_id, died_at, message.timestamp)).encode() + b"|" + message.body
    return DeadLetter(sha256(known_by).hexdigest()[:20], str(reason), message.body[:_BODY_SHOWN], bell, died_at)


def _first_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    deaths = headers.get("x-death")
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}


def _reason_of(death: Mapping[str, Any]) -> str:
    if not death:
        return "unknown: somebody put it here"
    if death.get("reason") == "delivery_limit":
        return f"it came back too often (delivery limit of {death.get('queue')})"
    return f"{death.get('reason')} in {death.get('queue')}"


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise ValueError(f"{said!r} is no text")  # noqa: TRY004 - of the kind that the reader expects
    return said


def _number(said: object) -> int:
    if not isinstance(said, int) or isinstance(said, bool):
        raise ValueError(f"{said!r} is no whole number")  # noqa: TRY004 - see above
    return said
