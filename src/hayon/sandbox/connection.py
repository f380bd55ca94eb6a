"""Cutting a connection without an answer, and holding one in silence.

uvicorn answers 500 for an application that says nothing, so its protocol class is extended to hand the transport's
`abort` to the application through the ASGI scope.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CUT = "hayon.sandbox.cut"

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol whose requests carry, under `extensions`, a function that closes the socket."""

    def on_message_begin(self) -> None:
        """Begin a request; see the class."""
        super().on_message_begin()
        self.scope["extensions"] = {CUT: {"abort": self.transport.abort}}


async def cut(scope: MutableMapping[str, Any], receive: Receive) -> None:
    """Close the client's connection now, without a byte of an answer.

    ConnectionAbortedError where the server gives no way to do so (only uvicorn with CuttableProtocol does).
    """
    way = (scope.get("extensions") or {}).get(CUT)
    if way is None:
        raise ConnectionAbortedError("this server cannot cut a connection; start the sandbox with its own serve()")
    way["abort"]()
    await until_gone(receive)


async def until_gone(receive: Receive) -> None:
    """Say nothing until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
