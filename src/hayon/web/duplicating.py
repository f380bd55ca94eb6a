"""The same post again, as a new draft: what it says, where and how, but not when. What is gone by now is left out."""

import dataclasses
from uuid import UUID

from hayon.delivery.handed import Handed, handed_again
from hayon.domain.lifecycle import PostStatus
from hayon.domain.model import MediaUse
from hayon.store import accounts, media, posts
from hayon.store.database import Tx
from hayon.web.auth import Caller
from hayon.web.desk import Desk


async def duplicate(desk: Desk, me: Caller, post_id: UUID, correlation_id: str) -> tuple[UUID, bool]:
    """The new draft's id, and whether anything had to be left out: accounts disconnected since, files that are gone.

    Raises NotFound.
    """
    handed, left_out = await desk.hayon.database.read(_read, me.person.id, post_id)
    made, _ = await desk.hayon.submission.submit(me.person.id, handed, correlation_id=correlation_id)
    return made, left_out


def _read(tx: Tx, user_id: UUID, post_id: UUID) -> tuple[Handed, bool]:
    view = posts.get_post(tx, post_id, user_id)
    before = handed_again(view.row)
    mine = {str(one.id): one for one in accounts.list_accounts(tx, user_id)}
    if view.row.status == PostStatus.DRAFT:
        with_default = {one.platform for one in mine.values() if one.is_default}
        platforms = tuple(one for one in before.platforms if one in with_default)
        chosen = before.account_ids
    else:
        # where it really went: a platform's name may mean another account by now
        platforms, chosen = (), tuple(str(target.account_id) for target in view.targets)
    account_ids = tuple(one for one in chosen if one in mine)
    used = [*before.content.media, *(use for one in before.overrides.values() for use in one.media or ())]
    kept = media.find_many(tx, user_id, list({use.media_id for use in used}))

    def still_there(uses: tuple[MediaUse, ...]) -> tuple[MediaUse, ...]:
        return tuple(use for use in uses if use.media_id in kept and kept[use.media_id].ready)

    names = {*account_ids, *platforms, *(mine[one].platform for one in account_ids)}
    overrides = {
        name: dataclasses.replace(one, media=None if one.media is None else still_there(one.media))
        for name, one in before.overrides.items() if name in names or view.row.status == PostStatus.DRAFT
    }  # fmt: skip
    content = dataclasses.replace(before.content, media=still_there(before.content.media))
    handed = dataclasses.replace(
        before, content=content, overrides=overrides, platforms=platforms, account_ids=account_ids, scheduled_at=None, draft=True
    )  # fmt: skip
    all_there = len(account_ids) == len(chosen) and (platforms == before.platforms or bool(view.targets))
    return handed, not all_there or any(use.media_id not in kept for use in used)
