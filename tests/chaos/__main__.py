"""`python -m tests.chaos`: authors at work while the house is struck again and again; then everything is judged by the ledgers."""

import argparse
import logging
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.plan import draw
from tests.chaos.running import Outcome, print_line, run
from tests.chaos.without import WITHOUT

ENDS = ("completed", "failed", "cancelled", "unconfirmed with no copy", "unconfirmed with one copy")
NONE_OF = ("lost", "doubled", "sent blindly", "with other words", "never answered")


def main() -> int:
    """0 where nothing is wrong."""
    asked = _asked()
    logging.getLogger("asyncio").setLevel(
        logging.CRITICAL
    )  # proxies are closed with links on them, and asyncio says so
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seed = asked.seed if asked.seed is not None else random.randrange(1_000_000)  # noqa: S311 - no secret
    again = f"--posts {asked.posts} --seconds {asked.seconds:g} --authors {asked.authors} --seed {seed}"
    print_line(f"seed {seed}; the same again: python -m tests.chaos {again}")
    plan = draw(seed, posts=asked.posts, seconds=asked.seconds, authors=asked.authors)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="hayon-chaos-"))
    try:
        outcome = run(plan, folder, without=asked.without, settings=dict(one.split("=", 1) for one in asked.set))
    finally:
        if asked.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    print_line(tabulate(outcome))
    for wrong in outcome.wrong:
        print_line(f"\n{wrong}")
    if outcome.wrong:
        print_line(f"\n{len(outcome.wrong)} things are wrong, with seed {seed}; {again}")
    return 1 if outcome.wrong else 0


def tabulate(outcome: Outcome) -> str:
    """The tally."""
    tally = outcome.judgement.tally
    lines: list[tuple[str, object]] = [("posts accepted", tally["accepted"])]
    lines += [(f"  targets {name}", tally[name]) for name in ENDS]
    lines += [(f"  {name}", tally[name]) for name in NONE_OF]
    for what, counted in (("faults of the house", outcome.faults), ("mishaps on platforms", outcome.mishaps)):
        lines.append((what, counted.total()))
        lines += [(f"  {name}", count) for name, count in sorted(counted.items())]
    lines += outcome.facts.items()
    return "\n".join(["", *(f"{name:<52} {value}" for name, value in lines)])


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--posts", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=600, help="over which posts and faults are spread")
    parser.add_argument("--authors", type=int, default=20, help="each has two accounts on each platform")
    parser.add_argument("--seed", type=int, help="fixes posts, wishes, mishaps, faults and their moments")
    parser.add_argument("--without", choices=sorted(WITHOUT), default="", help="take it out: the run turns red")
    parser.add_argument("--set", action="append", default=[], metavar="HAYON_X=Y", help="another setting of the house")
    parser.add_argument("--folder", type=Path, help="where logs are kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
