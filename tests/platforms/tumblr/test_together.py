"""Prepare, publish and reconcile in turn, as delivery calls them, with any answers lost: never two posts.

A stand-in for delivery on purpose: what it concludes is the least that the rules of delivery allow.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hayon.domain.model import Receipt
from hayon.errors import PlatformError, Rejected
from hayon.platforms.contract import Absent, Found, Parcel
from tests.platforms.parcels import Checkpoints, OneSend
from tests.platforms.tumblr.scripted import (
    ADAPTER,
    CREATE,
    DRAFTS,
    EDIT,
    FETCH,
    LISTING,
    LOST,
    PAGE,
    VIDEO,
    Blog,
    Fault,
    make_picture,
    parcel_of,
    refused,
    unreachable,
)

CALLS = st.sampled_from([CREATE, EDIT, FETCH, DRAFTS, LISTING])
BEFORE = st.sampled_from([LOST, PAGE, refused(429), refused(500, 8006), refused(503), refused(504), unreachable()])
AFTER = st.sampled_from([LOST, PAGE, refused(500), refused(500, 8006), refused(504)])
FAULTS = st.lists(
    st.tuples(CALLS, BEFORE.map(lambda one: ("before", one)) | AFTER.map(lambda one: ("after", one))), max_size=8
)


@dataclass
class Target:
    """One target as delivery would carry it, from try to try."""

    blog: Blog
    parcel: Parcel
    saved: Checkpoints = field(default_factory=Checkpoints)
    intent: dict[str, Any] | None = None
    receipt: Receipt | None = None
    failed: bool = False

    async def carry(self) -> None:
        """One try: look first while a call is unanswered, then prepare, then the one call."""
        self.parcel = replace(self.parcel, now=self.parcel.now + timedelta(minutes=10), checkpoint=self.saved.last)
        self.blog.clock = self.parcel.now.timestamp()
        try:
            if self.intent is not None and not await self._may_go_on(self.intent):
                return
            handles = dict(await ADAPTER.prepare(self.parcel, self.saved, self.blog.outgoing))
        except Rejected:
            self.failed = self.intent is None
            return
        except PlatformError:
            return
        self.intent = handles
        try:
            self.receipt = await ADAPTER.publish(self.parcel, handles, OneSend(self.blog.outgoing))
        except PlatformError as error:
            if error.proves_absence:
                self.intent = None
        self.parcel = replace(self.parcel, first_sent_at=self.parcel.first_sent_at or self.parcel.now)

    async def _may_go_on(self, handles: dict[str, Any]) -> bool:
        look = await ADAPTER.reconcile(self.parcel, handles, self.blog.outgoing)
        if isinstance(look, Found):
            assert look.exact
            self.receipt = look.receipt
        elif isinstance(look, Absent):
            self.intent = None
        return isinstance(look, Absent)


@given(FAULTS, st.sampled_from(["text", "picture", "video"]), st.integers(0, 4), st.integers(0, 4))
async def test_whatever_is_lost_there_is_one_post_in_the_end(
    faults: list[tuple[str, tuple[str, Fault]]], kind: str, drafts_listed_at: int, posts_listed_at: int
) -> None:
    pictures = {"text": [], "picture": [make_picture()], "video": [VIDEO]}[kind]
    blog = Blog()
    for call, (when, fault) in faults:
        (blog.before if when == "before" else blog.after).setdefault(call, []).append(fault)
    target = Target(blog, parcel_of("Hello", pictures=pictures))
    for number in range(20):
        blog.lists_drafts, blog.lists_posts = number >= drafts_listed_at, number >= posts_listed_at
        if any(post["state"] == "transcoding" for post in blog.posts) and number % 2:
            blog.finish_video()
        await target.carry()
        assert len(blog.live) <= 1
        if target.receipt is not None or target.failed:
            break
    if target.failed:
        assert not blog.live
    else:
        assert target.receipt is not None
        (post,) = blog.live
        assert target.receipt.remote_id == post["id_string"]
