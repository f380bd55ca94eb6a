"""The last write of a delivery: how a try ended, with attempt, receipt, target, summary and notices in one transaction.

Tries that ended as nearly all do, with the receipt that was waited for, are written many at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from hayon.domain.allowance import Told
from hayon.domain.lifecycle import Ended, Outcome, Settlement, Standing, TargetStatus, settle
from hayon.domain.model import Claim, Receipt
from hayon.domain.pacing import Patience
from hayon.errors import LeaseLost
from hayon.store import accounts, allowances, hosts, lateness, notices
from hayon.store.attempts import answer_intent, append_attempt, end_attempt, end_received, reopen_intent
from hayon.store.database import Tx, planned_once
from hayon.store.intending import find_at_work
from hayon.store.moves import complete, lock_free_posts, lock_posts, move, moving, summarize_posts
from hayon.store.receipts import find_owner, keep_fresh, keep_receipt, list_receipts, may_adopt
from hayon.store.schema import targets
from hayon.store.together import ALONE, Alone, Asked, together

T = TargetStatus
ANYWHERE = frozenset(T)
_AT_REST: Mapping[str, Any] = {"due_at": None, "message": "", "code": "", "lost_leases": 0}
"""What the row of a completed target says beside its proof."""
KEEPS_SLOT = frozenset({Ended.NOT_YET, Ended.INTERRUPTED})
"""It goes on where it stopped, and soon: the slot reserved for it is found again."""


@dataclass(frozen=True, slots=True)
class _Try:
    claim: Claim
    outcome: Outcome
    _: KW_ONLY
    attempt_id: UUID | None
    patience: Patience
    told: allowances.Scoped | None = None


@dataclass(frozen=True, slots=True)
class _Plain:
    """A try with the receipt that its target (a row) waits for."""

    target: Row[Any]
    receipt: Receipt
    attempt_id: UUID
    ended: _Try


@planned_once
def settle_tries(tx: Tx, asked: Sequence[Asked]) -> list[Settlement | Exception | Alone]:
    """`settle_try` for those of many that brought the receipt their target waits for; the others are left out.

    Raises IntegrityError where a platform gave an id that it gave before: alone, each finds out whose it is.
    """
    tries = [_Try(*one.args, **one.kwargs) for one in asked]
    if not any(_own_receipt(one.outcome) for one in tries):
        return [ALONE] * len(tries)
    tx.wait_briefly()
    free = lock_free_posts(tx, {one.claim.post_id for one in tries if _own_receipt(one.outcome)})
    now = tx.now()
    plain = _find_plain(tx, [one for one in tries if one.claim.post_id in free and _own_receipt(one.outcome)])
    if plain:
        _complete(tx, list(plain.values()), now)
        hosts.note_answers(tx, {one.ended.claim.host for one in plain.values()})
        allowances.keep_told(tx, _told(one.ended.told for one in plain.values()), now)
        summarize_posts(tx, {one.target.post_id for one in plain.values()}, now)
    settled = Settlement(T.COMPLETED, answers_intent=True, message="")
    # of one target two answers may come at once: only one is written here
    written = {id(one.ended) for one in plain.values()}
    return [settled if id(one) in written else ALONE for one in tries]


@together(settle_tries, pause=0.01)
def settle_try(
    tx: Tx, claim: Claim, outcome: Outcome, *, attempt_id: UUID | None, patience: Patience,
    told: allowances.Scoped | None = None,
) -> Settlement:  # fmt: skip
    """Writes the end of one try: attempt, target, summary and notices. Raises LeaseLost where the fence has moved on,
    unless the outcome is the call's own receipt, which settles whatever the fence.

    `told`: what its answer told of how much is left.
    """
    own_answer = _own_receipt(outcome)
    adopter = _find_adopter(tx, claim, own_answer) if own_answer else None
    with moving(tx, [claim.post_id, *([adopter.post_id] if adopter else [])]) as now:
        target = tx.first(sa.select(targets).where(targets.c.id == claim.target_id))
        if target is None:
            raise LeaseLost("This target is gone.")
        mine = target.status == T.PROCESSING and target.fence == claim.fence
        hosts.note_outcome(tx, claim.host, outcome, now)
        if own_answer:
            settlement = _settle_receipt(tx, target, outcome, attempt_id, mine, now)
            allowances.keep_told(tx, told or {}, now)
            return settlement
        if not mine:
            raise LeaseLost("Another worker delivers this by now.")
        if outcome.receipt is not None and not may_adopt(tx, target, outcome.receipt.remote_id, exact=outcome.exact):
            outcome = replace(
                outcome, ended=Ended.UNCONFIRMED, receipt=None,
                message="A post with these words stands on the account, but it may be another post's.",
            )  # fmt: skip
        if target.version != claim.version and target.open_attempt_id is None:
            # whatever became of the old words, the author has written others since
            outcome = replace(outcome, ended=Ended.OVERTAKEN, receipt=None)
        if attempt_id is None or attempt_id != target.open_attempt_id:
            # only the answer to the open intent's own call can prove that nothing went live
            outcome = replace(outcome, proves_absence=False)
        settlement = settle(_standing(target), outcome, now, patience)
        _write_try(tx, target, attempt_id, outcome, now)
        values: dict[str, Any] = {}
        if settlement.answers_intent and target.open_attempt_id is not None:
            answered_by = "receipt" if outcome.receipt else "refusal"
            values |= answer_intent(tx, target.open_attempt_id, answered_by, now)
        if outcome.receipt is not None:
            keep_receipt(tx, target, outcome.receipt, attempt_id=target.last_attempt_id, adopted=True, now=now)
            values |= _proof(outcome.receipt)
        too_late = settlement.status is T.FAILED and outcome.ended is Ended.TOO_LATE
        move(
            tx, target.id, settlement.status, since={T.PROCESSING}, now=now, fence=claim.fence, raise_fence=True,
            due_at=settlement.due_at, tries=settlement.tries, waits=settlement.waits, looks=settlement.looks,
            first_wait_at=settlement.first_wait_at,
            waiting_for=outcome.waiting_for if settlement.waits else "", waits_for=str(settlement.waits_for or ""), lost_leases=0, message=settlement.message, code=outcome.code,
            first_try_at=target.first_try_at or (now if settlement.tries else None),
            claims=0 if outcome.ended is Ended.OVERTAKEN else target.claims,
            too_late=too_late,
            slot_at=target.slot_at if settlement.status is T.PENDING and outcome.ended in KEEPS_SLOT else None, **values,
        )  # fmt: skip
        if too_late:
            lateness.tell(tx, [target.id], now)
        accounts.note_outcome(tx, target.account_id, outcome, now)
        if settlement.status is T.FAILED and outcome.ended is not Ended.TOO_LATE:
            notices.parked(tx, target, settlement.message, outcome.code, now)
        allowances.keep_told(tx, told or {}, now)
        _tell_others(tx, target, outcome, settlement, now)
        return settlement


def _tell_others(tx: Tx, target: Row[Any], outcome: Outcome, settlement: Settlement, now: datetime) -> None:
    """What this try means for what waits on the same account: its platform asked it to wait, so that nobody claims in vain;
    or nothing went out, so that the slot is the next one's.
    """
    of_account = allowances.of_account(target.platform, target.user_id, target.account_id)
    asked = outcome.ended is Ended.RATE_LIMITED and outcome.until is not None and outcome.until > now
    if asked and not outcome.planned and not outcome.of_app and settlement.due_at is not None:
        allowances.postpone(tx, of_account, settlement.due_at, outcome.message, now, settlement.waits_for)
    elif (target.slot_at is not None and outcome.ended not in KEEPS_SLOT) or (
        settlement.answers_intent and outcome.receipt is None
    ):
        allowances.call_next(tx, of_account, now)


def _standing(target: Row[Any]) -> Standing:
    return Standing(
        intent_open=target.open_attempt_id is not None, doubted=target.doubted, stop_asked=target.stop_asked,
        tries=target.tries, waits=target.waits, looks=target.looks, first_try_at=target.first_try_at,
        first_wait_at=target.first_wait_at, waiting_for=target.waiting_for, quiet_until=target.quiet_until, due_at=target.due_at,
        restored=target.restored_at is not None,
    )  # fmt: skip


def _write_try(tx: Tx, target: Row[Any], attempt_id: UUID | None, outcome: Outcome, now: datetime) -> None:
    told = {"ended": str(outcome.ended), "message": outcome.message, "code": outcome.code}
    if attempt_id is None:
        append_attempt(tx, target, **told, http_status=outcome.http_status, now=now)
    else:
        end_attempt(tx, attempt_id, **told, http_status=outcome.http_status, now=now)


def _own_receipt(outcome: Outcome) -> Receipt | None:
    """That of the call itself, and not one that was found by looking."""
    return None if outcome.adopted else outcome.receipt


def _find_plain(tx: Tx, tries: Sequence[_Try]) -> dict[UUID, _Plain]:
    """Those whose target still waits for exactly this answer, by target."""
    rows = find_at_work(tx, [one.claim.target_id for one in tries])
    found: dict[UUID, _Plain] = {}
    for one in tries:
        target, receipt, attempt_id = rows.get(one.claim.target_id), _own_receipt(one.outcome), one.attempt_id
        if target is None or receipt is None or attempt_id is None:
            continue
        frees = one.told is not None and not all(one.told.values())  # it says that something is not scarce any more
        if target.fence == one.claim.fence and target.open_attempt_id == attempt_id and not frees:
            found[target.id] = _Plain(target, receipt, attempt_id, one)
    return found


def _told(answers: Iterable[allowances.Scoped | None]) -> allowances.Scoped:
    """All that these answers told, by scope; of what was told twice the later one."""
    told: dict[str, dict[str, Told]] = {}
    for answer in answers:
        for scope, many in (answer or {}).items():
            told.setdefault(scope, {}).update({one.name: one for one in many})
    return {scope: list(many.values()) for scope, many in told.items()}


def _complete(tx: Tx, plain: Sequence[_Plain], now: datetime) -> None:
    """What `_settle_receipt` does for one, where nothing stands in the way."""
    keep_fresh(tx, [(one.target, one.receipt, one.attempt_id) for one in plain], now)
    values = end_received(tx, [(one.attempt_id, one.ended.outcome) for one in plain], now)
    complete(tx, [(one.target, {**_AT_REST, **values, **_proof(one.receipt)}) for one in plain], now)


def _settle_receipt(
    tx: Tx, target: Row[Any], outcome: Outcome, attempt_id: UUID | None, mine: bool, now: datetime
) -> Settlement:
    """The call's own answer always settles: completed, whatever the fence, from any status."""
    receipt = outcome.receipt
    if receipt is None:
        raise AssertionError("no receipt to settle")
    owner = find_owner(tx, target.account_id, receipt.remote_id)
    if owner is not None and owner.target_id != target.id:
        if not owner.adopted:
            raise LeaseLost("The platform gave one id to two posts; the first keeps it.")
        _turn_out_adopter(tx, owner.target_id, now)
    keep_receipt(tx, target, receipt, attempt_id=attempt_id, adopted=False, now=now)
    _write_try(tx, target, attempt_id, outcome, now)
    values: dict[str, Any] = {}
    if target.open_attempt_id is not None:
        values |= answer_intent(tx, target.open_attempt_id, "receipt", now)
    if target.status != T.COMPLETED or target.remote_id == receipt.remote_id:
        values |= _proof(receipt)
    else:
        links = [one.url for one in list_receipts(tx, target.id)]
        notices.published_twice(tx, target.user_id, target.post_id, target.id, links, now)
    move(
        tx, target.id, T.COMPLETED, since=ANYWHERE, now=now, raise_fence=True,
        **_AT_REST, **values,
    )  # fmt: skip
    return Settlement(T.COMPLETED, answers_intent=True, message="" if mine else "It came after the lease had ended.")


def _proof(receipt: Receipt) -> dict[str, Any]:
    return {"remote_id": receipt.remote_id, "url": receipt.url, "published_at": receipt.published_at}


def _find_adopter(tx: Tx, claim: Claim, receipt: Receipt) -> Row[Any] | None:
    owner = find_owner(tx, claim.account_id, receipt.remote_id)
    if owner is None or owner.target_id == claim.target_id:
        return None
    return tx.first(sa.select(targets.c.post_id).where(targets.c.id == owner.target_id))


def _turn_out_adopter(tx: Tx, target_id: UUID, now: datetime) -> None:
    """Another target took this post for its own by likeness; it has to look again."""
    adopter = tx.first(sa.select(targets).where(targets.c.id == target_id))
    if adopter is None or adopter.last_attempt_id is None:
        raise AssertionError("an adopter has an intent")
    lock_posts(tx, [adopter.post_id])  # ours already, but where it adopted a moment ago
    move(
        tx, adopter.id, T.UNCONFIRMED, since={T.COMPLETED}, now=now, raise_fence=True, due_at=now,
        message="The post taken for this one turned out to be another's; looking again.",
        **reopen_intent(tx, adopter.last_attempt_id),
    )  # fmt: skip
    summarize_posts(tx, [adopter.post_id], now)
