"""Planned mishaps: what kinds there are, where each makes sense, and the plan that says which request meets which.

Deciding only. The gate and the platforms play the faults; nothing here waits, answers or cuts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hayon.sandbox.model import Platform


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of fault needs."""

    meaning: str
    ends: bool = False
    """It decides how the request ends; of several, a request meets only the first."""
    particular: bool = False
    """A platform says where it can be played, or why it cannot; any other can be played everywhere."""
    seconds: float | None = None
    """Its length unless one is given; None: it has no length."""
    lasts: bool = False
    """A habit of the server: stays until cleared unless a count is given."""
    on_repeats: bool = False
    """Its count is of repeats, which only the platform recognises, and not of requests."""


KINDS: Mapping[str, Kind] = {
    "delay": Kind("the effect and the answer wait `seconds`", seconds=1.0),
    "delay_answer": Kind("the effect takes place at once, the answer waits `seconds`", seconds=1.0),
    "refuse": Kind("answered with `status`, `body`, `headers`; no effect", ends=True),
    "rate_limit": Kind(
        "refused as the platform words too many calls, for `seconds`; no effect", ends=True, seconds=60.0
    ),
    "drop_before": Kind("the connection is cut before any effect", ends=True),
    "accept_then_drop": Kind("the effect takes place, then the connection is cut", ends=True),
    "accept_late": Kind("silence; the effect takes place `seconds` after arrival", ends=True, seconds=5.0),
    "error_after_accept": Kind("the effect takes place, the answer is `status` (500)", ends=True),
    "revoke_token": Kind("the account's credential is revoked just before this request"),
    "expire_token": Kind("the account's access tokens expire just before this request", particular=True),
    "list_late": Kind(
        "what lands appears in listings `seconds` later",
        particular=True,
        seconds=30.0,
        lasts=True,
    ),
    "status_late": Kind(
        "read by its id, a container or post shows the publishing `seconds` later",
        particular=True,
        seconds=30.0,
        lasts=True,
    ),
    "double_on_repeat": Kind(
        "a repeat of the publishing call makes a second copy",
        particular=True,
        lasts=True,
        on_repeats=True,
    ),
    "key_at_start": Kind(
        "the Idempotency-Key is checked only when a request begins (Mastodon up to 4.5)",
        particular=True,
        lasts=True,
    ),
    "crash_on_repeat": Kind(
        "a repeat under a known Idempotency-Key answers 500 and makes no copy (Mastodon 4.6.0)",
        particular=True,
        lasts=True,
        on_repeats=True,
    ),
    "silent_drop": Kind("200 with an id that is never stored, as Mastodon's anti-spam does", particular=True),
    "slow_media": Kind(
        "a file is taken and is being processed for `seconds`",
        particular=True,
        seconds=10.0,
        lasts=True,
    ),
    "failed_media": Kind(
        "a file is taken and its processing fails after `seconds`",
        particular=True,
        seconds=0.0,
    ),
}


@dataclass(frozen=True, slots=True)
class Mishaps:
    """What can go wrong on one platform."""

    operations: frozenset[str]
    """The names of all its operations."""
    where: Mapping[str, tuple[str, ...]]
    """The particular kinds that it plays, each with the operations that can meet it; none named: all."""
    why_not: Mapping[str, str]
    """The particular kinds that it does not play, each with the reason."""


class FaultError(ValueError):
    """This fault cannot be planned; the message says why."""


@dataclass(slots=True)
class Fault:
    """One planned mishap. `left` is how many more requests it will meet; None: until it is cleared."""

    fault_id: int
    platform: Platform
    operation: str | None
    kind: str
    account: str | None = None
    left: int | None = 1
    skip: int = 0
    seconds: float = 0.0
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    struck: int = 0


@dataclass(frozen=True, slots=True)
class Met:
    """The faults one request meets."""

    faults: tuple[Fault, ...] = ()

    def find(self, kind: str) -> Fault | None:
        """The first of that kind."""
        return next((fault for fault in self.faults if fault.kind == kind), None)

    @property
    def ending(self) -> Fault | None:
        """The one that decides how the request ends."""
        return next((fault for fault in self.faults if KINDS[fault.kind].ends), None)


class FaultPlan:
    """All planned faults of a world, in the order they were planned, and what its platforms can play."""

    def __init__(self, platforms: Mapping[Platform, Mishaps]) -> None:
        self._platforms = platforms
        self._faults: list[Fault] = []
        self._next_id = 1

    def add(
        self,
        platform: str,
        kind: str,
        operation: str | None = None,
        *,
        account: str | None = None,
        count: int | None = None,
        lasts: bool = False,
        skip: int = 0,
        seconds: float | None = None,
        status: int | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Fault:
        """Plan a fault for the next `count` matching requests (one, or by the kind's habit), after `skip` of them.

        `lasts` keeps it until it is cleared. `account` is an id or a handle. FaultError if it makes no sense.
        """
        where, rules = self._known(platform, kind, operation)
        possible = self._platforms[where].where.get(kind, ())
        if operation is None and len(possible) == 1:
            operation = possible[0]
        if seconds is not None and rules.seconds is None:
            raise FaultError(f"{kind} has no seconds")
        if (count is not None and count < 1) or skip < 0 or (seconds is not None and seconds < 0):
            raise FaultError("count must be at least 1, skip and seconds at least 0")
        if status is not None and not 200 <= status <= 599:
            raise FaultError("status must be an HTTP status from 200 to 599")
        if kind == "refuse" and status is None:
            raise FaultError("refuse needs a status")
        left = count if count is not None else None if lasts or rules.lasts else 1
        length = seconds if seconds is not None else rules.seconds or 0.0
        fault = Fault(
            self._next_id, where, operation, kind, account, left, skip, length, status, body, dict(headers or {})
        )
        self._next_id += 1
        self._faults.append(fault)
        return fault

    def meet(self, platform: Platform, operation: str, names: frozenset[str]) -> Met:
        """The faults that a request of an account known by `names` meets now; their counts go down."""
        if not self._faults:
            return Met()
        met: list[Fault] = []
        ended = False
        for fault in self._faults:
            if fault.platform is not platform or not self._is_for(fault, operation):
                continue
            if fault.account is not None and fault.account not in names:
                continue
            if KINDS[fault.kind].ends and ended:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            met.append(fault)
            ended = ended or KINDS[fault.kind].ends
            if not KINDS[fault.kind].on_repeats:
                self._strike(fault)
        self._faults = [fault for fault in self._faults if fault.left != 0]
        return Met(tuple(met))

    def strike(self, fault: Fault) -> None:
        """Count a fault that strikes later than at the start of a request."""
        self._strike(fault)
        self._faults = [kept for kept in self._faults if kept.left != 0]

    def all(self) -> list[Fault]:
        """The faults still waiting."""
        return list(self._faults)

    def clear(self, fault_id: int | None = None) -> None:
        """Drop one fault, or all."""
        self._faults = [fault for fault in self._faults if fault_id is not None and fault.fault_id != fault_id]

    def _is_for(self, fault: Fault, operation: str) -> bool:
        if fault.operation is not None:
            return fault.operation == operation
        possible = self._platforms[fault.platform].where.get(fault.kind, ())
        return not possible or operation in possible

    def _known(self, platform: str, kind: str, operation: str | None) -> tuple[Platform, Kind]:
        where = next((one for one in self._platforms if one == platform), None)
        if where is None:
            raise FaultError(f"there is no platform {platform!r}")
        rules, mishaps = KINDS.get(kind), self._platforms[where]
        if rules is None:
            raise FaultError(f"there is no fault {kind!r}; there are {', '.join(sorted(KINDS))}")
        if rules.particular and kind not in mishaps.where:
            raise FaultError(f"{kind} is not possible on {where}: {mishaps.why_not[kind]}")
        if operation is not None and operation not in mishaps.operations:
            raise FaultError(f"{where} has no operation {operation!r}; it has {', '.join(sorted(mishaps.operations))}")
        possible = mishaps.where.get(kind, ())
        if possible and operation not in (None, *possible):
            raise FaultError(f"{kind} is only possible for {' and '.join(possible)}")
        return where, rules

    @staticmethod
    def _strike(fault: Fault) -> None:
        fault.struck += 1
        if fault.left is not None:
            fault.left -= 1
