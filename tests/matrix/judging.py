"""The judge: what the simulated platform's ledger shows of each post, held against what Hayon says became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hayon.sandbox.model import LedgerEntry
from hayon.sandbox.sites import SITES

NO_SUCH = "n/a"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One cell's end. `sign` is what the table shows: copies, with ? where the outcome is shown as unknown."""

    sign: str
    right: bool
    why: str = ""
    """What is wrong, with the whole story; empty where all is right."""


def judge(told: Mapping[str, Any], account: str, words: str, files: int, ledger: Sequence[LedgerEntry]) -> Verdict:
    """One live copy and `completed`, or `unconfirmed` with none or one: anything else is wrong.

    Wrong is also a publishing call that came when the post had landed before, even where the platform recognised it: a
    platform's kindness is not what the promise stands on.
    """
    ours = [entry for entry in ledger if account in {entry.account, entry.handle}]
    live = live_copies(ours)
    faults = []
    sign = f"{'?' if told['status'] == 'unconfirmed' else ''}{len(live)}"
    match told["status"]:
        case "completed" if len(live) != 1:
            faults.append(f"completed, and {len(live)} copies are live")
        case "completed" if not _names(told["remote"], live[0]):
            faults.append(f"completed by {told['remote']}, and what is live is {live[0].remote_id}")
        case "completed" if told["receipts"] != [told["remote"]]:
            faults.append(f"its receipts are {told['receipts']}")
        case "completed":
            pass
        case "unconfirmed" if len(live) > 1:
            faults.append(f"{len(live)} copies are live")
        case "unconfirmed" if not told["asked"]:
            faults.append("nobody looks, and no person is asked")
        case "unconfirmed":
            pass
        case other:
            faults.append(f"it ended as {other}, and {len(live)} copies are live")
    faults += [f"it was sent again blindly, as {entry.remote_id}" for entry in ours if entry.repeat and _is_post(entry)]
    faults += [f"{entry.remote_id} took the place of another post" for entry in ours if entry.overwrote]
    faults += [f"{entry.remote_id} says {entry.text!r}" for entry in live if entry.text != words]
    faults += [
        f"{entry.remote_id} has {len(entry.media_ids)} files"
        for entry in live
        if files and len(entry.media_ids) != files
    ]
    return Verdict(f"{sign}!" if faults else sign, not faults, "; ".join(faults))


def live_copies(ledger: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """The posts of one account that landed and were not deleted since; repeats that were recognised are none."""
    posts = [entry for entry in ledger if _is_post(entry)]
    gone = {entry.remote_id for entry in ledger if entry.operation.startswith("delete")}
    return [entry for entry in posts if not entry.repeat and entry.remote_id not in gone]


def _is_post(entry: LedgerEntry) -> bool:
    return next(site for site in SITES if site.platform is entry.platform).is_post(entry)


def _names(receipt: str | None, live: LedgerEntry) -> bool:
    """Whether the receipt names the post that is live: by its id or, where nobody tells that, by its one container's."""
    return receipt in {live.remote_id, f"container:{live.key}"}
