"""What every simulated platform must say about itself, whichever it is, and that the world knows none by name."""

import ast
from pathlib import Path
from typing import Any

import pytest

import hayon.sandbox
from hayon.sandbox.app import build
from hayon.sandbox.bluesky.limits import PdsLimits
from hayon.sandbox.bluesky.pds import Pds
from hayon.sandbox.bluesky.site import BlueskySite
from hayon.sandbox.faults import KINDS, FaultError, FaultPlan, Mishaps
from hayon.sandbox.gate import Door
from hayon.sandbox.ground import WorldError
from hayon.sandbox.limits import Limits, Rate
from hayon.sandbox.mastodon.instance import Instance
from hayon.sandbox.mastodon.site import MastodonSite
from hayon.sandbox.model import Platform, Standing
from hayon.sandbox.site import Credential, Site
from hayon.sandbox.sites import SITES
from hayon.sandbox.world import World

PARTICULAR = {name for name, kind in KINDS.items() if kind.particular}
each_site = pytest.mark.parametrize("site", SITES, ids=lambda site: site.platform)


def doors_of(route: Any) -> list[Door]:
    """The doors behind a route: one, or those that its application chooses from."""
    endpoint = getattr(route, "endpoint", None)
    return [endpoint] if isinstance(endpoint, Door) else list(getattr(endpoint, "doors", ()))


def test_sites_stand_in_the_order_of_their_names() -> None:
    order = [platform for platform in Platform if platform in {site.platform for site in SITES}]
    assert [site.platform for site in SITES] == order


@each_site
def test_every_operation_has_a_door_and_every_door_an_operation(site: Site) -> None:
    world = World("none", sites=[site])
    behind = {door._endpoint.operation for route in site.routes(world) for door in doors_of(route)}
    assert behind == site.mishaps.operations
    world.close()


@each_site
def test_a_site_says_of_every_particular_fault_where_or_why_not(site: Site) -> None:
    where, why_not = site.mishaps.where, site.mishaps.why_not
    assert where.keys() | why_not.keys() == PARTICULAR
    assert where.keys() & why_not.keys() == set()
    assert {one for named in where.values() for one in named} <= site.mishaps.operations
    assert all(why_not.values())


@each_site
def test_a_site_stays_under_its_name(site: Site) -> None:
    world = World("none", sites=[site])
    paths = [getattr(route, "path", "") for route in build(world).routes]
    common = ("/control/", "/media/", "/portraits/", "/static")
    foreign = [path for path in paths if not path.startswith((f"/{site.platform}/", *common))]
    assert foreign == ["/"]
    assert all(name.startswith(f"{site.platform}.") for name in site.rates)
    assert Standing.ACTIVE in site.standings
    world.close()


@each_site
def test_an_account_is_shown_with_its_credential_and_renewed_with_another(site: Site) -> None:
    world = World("none", sites=[site])
    handle = next(name for name in ("alice", "alice.test") if site.is_handle(name))
    account = world.add_account(site.platform, handle, "Alice")
    origin = "http://127.0.0.1:9/"
    first = site.connection(account, origin)
    assert any(isinstance(value, str) and value.startswith(f"{origin}{site.platform}") for value in first.values())
    assert account.secret in first.values()
    world.revoke(account)
    assert account.secret == ""
    again = site.connection(world.renew(account), origin)
    assert again.keys() == first.keys()
    assert account.secret in again.values()
    assert again != first
    world.close()


def test_a_world_of_one_platform_knows_no_other() -> None:
    world = World(sites=[MastodonSite()])
    assert list(world.latency) == ["mastodon"]
    with pytest.raises(WorldError, match="no platform 'bluesky'"):
        world.add_account("bluesky", "alice.test")
    with pytest.raises(FaultError, match="no platform 'bluesky'"):
        world.faults.add("bluesky", "delay")
    with pytest.raises(WorldError, match="no platform 'bluesky'"):
        world.set_latency("bluesky", 1)
    world.close()


def test_a_memory_is_asked_for_by_its_kind() -> None:
    world = World()
    assert world.memory(Platform.BLUESKY, Pds) is world.memory(Platform.BLUESKY, Pds)
    with pytest.raises(TypeError, match="remembers a Pds, not a Instance"):
        world.memory(Platform.BLUESKY, Instance)
    before = world.memory(Platform.MASTODON, Instance)
    world.reset()
    assert world.memory(Platform.MASTODON, Instance) is not before
    world.close()


def test_two_platforms_never_have_events_of_the_same_kind() -> None:
    class Twin(BlueskySite):
        platform = Platform.TUMBLR

    with pytest.raises(ValueError, match="two platforms have events of the kind blob"):
        World(sites=[BlueskySite(), Twin()])


def test_tokens_that_expired_stay_expired_after_a_restart(tmp_path: Path) -> None:
    first = World(path=tmp_path)
    first.expire_access(first.add_account("bluesky", "alice.test"))
    first.close()
    again = World(path=tmp_path)
    assert again.get_account("bluesky", "alice.test").access_generation == 1
    again.close()


def test_rates_and_sizes_are_the_sites_unless_the_limits_say_otherwise() -> None:
    world = World()
    assert world.limits.of(PdsLimits) == PdsLimits()
    readings = [world.meter.take(name, "k", 0.0) for name in ("bluesky.upload", "mastodon.media")]
    assert [one.limit for one in readings if one] == [1_000, 30]
    world.impose(Limits(rates={"mastodon.media": Rate(7, 60)}).having(PdsLimits(images=1)))
    readings = [world.meter.take(name, "k", 0.0) for name in ("bluesky.upload", "mastodon.media")]
    assert [one.limit for one in readings if one] == [1_000, 7]
    assert world.limits.of(PdsLimits).images == 1
    world.impose(Limits.named("none"))
    assert world.meter.take("bluesky.upload", "k", 0.0) is None
    world.close()


def test_only_what_a_site_calls_a_post_is_counted_as_one() -> None:
    world = World()
    account = world.add_account("bluesky", "alice.test")
    post, gate = "app.bsky.feed.post", "app.bsky.feed.threadgate"
    for operation, remote_id, facts in (
        ("putRecord", "at://post", {"collection": post, "text": "a"}),
        ("putRecord", "at://post", {"collection": post, "text": "a", "repeat": True}),
        ("putRecord", "at://gate", {"collection": gate, "text": "a"}),
        ("deleteRecord", "at://post", {"collection": post, "text": "a"}),
        ("deleteRecord", "at://post", {"collection": post, "text": "a", "repeat": True}),
    ):
        world.happen(world.entry(account, operation, remote_id, 1, **facts))
    assert [entry.repeat for entry in world.landings(Platform.BLUESKY, "at://post")] == [False, True]
    assert world.landings(Platform.MASTODON, "at://post") == []
    assert world.copies() == {"a": 1}
    world.close()


def test_a_credential_of_several_parts_is_kept_and_renewed_in_part(tmp_path: Path) -> None:
    class Parts(MastodonSite):
        made = 0

        def new_credential(self) -> Credential:
            self.made += 1
            more = {"tokenSecret": f"s{self.made}"} | ({"consumerKey": "c"} if self.made == 1 else {})
            return Credential(f"t{self.made}", more)

    world = World(path=tmp_path, sites=[Parts()])
    account = world.add_account("mastodon", "alice")
    assert (account.secret, account.more) == ("t1", {"tokenSecret": "s1", "consumerKey": "c"})
    world.revoke(account)
    world.renew(account)
    world.close()
    again = World(path=tmp_path, sites=[Parts()])
    kept = again.get_account("mastodon", "alice")
    assert (kept.secret, kept.more) == ("t2", {"tokenSecret": "s2", "consumerKey": "c"})
    again.close()


def plan() -> FaultPlan:
    """Of a platform with two ways to upload and two to publish."""
    operations = frozenset({"uploadPhoto", "startVideo", "publish", "look"})
    where = {"slow_media": ("uploadPhoto", "startVideo"), "double_on_repeat": ("publish",), "status_late": ("publish",)}
    return FaultPlan({Platform.FACEBOOK: Mishaps(operations, where, {"list_late": "it has no listing"})})


def test_a_fault_of_several_operations_meets_each_of_them_and_no_other() -> None:
    faults = plan()
    slow = faults.add("facebook", "slow_media", count=2)
    assert slow.operation is None
    met = [
        faults.meet(Platform.FACEBOOK, name, frozenset()).find("slow_media") is not None
        for name in ("publish", "look", "startVideo", "uploadPhoto", "uploadPhoto")
    ]
    assert met == [False, False, True, True, False]
    only = faults.add("facebook", "slow_media", "startVideo", count=1)
    assert [faults.meet(Platform.FACEBOOK, name, frozenset()).faults for name in ("uploadPhoto", "startVideo")] == [
        (),
        (only,),
    ]
    with pytest.raises(FaultError, match="only possible for uploadPhoto and startVideo"):
        faults.add("facebook", "slow_media", "publish")
    with pytest.raises(FaultError, match="not possible on facebook: it has no listing"):
        faults.add("facebook", "list_late")


def test_a_fault_of_repeats_is_counted_by_repeats_only() -> None:
    faults = plan()
    double = faults.add("facebook", "double_on_repeat", count=1)
    assert double.operation == "publish"
    for _ in range(3):
        assert faults.meet(Platform.FACEBOOK, "publish", frozenset()).find("double_on_repeat") is double
    assert double.left == 1
    faults.strike(double)
    assert faults.all() == []
    late = faults.add("facebook", "status_late", seconds=5)
    assert (late.left, late.seconds) == (None, 5)


def test_what_belongs_to_no_platform_names_none() -> None:
    """The enum, and the tuple of sites, are where the names stand."""
    folder = Path(hayon.sandbox.__file__).parent
    named = []
    for file in sorted(folder.glob("*.py")):
        if file.name in ("model.py", "sites.py"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Platform":
                named.append((file.name, node.attr))
            if isinstance(node, ast.Constant) and node.value in set(Platform):
                named.append((file.name, node.value))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                tuple(f"hayon.sandbox.{one}" for one in (*Platform, "meta"))
            ):
                named.append((file.name, node.module))
    assert named == []
