"""Statements that are built once go straight to asyncpg: compiled once, and then only bound and sent. No table is named here.

SQLAlchemy builds, types and compiles them as any other; what it does around each execution costs twice what the driver does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine import AdaptedConnection, Row, result_tuple
from sqlalchemy.engine.processors import to_float
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import ScalarElementColumnDefault

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
        if not isinstance(statement, sa.ClauseElement):
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
        self._parameters: list[tuple[str, Any, Processor | None]] = []
        for name in compiled.positiontup or ():
            bind = compiled.binds[name]
            # `...` stands for no value of its own
            own = defaults.get(name, ... if bind.required else bind.effective_value)
            self._parameters.append((name, own, bind.type.dialect_impl(dialect).bind_processor(dialect)))
        self._make = result_tuple([str(column.key) for column in columns])
        self._readers = [_reader_of(column.type, dialect) for column in columns]
        self._reads = any(self._readers)

    def fetch(self, driver: AdaptedConnection, values: Mapping[str, Any]) -> list[Row[Any]]:
        """Its rows. Raises IntegrityError and DBAPIError as SQLAlchemy does, and what asyncpg says of a lost connection."""
        bound = self._bind(values)
        try:
            records = driver.run_async(lambda connection: connection.fetch(self._sql, *bound))
        except asyncpg.PostgresError as error:
            raise self._told(error) from error
        return self._rows(records)

    def fetch_first(self, driver: AdaptedConnection, values: Mapping[str, Any]) -> Row[Any] | None:
        """The first of its rows, however many there are; no others are read. Raises as `fetch`."""
        bound = self._bind(values)
        try:
            record = driver.run_async(lambda connection: connection.fetchrow(self._sql, *bound))
        except asyncpg.PostgresError as error:
            raise self._told(error) from error
        return None if record is None else self._rows([record])[0]

    def _rows(self, records: Sequence[Any]) -> list[Row[Any]]:
        if not self._reads:
            return [self._make(tuple(record)) for record in records]
        return [
            self._make([read(value) if read else value for read, value in zip(self._readers, record, strict=True)])
            for record in records
        ]

    def send_each(self, driver: AdaptedConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs it for each of these. Raises as `fetch`."""
        bound = [self._bind(row) for row in rows]
        one = bound[0] if len(bound) == 1 else None  # half the way there and back
        try:
            if one is not None:
                driver.run_async(lambda connection: connection.fetch(self._sql, *one))
            else:
                driver.run_async(lambda connection: connection.executemany(self._sql, bound))
        except asyncpg.PostgresError as error:
            raise self._told(error) from error

    def _bind(self, values: Mapping[str, Any]) -> list[Any]:
        bound = []
        for name, own, write in self._parameters:
            value = values.get(name, own)
            if value is ...:
                raise KeyError(f"no value for {name}")
            bound.append(write(value) if write else value)
        return bound

    def _told(self, error: asyncpg.PostgresError) -> sa.exc.DBAPIError:
        clash = isinstance(error, asyncpg.IntegrityConstraintViolationError)
        return (sa.exc.IntegrityError if clash else sa.exc.DBAPIError)(self._sql, None, error)


def _reader_of(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Processor | None:
    made: Processor | None = to_float  # whatever kind of number the database made of it
    if not isinstance(kind, sa.NumericCommon):
        made = kind.dialect_impl(dialect).result_processor(dialect, None)
    return made


def _default_of(column: sa.Column[Any]) -> Any:
    """What an insert writes where nothing is said; `...` where it has to be made each time."""
    return column.default.arg if isinstance(column.default, ScalarElementColumnDefault) else ...
