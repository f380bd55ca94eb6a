"""Hosts that cannot be reached by anyone at the moment. While a row stands, targets of that host wait behind one probe."""

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hayon.domain.lifecycle import Ended, Outcome
from hayon.store.database import Tx
from hayon.store.listed import one_of
from hayon.store.schema import hosts

FIRST_PROBE = timedelta(seconds=5)
SLOWEST_PROBE = timedelta(minutes=5)


def wait_for_probe(tx: Tx, host: str, probing: timedelta) -> datetime | None:
    """None if the host may be called: it is reachable, or this caller is now the probe (for `probing`); else when to ask again."""
    row = tx.first(sa.select(hosts).where(hosts.c.host == host))
    if row is None:
        return None
    now = tx.now()
    if row.probe_at > now:
        waiting: datetime = row.probe_at
        return waiting
    taken = sa.update(hosts).where(hosts.c.host == host, hosts.c.probe_at == row.probe_at)
    won = tx.run(taken.values(probe_at=now + probing)).rowcount == 1
    return None if won else now + FIRST_PROBE


def note_answers(tx: Tx, names: Collection[str]) -> None:
    """Somebody answered at each of these hosts."""
    tx.do(_UP_AGAIN, names=names)


_UP_AGAIN = sa.delete(hosts).where(one_of(hosts.c.host, "names"))


def note_outcome(tx: Tx, host: str, outcome: Outcome, now: datetime) -> None:
    """Remembers that nobody answered, or forgets it as soon as somebody did."""
    if outcome.ended is not Ended.UNREACHABLE:
        # still at work is an answer too: else one target after another would wait behind the probe of a host that speaks
        if outcome.ended in {Ended.PUBLISHED, Ended.NOT_YET} or outcome.http_status is not None:
            note_answers(tx, {host})
        return
    if outcome.until is not None:
        return  # it waited behind the probe and learnt nothing itself
    row = tx.first(sa.select(hosts).where(hosts.c.host == host))
    if row is None:
        fresh = {"host": host, "unreachable_since": now, "probe_at": now + FIRST_PROBE, "probes": 1}
        insert = postgresql.insert(hosts) if tx.on_postgres else sqlite.insert(hosts)
        tx.run(insert.values(fresh).on_conflict_do_nothing())
    else:
        wait = min(FIRST_PROBE * 2 ** min(row.probes, 10), SLOWEST_PROBE)
        tx.run(sa.update(hosts).where(hosts.c.host == host).values(probe_at=now + wait, probes=row.probes + 1))
