"""The ways into a simulated Graph: the version in the path, and the operation that a path means by the kind of its object."""

import re
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from hayon.sandbox.gate import Door, Endpoint, Gate
from hayon.sandbox.meta.forks import Choice, Fork
from hayon.sandbox.meta.graph import error, not_there
from hayon.sandbox.model import Platform

GRAPH_VERSION = re.compile(r"(?:[2-9]|1[0-9]|2[0-6])\.[0-9]{1,2}")
"""Graph versions so far; a dead one is served by the next that lives, so they all are the same here."""
THREADS_VERSION = re.compile(r"1\.0")


DIALOG = "dialog/oauth"
"""A page under a version, where all else is calls."""


class _Calls(Route):
    """All that stands under a version but the page."""

    def matches(self, scope: Scope) -> tuple[Match, MutableMapping[str, Any]]:
        match, found = super().matches(scope)
        page = match is not Match.NONE and found["path_params"]["rest"] == DIALOG
        return (Match.NONE, {}) if page else (match, found)


class Entrance:
    """One application for all calls of a platform, since the Graph's paths are ids: `/{id}` is a container or a post.

    `table` has a method, a path and an endpoint (or a choice among several) each. In a path, `{container}` stands for the id of an object whose kind
    `kind_of` calls so, or of one that it does not know (None); the first that fits is taken. `{user}` is `me` too. The
    endpoint finds the id in `call.request.path_params["node"]`.
    """

    def __init__(
        self,
        gate: Gate,
        platform: Platform,
        table: Sequence[tuple[str, str, Endpoint | Choice]],
        kind_of: Callable[[str], str | None],
        version: re.Pattern[str],
    ) -> None:
        self._platform = platform
        self._ways: list[tuple[str, tuple[str, ...], Door | Fork]] = [
            (method, tuple(path.split("/")), Fork(gate, one) if isinstance(one, Choice) else gate.door(one))
            for method, path, one in table
        ]
        self._kind_of = kind_of
        self._version = version
        self.doors = [door for _, _, way in self._ways for door in (way.doors if isinstance(way, Fork) else [way])]

    def routes(self) -> list[BaseRoute]:
        """Under a version all of it, and without one what names no object: token endpoints, `me`."""
        fixed = dict.fromkeys("/".join(parts) for _, parts, _ in self._ways if not any("{" in part for part in parts))
        return [
            _Calls(f"/{self._platform}/v{{version}}/{{rest:path}}", self),
            *(Route(f"/{self._platform}/{path}", self) for path in (*fixed, "me")),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through the door that its path means, or say as the Graph does that there is none."""
        given = scope["path_params"]
        path = str(given["rest"]) if "rest" in given else scope["path"].removeprefix(f"/{self._platform}/")
        parts = tuple(path.strip("/").split("/"))
        known = "version" not in given or self._version.fullmatch(given["version"]) is not None
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        for asked, pattern, door in self._ways if known else ():
            if asked == method and self._fits(pattern, parts):
                # outer path parameters are of no use to an endpoint
                scope["path_params"] = {"node": parts[0]}
                await door(scope, receive, send)
                return
        same = known and any(self._fits(pattern, parts) for _, pattern, _ in self._ways)
        refused = (
            not_there(method, parts[0]) if same else error(2500, f"Unknown path components: /{'/'.join(parts[1:])}")
        )
        answer = refused.answer
        await JSONResponse(answer.body, answer.status)(scope, receive, send)

    def _fits(self, pattern: tuple[str, ...], parts: tuple[str, ...]) -> bool:
        return len(pattern) == len(parts) and all(map(self._is, pattern, parts))

    def _is(self, wanted: str, part: str) -> bool:
        if not wanted.startswith("{"):
            return wanted == part
        kind = "user" if part == "me" else self._kind_of(part)
        return kind is None or wanted == f"{{{kind}}}"
