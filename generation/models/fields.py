"""JSON as it was written."""

from __future__ import annotations

from typing import Any

from django.db import models


class KeptJSONField(models.JSONField):
    """JSON whose keys keep their order, which jsonb would sort.

    Inputs of a node, nodes of a graph and values of a form have one that people see.
    """

    def db_type(self, connection: Any) -> str | None:
        if connection.vendor == "postgresql":
            return "json"
        return super().db_type(connection)

    def get_db_prep_value(
        self, value: Any, connection: Any, prepared: bool = False
    ) -> Any:
        if connection.vendor != "postgresql":
            return super().get_db_prep_value(value, connection, prepared)
        # Here: without PostgreSQL psycopg would be 10 MB for nothing.
        from psycopg.types.json import Json

        # The backend would send it as jsonb, sorted before it is cast.
        return Json(value if prepared else self.get_prep_value(value))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        # psycopg has parsed a json column already; SQLite gives text.
        if value is None or not isinstance(value, str):
            return value
        return super().from_db_value(value, expression, connection)
