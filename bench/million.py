"""How late posts go out of which many are due within one second while a million wait behind them: the part of the long form of
`schedule` that a target is about, by itself, with those alone who can hold so much."""

from bench.result import Result
from bench.rounds import Bench, Form
from bench.schedule import Case, Size, measure

MILLION = 1_000_000
SIZES = {
    Form.SMOKE: Size(20, 1, 1, 20, (60,), 1),
    Form.SHORT: Size(300, 3, 3, 3000, (MILLION,), 1),
    Form.FULL: Size(300, 3, 3, 3000, (MILLION,), 3),
}


async def run(bench: Bench) -> Result:
    """With Hayon in its three setups, and whoever else can hold a million."""
    size = SIZES[bench.form]
    able = bench.able("schedule", jobs=size.spread + size.burst, behind=MILLION)
    cases = [Case(one, behind) for behind in size.behind for one in able]
    return await measure(bench, "million", "Lateness with a million behind", size, cases)
