"""All six simulated platforms and processes of Hayon on one PostgreSQL, without RabbitMQ, in a test's hands. No test is here."""

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from PIL import Image

from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from hayon.store.database import Database, Tx
from tests.acceptance.shape import Shape
from tests.sandbox.tumblelog import Signer
from tests.servers.sandbox import Sandbox

PLATFORMS = ("bluesky", "threads", "instagram", "facebook", "mastodon", "tumblr")
PACE = {
    "HAYON_POLL": "100ms", "HAYON_SWEEP_EVERY": "500ms", "HAYON_RETRY_STEPS": "300ms,1s", "HAYON_LINK_CARDS": "false",
    "HAYON_BROKER_URL": "embedded://", "HAYON_LOG": "json", "HAYON_ALLOW_PRIVATE_ADDRESSES": "true",
}  # fmt: skip


def settings_of(sandbox: Sandbox) -> dict[str, str]:
    """Where the simulated platforms are, and what their app at Tumblr is called."""
    return {
        **{f"HAYON_{name.upper()}_URL": f"{sandbox.url}/{name}" for name in PLATFORMS},
        "HAYON_TUMBLR_APP_ID": CONSUMER_KEY, "HAYON_TUMBLR_APP_SECRET": CONSUMER_SECRET,
    }  # fmt: skip


def handle_on(platform: str, name: str) -> str:
    """What somebody of this name is called there."""
    return f"{name}.test" if platform == "bluesky" else name


class Six(Shape):
    """A person with accounts on them."""

    def connect_to(self, platform: str, handle: str) -> str:
        """A fresh simulated account, connected with what one has in hand; its id here."""
        return self.connect_with(platform, self.sandbox.add_account(platform, handle_on(platform, handle)))

    def connect_with(self, platform: str, shown: dict[str, Any]) -> str:
        given = {name: value for name, value in shown.items() if isinstance(value, str)}
        return str(self.ask(f"accounts/{platform}", given)["accountId"])

    def connect_by_oauth2(self, handle: str) -> str:
        """A blog on Tumblr by a pair of tokens that runs out and is renewed, each renewal in place of the pair before."""
        shown = self.sandbox.add_account("tumblr", handle)
        url = f"{shown['apiUrl']}/v2/oauth2/exchange"
        signer = Signer(shown["token"], shown["tokenSecret"], shown["consumerKey"], shown["consumerSecret"])
        headers = {"Authorization": signer.header("POST", url), "User-Agent": "tests/1"}
        with urlopen(Request(url, b"", headers, method="POST"), timeout=20) as answer:  # noqa: S310 - our own
            pair = json.loads(answer.read())
        pair = pair.get("response", pair)
        given = {"blog": handle, "accessToken": pair["access_token"], "refreshToken": pair["refresh_token"]}
        return str(self.ask("accounts/tumblr", given)["accountId"])

    def change(self, platform: str, handle: str, change: str) -> dict[str, Any]:
        """Revoke, expire or renew what an account on the platform's side is opened with."""
        return dict(self.sandbox.control(f"accounts/{platform}/{handle_on(platform, handle)}/{change}", {}))

    def requests(self, platform: str, operation: str) -> list[dict[str, Any]]:
        """What was asked of a platform, by its own log."""
        return list(self.sandbox.control(f"requests?platform={platform}&operation={operation}")["requests"])

    def account(self, account_id: str) -> Any:
        return next(one for one in self.ask("accounts")["accounts"] if one["accountId"] == account_id)

    def upload(self) -> str:
        """A picture, taken in; its id."""
        drawn = io.BytesIO()
        Image.new("RGB", (320, 320), "teal").save(drawn, "PNG")
        content = drawn.getvalue()
        grant = self.ask("media/uploads", {"mimeType": "image/png", "size": len(content)})
        with urlopen(Request(grant["url"], content, grant["headers"], method="PUT"), timeout=20):  # noqa: S310 - our own
            pass
        self.ask(f"media/{grant['mediaId']}/complete", {})
        return str(grant["mediaId"])

    def refusal(self, path: str, body: Any = None, method: str | None = None) -> tuple[int, Any]:
        """What the API refuses, and how."""
        try:
            return 0, self.ask(path, body, method)
        except HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def in_database(self, work: Callable[[Tx], Any]) -> Any:
        """A transaction of the test's own."""

        async def run() -> Any:
            database = Database(self.env["HAYON_DATABASE_URL"])
            try:
                return await database.write(work)
            finally:
                await database.close()

        return asyncio.run(run())
