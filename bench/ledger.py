"""The simulated platform that benchmarks publish on, and its ledger: `python -m bench.ledger --latency 0.05`. It judges nothing.

It speaks as much of Mastodon as delivery asks for, and costs next to nothing, because it shares the cores with what is
measured: httptools under uvloop, and a timer for each answer. A post is entered when its call arrives. It is no stand-in for
the sandbox: limits, mishaps and whatever else the real platform does are simulated there.
"""

import argparse
import asyncio
import gc
import json
import math
import os
import re
import signal
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from statistics import NormalDist
from typing import Any
from urllib.parse import parse_qs

import httptools
import uvloop

MEDIAN_SECONDS, P99_SECONDS = 0.2, 2.0
"""Of `--latency lognormal`."""
LIMIT = 1_000_000
"""Posts that an account may make in `WINDOW`: so many that nobody ever waits. The headers tell it as Mastodon's do."""
WINDOW = timedelta(hours=3)
MAX_CHARACTERS = 5000
PAGE, MOST_LISTED = 20, 40
ABOUT = {
    "domain": "localhost", "uri": "localhost", "title": "Ledger", "version": "4.5.0",
    "configuration": {
        "statuses": {"max_characters": MAX_CHARACTERS, "max_media_attachments": 4, "characters_reserved_per_url": 23},
        "media_attachments": {
            "supported_mime_types": ["image/jpeg", "image/png", "video/mp4"], "description_limit": 1500,
            "image_size_limit": 16_777_216, "image_matrix_limit": 33_177_600, "video_size_limit": 103_809_024,
            "video_frame_rate_limit": 120, "video_matrix_limit": 8_294_400,
        },
    },
}  # fmt: skip
"""What it says of itself (mastodon/documentation: entities/Instance.md), as far as Hayon reads it."""
APP = {"name": "Bench", "website": None}
_OURS = re.compile(r"account-(\d+)")
_ONE_STATUS = re.compile(r"/api/v1/statuses/(\d+)(/source)?")
_LISTED = re.compile(r"/api/v1/accounts/(\d+)/statuses")
_PHRASES = {200: "OK", 401: "Unauthorized", 404: "Not Found", 422: "Unprocessable Content"}

Latency = Callable[[str], float]
"""How long the answer to a call takes, in seconds, by the name of its job: the same for whoever makes it."""


class Ledger:
    """Every post in the order in which it arrived, and the statuses that came of them."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets everything but the calls that are being answered."""
        self.entries: list[tuple[str, int, float, bool]] = []
        self.statuses: dict[int, tuple[int, str, float]] = {}
        self.by_account: dict[int, list[int]] = {}
        self.repeats = 0
        self.most_in_flight = 0
        self._keys: dict[tuple[int, str], int] = {}

    def enter(self, account: int, text: str, key: str, at: float) -> int:
        """Enters one call and gives the id of its status: under a key that the account used already, that of the first."""
        name = text.partition(" ")[0]
        known = self._keys.get((account, key)) if key else None
        if known is not None:
            self.repeats += 1
            self.entries.append((name, account, at, True))
            return known
        self.entries.append((name, account, at, False))
        made = 10**17 + len(self.statuses)
        self.statuses[made] = (account, text, at)
        self.by_account.setdefault(account, []).append(made)
        if key:
            self._keys[account, key] = made
        return made

    def left(self, account: int) -> int:
        """How many posts the account may still make."""
        return LIMIT - len(self.by_account.get(account, ()))

    def show(self, status_id: int, base: str) -> str:
        """A status as JSON (mastodon/documentation: entities/Status.md)."""
        account, text, at = self.statuses[status_id]
        quoted = json.dumps(f"<p>{text}</p>")
        url = f"{base}/@bench{account}/{status_id}"
        # written out, for it is made at each call: as a mapping it would take three times as long
        return (
            f'{{"id":"{status_id}","created_at":"{_iso(at)}","in_reply_to_id":null,"in_reply_to_account_id":null,'
            f'"sensitive":false,"spoiler_text":"","visibility":"public","language":"en","uri":"{url}","url":"{url}",'
            f'"replies_count":0,"reblogs_count":0,"favourites_count":0,"quotes_count":0,"edited_at":null,'
            f'"content":{quoted},"reblog":null,"application":{{"name":"Bench","website":null}},'
            f'"account":{{"id":"{account}","username":"bench{account}","acct":"bench{account}"}},'
            f'"media_attachments":[],"mentions":[],"tags":[],"emojis":[],"card":null,"poll":null}}'
        )


class Site:
    """What is answered to which request. `base` is set once the port is known."""

    def __init__(self, latency: Latency) -> None:
        self.ledger = Ledger()
        self.latency = latency
        self.base = ""
        self.in_flight = 0
        self._second, self._date, self._reset_at = 0, "", ""

    def answer(self, method: bytes, url: str, token: str, key: str, body: bytes) -> tuple[bytes, float]:
        """The whole answer, and after how many seconds it is to be sent."""
        path, _, query = url.partition("?")
        if path == "/api/v1/statuses" and method == b"POST":
            return self._post(token, key, body)
        if path.startswith("/control/"):
            return self._control(method, path), 0.0
        account = _account_of(token)
        status, shown = (
            self._read(path, query, account) if account is not None else (401, _error("The access token is invalid"))
        )
        return self._wrap(status, shown, self.ledger.left(account or 0)), self.latency(path)

    def _post(self, token: str, key: str, body: bytes) -> tuple[bytes, float]:
        at = time.time()
        account = _account_of(token)
        if account is None:
            return self._wrap(401, _error("The access token is invalid"), 0), 0.0
        text = json.loads(body).get("status") or ""
        if not text or len(text) > MAX_CHARACTERS:
            return self._wrap(
                422, _error("Validation failed: Text is too short or too long"), self.ledger.left(account)
            ), 0.0
        status_id = self.ledger.enter(account, text, key, at)
        shown = self.ledger.show(status_id, self.base)
        return self._wrap(200, shown, self.ledger.left(account)), self.latency(text.partition(" ")[0])

    def _read(self, path: str, query: str, account: int) -> tuple[int, str]:
        if path in {"/api/v1/instance", "/api/v2/instance"}:
            return 200, json.dumps(ABOUT)
        if path == "/api/v1/apps/verify_credentials":
            return 200, json.dumps(APP)
        if path == "/api/v1/accounts/verify_credentials":
            name = f"bench{account}"
            return 200, json.dumps({"id": str(account), "username": name, "acct": name, "display_name": name})
        if (asked := _ONE_STATUS.fullmatch(path)) and int(asked[1]) in self.ledger.statuses:
            if not asked[2]:
                return 200, self.ledger.show(int(asked[1]), self.base)
            text = self.ledger.statuses[int(asked[1])][1]
            return 200, json.dumps({"id": asked[1], "text": text, "spoiler_text": ""})
        if asked := _LISTED.fullmatch(path):
            return 200, self._list(int(asked[1]), parse_qs(query))
        return 404, _error("Record not found")

    def _list(self, account: int, query: dict[str, list[str]]) -> str:
        """The account's statuses, newest first."""
        below = int(query.get("max_id", [str(10**18)])[0])
        most = min(int(query.get("limit", [str(PAGE)])[0]), MOST_LISTED)
        ids = [one for one in reversed(self.ledger.by_account.get(account, ())) if one < below][:most]
        return "[" + ",".join(self.ledger.show(one, self.base) for one in ids) + "]"

    def _control(self, method: bytes, path: str) -> bytes:
        if (method, path) == (b"GET", "/control/ledger"):
            return self._wrap(200, json.dumps({"entries": self.ledger.entries}, separators=(",", ":")))
        if (method, path) == (b"POST", "/control/reset"):
            self.ledger.reset()
        elif (method, path) != (b"GET", "/control/count"):
            return self._wrap(404, _error("There is no such control"))
        counted = {
            "statuses": len(self.ledger.statuses), "repeats": self.ledger.repeats, "inFlight": self.in_flight,
            "mostInFlight": self.ledger.most_in_flight,
        }  # fmt: skip
        return self._wrap(200, json.dumps(counted))

    def _wrap(self, status: int, body: str, left: int | None = None) -> bytes:
        now = int(time.time())
        if now != self._second:
            moment = datetime.fromtimestamp(now, UTC)
            self._second, self._date = now, format_datetime(moment, usegmt=True)
            self._reset_at = (moment + WINDOW).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        limits = "" if left is None else (
            f"x-ratelimit-limit: {LIMIT}\r\nx-ratelimit-remaining: {left}\r\nx-ratelimit-reset: {self._reset_at}\r\n"
        )  # fmt: skip
        return (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ndate: {self._date}\r\ncontent-type: application/json; charset=utf-8\r\n"
            f"{limits}content-length: {len(body)}\r\n\r\n{body}"
        ).encode("ascii")


class Connection(asyncio.Protocol):
    """One client's connection, kept alive as long as it likes. Answers go out in the order of their timers: nobody pipelines."""

    __slots__ = ("_body", "_key", "_loop", "_parser", "_site", "_token", "_transport", "_url")

    def __init__(self, site: Site, loop: asyncio.AbstractEventLoop) -> None:
        self._site, self._loop = site, loop
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        self._url = self._token = self._key = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name)  # of what clients send only these two are of these sizes
        if size == 13 and name.lower() == b"authorization":
            self._token = value
        elif size == 15 and name.lower() == b"idempotency-key":
            self._key = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        site = self._site
        token = self._token.decode("latin-1").removeprefix("Bearer ")
        answer, seconds = site.answer(
            self._parser.get_method(), self._url.decode("latin-1"), token, self._key.decode("latin-1"), self._body
        )
        keeps = self._parser.should_keep_alive()
        if not seconds:
            self._send(answer, keeps)
            return
        site.in_flight += 1
        site.ledger.most_in_flight = max(site.ledger.most_in_flight, site.in_flight)
        self._loop.call_later(seconds, self._send_late, answer, keeps)

    def _send_late(self, answer: bytes, keeps: bool) -> None:
        self._site.in_flight -= 1
        self._send(answer, keeps)

    def _send(self, answer: bytes, keeps: bool) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        if not keeps:
            self._transport.close()


def read_latency(word: str) -> Latency:
    """`0.05`: always so many seconds; `lognormal`: as a distant platform, by the job's name. Raises ValueError."""
    if word != "lognormal":
        seconds = float(word)
        return lambda _: seconds
    spread = math.log(P99_SECONDS / MEDIAN_SECONDS) / NormalDist().inv_cdf(0.99)
    normal = NormalDist(math.log(MEDIAN_SECONDS), spread)
    # a checksum spreads names evenly enough, and gives each job the same latency whoever publishes it
    return lambda name: math.exp(normal.inv_cdf((zlib.crc32(name.encode()) + 0.5) / 2**32))


def _account_of(token: str) -> int | None:
    found = _OURS.fullmatch(token)
    if found:
        return int(found[1])
    return 10**9 + zlib.crc32(token.encode()) if token else None


def _error(words: str) -> str:
    return json.dumps({"error": words})


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _serve(site: Site, port: int) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    server = await loop.create_server(lambda: Connection(site, loop), "127.0.0.1", port, backlog=2048)
    site.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    gc.freeze()
    gc.disable()  # nothing here goes in circles but a connection and its parser, and a pause would look like latency
    print(json.dumps({"url": site.base, "pid": os.getpid()}), flush=True)
    await stop.wait()
    server.close()


def main(arguments: Sequence[str]) -> None:
    """Serves until a signal. The line that it prints first says where it is."""
    reader = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    reader.add_argument("--latency", default="0.05", type=read_latency, help="seconds, or lognormal")
    reader.add_argument("--port", default=0, type=int, help="0 takes any free one")
    asked = reader.parse_args(arguments)
    uvloop.run(_serve(Site(asked.latency), asked.port))


if __name__ == "__main__":
    main(sys.argv[1:])
