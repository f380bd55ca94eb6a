"""What was answered to a create with an Idempotency-Key, so that every later request with that key is answered the same."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from hayon.errors import NotFound
from hayon.store.database import Tx
from hayon.store.schema import replays


def find_answer(tx: Tx, user_id: UUID, key: str) -> Mapping[str, Any] | None:
    """The answer given to the first request with this key, if one was kept."""
    mine = sa.select(replays.c.answer).where(replays.c.user_id == user_id, replays.c.key == key)
    answer: Mapping[str, Any] | None = tx.value(mine)
    return answer


def keep_answer(tx: Tx, user_id: UUID, key: str, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keeps an answer unless one is kept already; gives the one that counts. It is kept before it is given."""
    mine = sa.and_(replays.c.user_id == user_id, replays.c.key == key)
    tx.run(sa.update(replays).where(mine, replays.c.answer.is_(None)).values(status=201, answer=dict(answer)))
    kept = find_answer(tx, user_id, key)
    if kept is None:
        raise NotFound("No request with this Idempotency-Key was accepted.")
    return kept
