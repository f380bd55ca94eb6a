"""How much Meta still lets be done: read from the headers of any answer, and asked of the endpoints that count posts.

Sources: Meta's pages "Rate Limits", "Threads API: Rate limiting", "Instagram: Content Publishing Limit".
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from hayon.outgoing import Answer, Outgoing
from hayon.platforms.contract import Allowance
from hayon.platforms.meta.graph import Graph
from hayon.platforms.meta.reading import flat

HOUR = 3_600
"""The window in which the calls of an app are counted; that of an account's calls is told as an hour and as a day."""
_SPENT = ("call_count", "total_cputime", "total_time")


def usage_told(answer: Answer, now: datetime, *, app_seconds: int = HOUR, shared: bool = True) -> Sequence[Allowance]:
    """What the headers say of calls, in percent of what is allowed: `X-App-Usage` of the app's, all people's together, and
    `X-Business-Use-Case-Usage` of the account's. The worst of the numbers counts. Nothing where they cannot be read.

    `shared` is False where an app's calls are counted for each person by themselves, within `app_seconds`.
    """
    return [*_of_app(answer, app_seconds, shared=shared), *_of_account(answer, now)]


async def posts_left(graph: Graph, outgoing: Outgoing, edge: str) -> Sequence[Allowance]:
    """What `edge`, the quota endpoint of an account, says of its posts within the last day (`quota_duration` seconds)."""
    body = flat(await graph.ask(outgoing, graph.get(edge, fields="quota_usage,config")))
    config = body.get("config")
    used, limit, seconds = (
        _whole(value) for value in (body.get("quota_usage"), *(_at(config, "quota_total"), _at(config, "quota_duration")))
    )  # fmt: skip
    if used is None or limit is None:
        return []
    return [Allowance("posts", max(0, limit - used), limit, seconds)]


def _of_app(answer: Answer, seconds: int, *, shared: bool) -> Iterator[Allowance]:
    spent = _percent(_header(answer, "x-app-usage"))
    if spent is not None:
        yield Allowance("calls", max(0, 100 - spent), 100, seconds, of_app=shared)


def _of_account(answer: Answer, now: datetime) -> Iterator[Allowance]:
    told = _header(answer, "x-business-use-case-usage")
    many = [one for listed in told.values() if isinstance(listed, list) for one in listed]
    known = [spent for spent in map(_percent, many) if spent is not None]
    if not known:
        return
    minutes = max((_whole(_at(one, "estimated_time_to_regain_access")) or 0 for one in many), default=0)
    try:
        resets_at = now + timedelta(minutes=minutes) if minutes > 0 else None
    except OverflowError:
        resets_at = None
    left = 0 if resets_at is not None else max(0, 100 - max(known))
    yield Allowance("calls", left, 100, resets_at=resets_at)


def _header(answer: Answer, name: str) -> Mapping[str, Any]:
    try:
        told = json.loads(answer.headers.get(name, "{}"))
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, Mapping) else {}


def _percent(told: Any) -> int | None:
    """The highest of the percentages."""
    spent = [number for name in _SPENT if (number := _whole(_at(told, name))) is not None]
    return max(spent) if spent else None


def _at(told: Any, name: str) -> Any:
    return told.get(name) if isinstance(told, Mapping) else None


def _whole(value: Any) -> int | None:
    """A number that counts something; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < 2**31 else None
