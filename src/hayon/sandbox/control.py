"""The control API under `/control`: accounts, ledger, requests, faults, clock, latency, reset. Not part of any platform."""

import json
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from hayon.sandbox.faults import KINDS, Fault, FaultError
from hayon.sandbox.ground import WorldError
from hayon.sandbox.model import Account, LedgerEntry
from hayon.sandbox.moments import iso
from hayon.sandbox.world import World

FAULT_FIELDS = frozenset(
    {"platform", "kind", "operation", "account", "count", "skip", "seconds", "status", "body", "headers"}
)
"""What a planned fault may say; `docs/using.md` tells what each means."""


class Control:
    """The calls, over one world. Bodies and answers are camelCase JSON; 422 `{"problem"}` for what makes no sense."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[BaseRoute]:
        """Where they are reached."""
        table = (
            ("GET", "/control/ledger", self._ledger),
            ("GET", "/control/requests", self._requests),
            ("GET", "/control/faults", self._faults),
            ("POST", "/control/faults", self._plan),
            ("DELETE", "/control/faults", self._clear),
            ("GET", "/control/accounts", self._accounts),
            ("POST", "/control/accounts", self._add_account),
            ("POST", "/control/accounts/{platform}/{name}/{change}", self._change_account),
            ("POST", "/control/redirects", self._register),
            ("POST", "/control/reset", self._reset),
            ("GET", "/control/clock", self._clock),
            ("POST", "/control/clock", self._advance),
            ("PUT", "/control/latency", self._latency),
        )
        return [Route(path, self._tell(call), methods=[method]) for method, path, call in table]

    def _tell(self, call: Any) -> Any:
        async def answered(request: Request) -> JSONResponse:
            try:
                body, status = await call(request)
            except (WorldError, FaultError) as problem:
                return JSONResponse({"problem": str(problem)}, 422)
            return JSONResponse(body, status)

        return answered

    async def _ledger(self, request: Request) -> tuple[Any, int]:
        platform, account = request.query_params.get("platform"), request.query_params.get("account")
        entries = [entry_json(entry) for entry in self._world.entries(platform, account)]
        return {"count": len(entries), "entries": entries}, 200

    async def _requests(self, request: Request) -> tuple[Any, int]:
        platform, operation = request.query_params.get("platform"), request.query_params.get("operation")
        lines = [
            line
            for line in self._world.requests
            if platform in (None, line["platform"]) and operation in (None, line["operation"])
        ]
        return {"count": len(lines), "requests": lines}, 200

    async def _faults(self, _: Request) -> tuple[Any, int]:
        kinds = {name: kind.meaning for name, kind in KINDS.items()}
        return {"faults": [fault_json(fault) for fault in self._world.faults.all()], "kinds": kinds}, 200

    async def _plan(self, request: Request) -> tuple[Any, int]:
        given = await _body(request)
        if strange := set(given) - FAULT_FIELDS:
            raise FaultError(f"a fault has no {', '.join(sorted(strange))}")
        platform, kind = _text(given, "platform"), _text(given, "kind")
        # a count of null says: until it is cleared
        lasts = "count" in given and given["count"] is None
        try:
            fault = self._world.faults.add(
                platform,
                kind,
                given.get("operation"),
                lasts=lasts,
                **{name: given[name] for name in FAULT_FIELDS - {"platform", "kind", "operation"} if name in given},
            )
        except TypeError as error:
            raise FaultError(f"this is no fault: {error}") from None
        return fault_json(fault), 201

    async def _clear(self, request: Request) -> tuple[Any, int]:
        fault_id = request.query_params.get("id")
        self._world.faults.clear(int(fault_id) if fault_id and fault_id.isdigit() else None)
        return {"faults": [fault_json(fault) for fault in self._world.faults.all()]}, 200

    async def _accounts(self, request: Request) -> tuple[Any, int]:
        origin = str(request.base_url)
        return {"accounts": [self._shown(account, origin) for account in self._world.accounts.values()]}, 200

    async def _add_account(self, request: Request) -> tuple[Any, int]:
        given = await _body(request)
        account = self._world.add_account(
            _text(given, "platform"),
            _text(given, "handle"),
            str(given.get("displayName") or ""),
            app_name=str(given.get("appName") or "Hayon"),
        )
        return self._shown(account, str(request.base_url)), 201

    async def _change_account(self, request: Request) -> tuple[Any, int]:
        path = request.path_params
        account = self._world.get_account(path["platform"], path["name"])
        if path["change"] == "renew":
            self._world.renew(account)
        elif path["change"] == "revoke":
            self._world.revoke(account)
        elif path["change"] == "expire":
            self._world.expire_access(account)
        elif path["change"] == "standing":
            self._world.set_standing(account, _text(await _body(request), "standing"))
        elif path["change"] == "role":
            self._give_role(account, await _body(request))
        else:
            raise WorldError("an account can be changed by renew, revoke, expire, standing and role")
        return self._shown(account, str(request.base_url)), 200

    def _give_role(self, account: Account, given: dict[str, Any]) -> None:
        page = self._world.get_account(account.platform, _text(given, "page"))
        tasks, business = given.get("tasks"), given.get("business", "")
        if (
            not isinstance(tasks, list)
            or not all(isinstance(one, str) for one in tasks)
            or not isinstance(business, str)
        ):
            raise WorldError("tasks must be given as a list of text, and a business by its name")
        self._world.tell(
            account.platform, "role", person=account.account_id, page=page.account_id, tasks=tasks, business=business,
            owned=given.get("owned") is not False,
        )  # fmt: skip

    async def _register(self, request: Request) -> tuple[Any, int]:
        given = await _body(request)
        self._world.tell(_text(given, "platform"), "redirect", uri=_text(given, "redirectUri"))
        return {}, 201

    async def _reset(self, _: Request) -> tuple[Any, int]:
        self._world.reset()
        return {}, 200

    async def _clock(self, _: Request) -> tuple[Any, int]:
        return {"now": iso(self._world.now())}, 200

    async def _advance(self, request: Request) -> tuple[Any, int]:
        now = self._world.advance(_number(await _body(request), "advanceSeconds"))
        return {"now": iso(now)}, 200

    async def _latency(self, request: Request) -> tuple[Any, int]:
        given = await _body(request)
        self._world.set_latency(_text(given, "platform"), _number(given, "seconds"))
        return {str(platform): seconds for platform, seconds in self._world.latency.items()}, 200

    def _shown(self, account: Account, origin: str) -> dict[str, Any]:
        return {
            "platform": account.platform,
            "id": account.account_id,
            "handle": account.handle,
            "displayName": account.display_name,
            "standing": account.standing,
            **self._world.sites[account.platform].connection(account, origin),
        }


def entry_json(entry: LedgerEntry) -> dict[str, Any]:
    """A line of the ledger."""
    return {_camel(name): value for name, value in asdict(entry).items()}


def fault_json(fault: Fault) -> dict[str, Any]:
    """A planned fault."""
    shown = {_camel(name): value for name, value in asdict(fault).items()}
    return {"id": shown.pop("faultId"), **shown}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


async def _body(request: Request) -> dict[str, Any]:
    try:
        given = json.loads(await request.body())
    except ValueError:
        raise WorldError("the body must be JSON") from None
    if not isinstance(given, dict):
        raise WorldError("the body must be a JSON object")
    return given


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise WorldError(f"{name} must be given as text")
    return value


def _number(given: dict[str, Any], name: str) -> float:
    value = given.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise WorldError(f"{name} must be a number of seconds")
    return float(value)
