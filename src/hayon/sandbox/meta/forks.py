"""Several operations behind one path, told apart by a parameter: `upload_phase`, say. The body is looked at and passed on."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from hayon.sandbox.gate import Door, Endpoint, Gate

LOOKED_AT = 2**25
"""So many bytes of a body are looked through at most; what is larger is refused by the door it comes to."""
OVERLAP = 2_000
"""A field may begin in one piece of a body and end in the next."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which operation is meant, by what the parameter `name` says (in small letters); `otherwise` if nothing or else."""

    name: str
    among: Mapping[str, Endpoint]
    otherwise: Endpoint

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.among.values(), self.otherwise)))


class Fork:
    """The doors of a choice as one application."""

    def __init__(self, gate: Gate, choice: Choice) -> None:
        self._choice = choice
        self._among = {said: gate.door(endpoint) for said, endpoint in choice.among.items()}
        self._otherwise = gate.door(choice.otherwise)
        self.doors: list[Door] = [*self._among.values(), self._otherwise]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read as much as tells which door is meant, and let the request through it as if nothing had been read."""
        request, name = Request(scope), self._choice.name
        said = request.query_params.get(name)
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        read: list[Message] = []
        body = bytearray()
        looked = 0
        while said is None and len(body) < LOOKED_AT:
            message = await receive()
            read.append(message)
            body += message.get("body", b"")
            if message["type"] != "http.request" or not message.get("more_body"):
                said = _said(kind, bytes(body), name)
                break
            if kind == "multipart/form-data":
                # of a large upload only the beginning is needed, since its fields mostly stand there
                said = in_parts(body, name, looked)
                looked = max(0, len(body) - OVERLAP)
        body.clear()

        async def again() -> Message:
            return read.pop(0) if read else await receive()

        await self._among.get((said or "").lower(), self._otherwise)(scope, again, send)


def _said(kind: str, body: bytes, name: str) -> str | None:
    if kind == "multipart/form-data":
        return in_parts(body, name)
    if kind == "application/json":
        try:
            given: Any = json.loads(body)
        except (ValueError, RecursionError):
            return None
        value = given.get(name) if isinstance(given, dict) else None
        return str(value) if isinstance(value, str | bool | int) else None
    return dict(parse_qsl(body.decode("utf-8", "replace"))).get(name)


def in_parts(body: bytes | bytearray, name: str, start: int = 0) -> str | None:
    """A short field of a multipart body, or of the beginning of one, looked for from `start` on."""
    field = re.compile(rb'name="' + name.encode() + rb'"[^\r]*(?:\r\n[^\r\n]+)*\r\n\r\n([^\r\n]{1,400})\r\n')
    found = field.search(body, start)
    return bytes(found[1]).decode("utf-8", "replace").strip() if found else None
