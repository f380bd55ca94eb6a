"""Hayons in processes of their own for a browser to look at, and what tests ask of them beside the browser. No test is here."""

import contextlib
import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from PIL import Image, ImageColor, ImageDraw

from hayon.demo import APPS_AT_META
from hayon.sandbox.meta.renewing import APP_SECRET
from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from hayon.web.auth import COOKIE
from tests.servers.processes import Process, start
from tests.servers.sandbox import running_sandbox

PLATFORMS = ("bluesky", "threads", "instagram", "facebook", "mastodon", "tumblr")
PACE = {
    "HAYON_PORT": "0", "HAYON_LOG": "json", "HAYON_LINK_CARDS": "false", "HAYON_POLL": "100ms",
    "HAYON_SWEEP_EVERY": "500ms", "HAYON_RETRY_STEPS": "200ms", "HAYON_PATIENCE": "0s", "HAYON_LOOK_STEPS": "200ms",
    "HAYON_LOOKS_LAST": "0s", "HAYON_SETTLES_WITHIN": "0s",
}  # fmt: skip
"""What waits seconds or hours elsewhere waits moments here."""
WAIT_SECONDS = 30


@dataclass(frozen=True)
class RunningHayon:
    """A Hayon that answers, and the simulated platforms it knows (`sandbox`). `key` is empty where nobody has registered."""

    process: Process
    url: str
    sandbox: str
    email: str = ""
    password: str = ""
    key: str = ""

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Asks the API as a program of the person."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return _ask(Request(f"{self.url}/api/{path}", _sent(body), headers, method=method))  # noqa: S310 - our own

    def control(self, what: str, body: Any = None, method: str | None = None) -> Any:
        """Asks the simulated platforms, or tells them something."""
        headers = {"Content-Type": "application/json"}
        return _ask(Request(f"{self.sandbox}/control/{what}", _sent(body), headers, method=method))  # noqa: S310 - our own

    def mishap(self, platform: str, kind: str, operation: str | None = None, **more: Any) -> None:
        """Plans a fault on a platform: the next such call meets it."""
        self.control(
            "faults", {"platform": platform, "kind": kind, **({"operation": operation} if operation else {}), **more}
        )

    def landed(self, words: str) -> list[str]:
        """The platforms on which a post with these words took effect, each as often as it did."""
        entries = self.control("ledger")["entries"]
        return sorted(one["platform"] for one in entries if words in json.dumps(one) and not one["repeat"])

    def open_session(self) -> str:
        """The secret of a fresh session, as the cookie holds it."""
        return self._enter("login", self.email, self.password)

    def register(self, email: str = "ada@example.org", timezone: str = "Europe/Berlin") -> str:
        """Somebody new; the secret of their session."""
        return self._enter("register", email, "correct horse battery", timezone=timezone)

    def _enter(self, way: str, email: str, password: str, **more: str) -> str:
        given = json.dumps({"email": email, "password": password, **more}).encode()
        asked = Request(f"{self.url}/api/auth/{way}", given, {"Content-Type": "application/json"})  # noqa: S310 - our own
        with urlopen(asked, timeout=WAIT_SECONDS) as answer:  # noqa: S310 - our own
            told = answer.headers["Set-Cookie"]
        return str(told).partition(f"{COOKIE}=")[2].partition(";")[0]

    def upload(self, colour: str = "teal", size: tuple[int, int] = (640, 480)) -> str:
        """A picture in the shades of one colour, taken in; its id."""
        content = picture(colour, size)
        grant = self.ask("media/uploads", {"mimeType": "image/png", "size": len(content)})
        with urlopen(Request(grant["url"], content, grant["headers"], method="PUT"), timeout=WAIT_SECONDS):  # noqa: S310 - our own
            pass
        self.ask(f"media/{grant['mediaId']}/complete", {})
        return str(grant["mediaId"])

    def publish(self, text: str, platforms: Sequence[str], **more: Any) -> str:
        """A post handed in; its id."""
        content = {"text": text, **more.pop("content", {})}
        return str(self.ask("posts", {"content": content, "selectedPlatforms": list(platforms), **more})["postId"])

    def wait_for(self, post_id: str, *statuses: str, asked: bool = False) -> Any:
        """The status document once the post stands so; `asked`: and a person is asked for something."""

        def told() -> Any:
            document = self.ask(f"posts/{post_id}/status")
            return document if document["status"] in statuses and document["needsAttention"] >= asked else None

        return wait_until(told, f"{post_id} to be {statuses}")


def wait_until(tell: Callable[[], Any], what: str) -> Any:
    """What is told at last: something that is true. For what no page shows; on pages `expect` waits."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := tell()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {WAIT_SECONDS} s for {what}")
        time.sleep(0.05)
    return found


def picture(colour: str, size: tuple[int, int] = (640, 480)) -> bytes:
    """A PNG: a sun above hills, in the shades of one colour, so that pages are looked at with something like a picture."""
    (width, height), written = size, io.BytesIO()
    sky = Image.linear_gradient("L").resize(size)
    base = ImageColor.getrgb(colour)[:3]
    light, dark = (tuple((one * 2 + 255 * 3) // 5 for one in base), tuple(one // 3 for one in base))
    drawn = Image.composite(Image.new("RGB", size, light), Image.new("RGB", size, base), sky)
    pen = ImageDraw.Draw(drawn)
    pen.ellipse([width * 0.58, height * 0.18, width * 0.58 + height * 0.26, height * 0.44], fill="#fff6d8")
    for place, shade in ((0.62, tuple((one + two) // 2 for one, two in zip(base, dark, strict=True))), (0.76, dark)):
        hills = [(x, height * (place + 0.07 * math.sin(x * 6 / width + place * 40))) for x in range(width + 1)]
        pen.polygon([(0, height), *hills, (width, height)], fill=shade)
    drawn.save(written, "PNG")
    return written.getvalue()


@contextlib.contextmanager
def running_demo(folder: Path) -> Iterator[RunningHayon]:
    """What `make run` starts: somebody registered, with an account on each of the six platforms."""
    process = _start(folder, "demo", {})
    try:
        told = process.ready
        yield RunningHayon(process, told["url"], told["timeline"], told["email"], told["password"], told["apiKey"])
    finally:
        process.kill9()


@contextlib.contextmanager
def running_fresh(folder: Path) -> Iterator[RunningHayon]:
    """A Hayon in which nobody has registered, whose platforms are simulated, with an app at each that wants one."""
    with running_sandbox(folder / "sandbox") as sandbox:
        where = {f"HAYON_{name.upper()}_URL": f"{sandbox.url}/{name}" for name in PLATFORMS}
        apps = {f"HAYON_{name.upper()}_APP_ID": app for name, app in APPS_AT_META.items()}
        secrets = {f"HAYON_{name.upper()}_APP_SECRET": APP_SECRET for name in APPS_AT_META}
        tumblr = {"HAYON_TUMBLR_APP_ID": CONSUMER_KEY, "HAYON_TUMBLR_APP_SECRET": CONSUMER_SECRET}
        process = _start(folder, "serve", where | apps | secrets | tumblr)
        try:
            yield RunningHayon(process, process.ready["url"], sandbox.url)
        finally:
            process.kill9()


def _start(folder: Path, command: str, more: dict[str, str]) -> Process:
    surroundings = {**PACE, "HAYON_DATA_DIR": str(folder / "data"), **more}
    return start([sys.executable, "-m", "hayon.cli", command], log=folder / command, env=surroundings)


def _sent(body: Any) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def _ask(request: Request) -> Any:
    try:
        with urlopen(request, timeout=WAIT_SECONDS) as answer:  # noqa: S310 - our own
            return json.loads(answer.read() or b"{}")
    except HTTPError as refused:
        raise AssertionError(f"{request.full_url}: {refused.code} {refused.read().decode()}") from None
