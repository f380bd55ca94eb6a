"""A list of values as one parameter of a statement: `= ANY(…)` on PostgreSQL, `IN (…)` over JSON on SQLite. No table is named here.

`column.in_(…)` writes one parameter for each value, so that every length makes another statement, to be built, sent and
planned anew. What runs for every delivery is built once, with one of these in it.
"""

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class Listed(sa.TypeDecorator[Any]):
    """Many values of one type in one parameter. They are only bound, never read back."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, item: sa.types.TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """An array where there are arrays, else JSON."""
        return dialect.type_descriptor(ARRAY(self.item) if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: Iterable[Any] | None, dialect: sa.Dialect) -> Any:
        """Each value as its column would have it."""
        listed = list(value or ())
        if dialect.name == "postgresql":
            return listed
        written = self.item.dialect_impl(dialect).bind_processor(dialect)
        return json.dumps([written(one) for one in listed] if written else listed)


class one_of(sa.ColumnElement[bool]):  # noqa: N801 - reads as an operator, like SQLAlchemy's own
    """The column's value is among those of the parameter with this name."""

    inherit_cache = True
    type = sa.Boolean()
    _traverse_internals = [  # noqa: RUF012 - as SQLAlchemy wants it
        ("column", sa.sql.visitors.InternalTraversal.dp_clauseelement),
        ("values", sa.sql.visitors.InternalTraversal.dp_clauseelement),
    ]  # fmt: skip

    def __init__(self, column: sa.ColumnElement[Any], name: str) -> None:
        self.column = column
        self.values = sa.bindparam(name, type_=Listed(column.type))

    def self_group(self, against: Any = None) -> "one_of":  # noqa: ARG002 - its signature
        """It is a condition already: nothing has to be made of it to be one."""
        return self


@compiles(one_of)
def _in_json(element: one_of, compiler: SQLCompiler, **more: Any) -> str:
    column, values = compiler.process(element.column, **more), compiler.process(element.values, **more)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - column and parameter, no value


@compiles(one_of, "postgresql")
def _in_array(element: one_of, compiler: SQLCompiler, **more: Any) -> str:
    return f"{compiler.process(element.column, **more)} = ANY({compiler.process(element.values, **more)})"
