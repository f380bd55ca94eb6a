"""The copy of an account's picture: shown to its owner, to nobody else, and at another address when it is another one."""

from io import BytesIO

import sqlalchemy as sa
from PIL import Image

from hayon.sandbox.model import Platform
from hayon.sandbox.world import World
from hayon.store.schema import accounts
from tests.web.house import House, Visitor


async def connect(visitor: Visitor, world: World, url: str, handle: str = "ada.test") -> str:
    """A Bluesky account whose platform shows a picture of it, connected by its app password."""
    profile = world.add_account(Platform.BLUESKY, handle, "Ada")
    given = {"service": f"{url}/bluesky", "identifier": profile.handle, "appPassword": profile.secret}
    answer = await visitor.post("/api/accounts/bluesky", given)
    assert answer.status == 201, answer.text
    assert answer.json["avatarUrl"] == f"{url}/portraits/Ada.png"
    return str(answer.json["accountId"])


async def test_its_owner_sees_the_copy_and_nobody_else(published: House, world: tuple[World, str]) -> None:
    ada, eve = await published.register(), await published.register("eve@example.org")
    account_id = await connect(ada, *world)
    where = f"/api/accounts/{account_id}"
    assert (await ada.get(where)).json["avatarCopyUrl"] is None
    assert (await ada.get(f"{where}/avatar")).status == 404
    assert await published.hayon.picturing.copy_once() == 1
    shown = (await ada.get("/api/accounts")).json["accounts"][0]["avatarCopyUrl"]
    assert shown.startswith(f"{where}/avatar?v=")
    answer = await ada.get(shown)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.headers["Cache-Control"].startswith("private")
    with Image.open(BytesIO(answer.body)) as picture:
        assert picture.size == (128, 128)
    foreign, unknown = await eve.get(shown), await eve.get("/api/accounts/00000000-0000-0000-0000-000000000000/avatar")
    assert (foreign.status, unknown.status) == (404, 404)
    assert (await published.visitor().get(shown)).status == 401
    assert (await ada.ask("DELETE", where)).status == 200
    assert (await ada.get(shown)).status == 404


async def test_another_picture_has_another_address(published: House, world: tuple[World, str]) -> None:
    ada = await published.register()
    account_id = await connect(ada, *world)
    await published.hayon.picturing.copy_once()
    before = (await ada.get(f"/api/accounts/{account_id}")).json["avatarCopyUrl"]
    other = sa.update(accounts).values(avatar_url=f"{world[1]}/portraits/Grace.png")
    await published.hayon.database.write(lambda tx: tx.run(other))
    await published.hayon.picturing.copy_once()
    after = (await ada.get(f"/api/accounts/{account_id}")).json["avatarCopyUrl"]
    assert before != after
    assert (await ada.get(before)).body == (await ada.get(after)).body
