"""Statements that are built once go straight to the driver: compiled once, and then only bound and sent. No table is named here.

SQLAlchemy builds, types and compiles them as any other; what it does around each execution costs twice what the driver does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine import Row, result_tuple
from sqlalchemy.engine.processors import to_float
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from hayon.store.sending import Sender

Columns = Sequence[sa.ColumnElement[Any]]
Processor = Callable[[Any], Any]
UNFIT = "unfit"


class Straight:
    """The statements of one engine that were seen more than once: whoever has one twice keeps it, so it was built once."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        self._seen: WeakKeyDictionary[sa.Executable, Compiled | str] = WeakKeyDictionary()

    def find(self, statement: sa.Executable, names: Sequence[str] = ()) -> "Compiled | None":
        """How to send it; None at first sight, and where only SQLAlchemy can run it. `names`: the parameters of each of many
        rows, where it is run for these."""
        found = self._seen.get(statement)
        if found is None:
            self._seen[statement] = ""
        elif found == "":
            found = self._seen[statement] = self._compile(statement, names) or UNFIT
        return found if isinstance(found, Compiled) and found.names == names else None

    def _compile(self, statement: sa.Executable, names: Sequence[str]) -> "Compiled | None":
        # of written text it is not known what its columns are called
        if isinstance(statement, sa.TextClause) or not isinstance(statement, sa.ClauseElement):
            return None
        compiled = statement.compile(dialect=self._dialect, column_keys=names or None)
        if not isinstance(compiled, SQLCompiler) or compiled.positiontup is None:
            return None
        # what only SQLAlchemy fills in for each execution: lists written out, defaults that have to be made
        if compiled.post_compile_params or compiled.literal_execute_params or compiled.escaped_bind_names:
            return None
        if compiled.update_prefetch or any(_default_of(one) is ... for one in compiled.insert_prefetch):
            return None
        # numbers of a fixed point are read by the type that the driver tells, which is not known before it was asked
        columns: Columns = getattr(statement, "exported_columns", ())
        if any(isinstance(one.type, sa.NumericCommon) and one.type.asdecimal for one in columns):
            return None
        return Compiled(compiled, columns, self._dialect, names)


class Compiled:
    """One statement as the driver takes it."""

    def __init__(self, compiled: SQLCompiler, columns: Columns, dialect: sa.Dialect, names: Sequence[str]) -> None:
        self.names = names
        self._sql = str(compiled)
        defaults = {one.key: _default_of(one) for one in compiled.insert_prefetch}
        self._bound: list[Any] = []
        self._given: list[tuple[int, str, Any, Processor | None]] = []
        for place, name in enumerate(compiled.positiontup or ()):
            bind = compiled.binds[name]
            write = bind.type.dialect_impl(dialect).bind_processor(dialect)
            # `...` stands for no value of its own
            own = defaults.get(name, ... if bind.required else bind.effective_value)
            if bind.unique or (name in defaults and names and name not in names):
                self._bound.append(write(own) if write else own)
            else:
                self._bound.append(None)
                self._given.append((place, name, own, write))
        self._make = result_tuple([str(column.key) for column in columns])
        self._readers = [_reader_of(column.type, dialect) for column in columns]
        self._reads = any(self._readers)

    def fetch(self, sender: Sender, values: Mapping[str, Any]) -> list[Row[Any]]:
        """Its rows. Raises KeyError where a value is missing, and as `Sender` does."""
        return self._rows(sender.fetch(self._sql, self._bind(values)))

    def fetch_first(self, sender: Sender, values: Mapping[str, Any]) -> Row[Any] | None:
        """The first of its rows, however many there are; no others are read. Raises as `fetch`."""
        record = sender.fetch_first(self._sql, self._bind(values))
        return None if record is None else self._rows([record])[0]

    def send_each(self, sender: Sender, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs it for each of these. Raises as `fetch`."""
        sender.send_each(self._sql, [self._bind(row) for row in rows])

    def _rows(self, records: Sequence[Any]) -> list[Row[Any]]:
        if not self._reads:
            return [self._make(tuple(record)) for record in records]
        return [
            self._make([read(value) if read else value for read, value in zip(self._readers, record, strict=True)])
            for record in records
        ]

    def _bind(self, values: Mapping[str, Any]) -> list[Any]:
        bound = self._bound.copy()
        for place, name, own, write in self._given:
            value = values.get(name, own)
            if value is ...:
                raise KeyError(f"no value for {name}")
            bound[place] = write(value) if write else value
        return bound


def _reader_of(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Processor | None:
    made: Processor | None = to_float  # whatever kind of number the database made of it
    if not isinstance(kind, sa.NumericCommon):
        made = kind.dialect_impl(dialect).result_processor(dialect, None)
    return made


def _default_of(column: sa.Column[Any]) -> Any:
    """What an insert writes where nothing is said; `...` where it has to be made each time."""
    return column.default.arg if isinstance(column.default, ScalarElementColumnDefault) else ...
