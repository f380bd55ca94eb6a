"""What a scenario hands back: tables of figures, one value for each run, and what they say of a target. It measures and prints nothing."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Column:
    """One figure of every row: its name in `runs`, the heading, and how many digits behind the point are shown.

    `exact`: not measured but counted; it is shown as one number, which has to be the same in every run.
    """

    name: str
    heading: str
    digits: int = 0
    exact: bool = False


@dataclass(frozen=True)
class Row:
    """One line: who, under which circumstances (`labels`, by heading), and what each run came to (by a column's name)."""

    labels: Mapping[str, str]
    runs: Sequence[Mapping[str, float]]
    note: str = ""

    def values(self, name: str) -> list[float]:
        """What the runs came to, those that have it."""
        return [run[name] for run in self.runs if name in run]

    def median(self, name: str) -> float | None:
        """The median over the runs; None where no run has it."""
        values = self.values(name)
        return statistics.median(values) if values else None


@dataclass(frozen=True)
class Table:
    """Rows under one title; `about` says how they were measured."""

    title: str
    about: str
    columns: Sequence[Column]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Verdict:
    """One target of the design, and whether it holds. None: this run could not tell."""

    target: str
    holds: bool | None
    told: str


@dataclass(frozen=True)
class Result:
    """All that one scenario came to in one form."""

    scenario: str
    form: str
    title: str
    about: str
    tables: Sequence[Table]
    verdicts: Sequence[Verdict] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> "Result":
        """As `as_json` gave it."""
        tables = [
            Table(
                one["title"], one["about"], [Column(**column) for column in one["columns"]],
                [Row(**row) for row in one["rows"]],
            )
            for one in kept["tables"]
        ]  # fmt: skip
        verdicts = [Verdict(**one) for one in kept["verdicts"]]
        return cls(kept["scenario"], kept["form"], kept["title"], kept["about"], tables, verdicts)
