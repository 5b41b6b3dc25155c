"""Queries that are compiled once in the life of a process.

To build a queryset and make SQL of it takes Django several times as long as a database
that is near takes to answer. A tick of the queue and every page ask some things each
time, and only the values differ, so there the SQL is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Field, Model, QuerySet, Value
from django.db.models.sql import UpdateQuery

M = TypeVar("M", bound=Model)


class Slot(Value):
    """Stands in a query for the value of this name, which each run gives."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(name, output_field=field)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", (self,)

    def filled(self, values: Mapping[str, Any]) -> object:
        """The value as the database takes it."""
        field = self.output_field
        return field.get_db_prep_save(values[self.value], connection)


class _Statement:
    """SQL, made at the first run, and its parameters with the slots among them."""

    def __init__(self) -> None:
        self._sql = ""
        self._parameters: tuple[Any, ...] = ()

    def _compile(self) -> None:
        raise NotImplementedError

    def _execute(self, cursor: Any, values: Mapping[str, Any]) -> None:
        if not self._sql:
            self._compile()
        cursor.execute(
            self._sql,
            [p.filled(values) if isinstance(p, Slot) else p for p in self._parameters],
        )


class Prepared(_Statement, Generic[M]):
    """A queryset that `build` makes, with slots where its values change.

    A limit is no value, so it cannot be a slot. Rows are locked as the queryset says,
    in whatever transaction the run is part of.
    """

    def __init__(self, build: Callable[[], QuerySet[M, Any]]) -> None:
        super().__init__()
        self._build = build

    def rows(self, **values: Any) -> list[list[Any]]:
        """What `values_list` would give, or all columns of the model."""
        with connection.cursor() as cursor:
            self._execute(cursor, values)
            rows = [list(row) for row in cursor.fetchall()]
        for place, (converters, expression) in self._converters:
            for row in rows:
                for convert in converters:
                    row[place] = convert(row[place], expression, connection)
        return rows

    def objects(self, **values: Any) -> list[M]:
        """Instances of the model, with the annotations as their attributes."""
        return [self._instance(row) for row in self.rows(**values)]

    def _instance(self, row: list[Any]) -> M:
        count = len(self._columns)
        made = self._model.from_db(DEFAULT_DB_ALIAS, self._columns, row[:count])
        for name, value in zip(self._annotations, row[count:], strict=True):
            setattr(made, name, value)
        return made

    def _compile(self) -> None:
        queryset = self._build()
        query = queryset.query
        self._model = queryset.model
        self._columns = [f.attname for f in self._model._meta.concrete_fields]
        self._annotations = list(query.annotations)
        compiler = query.get_compiler(DEFAULT_DB_ALIAS)
        sql, self._parameters = compiler.as_sql()
        selected = [column[0] for column in compiler.select]
        self._converters = list(compiler.get_converters(selected).items())
        # The last: other threads take it for a sign that all is there.
        self._sql = sql


class PreparedUpdate(_Statement):
    """`build().update(**fields)`, with slots among the fields as well."""

    def __init__(self, build: Callable[[], QuerySet[Any]], **fields: Any) -> None:
        super().__init__()
        self._build = build
        self._fields = fields

    def run(self, **values: Any) -> int:
        """How many rows it changed."""
        with connection.cursor() as cursor:
            self._execute(cursor, values)
            return int(cursor.rowcount)

    def _compile(self) -> None:
        query: Any = self._build().query.chain(UpdateQuery)
        query.add_update_values(self._fields)
        sql, self._parameters = query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
        self._sql = sql
