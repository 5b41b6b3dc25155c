"""The OpenAPI document: what ninja knows, and what every operation has in common."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.operation import Operation

from accounts.access import scope_of

PROBLEM = {
    "type": "object",
    "title": "Problem",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
}
WRONG = {
    "type": "object",
    "title": "Wrong values",
    "description": "One entry for each value that is wrong.",
    "properties": {
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                },
                "required": ["field", "message"],
            },
        },
    },
    "required": ["detail", "errors"],
}
LEFT = {
    name: {"schema": {"type": "integer"}, "description": what}
    for name, what in (
        ("RateLimit-Limit", "calls a minute"),
        ("RateLimit-Remaining", "how many of them are left"),
        ("RateLimit-Reset", "seconds until the minute is over"),
    )
}
RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "in seconds"}}


class DocumentedApi(NinjaAPI):
    def get_openapi_schema(self, **options: Any) -> Any:
        schema = super().get_openapi_schema(**options)
        schemas = schema["components"].setdefault("schemas", {})
        schemas |= {"Problem": PROBLEM, "WrongValues": WRONG}
        scopes = self._scopes()
        for methods in schema["paths"].values():
            for method, operation in methods.items():
                _complete(method, operation, scopes.get(operation["operationId"], ""))
        return schema

    def _scopes(self) -> dict[str, str]:
        return {
            self.get_openapi_operation_id(operation): scope_of(operation.auth_callbacks)
            or ""
            for bound in self._get_bound_routers()
            for view in bound.path_operations.values()
            for operation in _of(view)
        }


def _of(view: Any) -> list[Operation]:
    return list(view.operations)


def needs(scope: str) -> str:
    return f"Scope of the key: `{scope}`."


def _complete(method: str, operation: dict[str, Any], scope: str) -> None:
    operation["x-scope"] = scope
    text = operation.get("description", "")
    told = needs(scope)
    if told not in text:
        operation["description"] = f"{text}\n\n{told}".strip()
    answers: dict[Any, Any] = operation["responses"]
    for status, answer in list(answers.items()):
        if int(status) < 300:
            answer.setdefault("headers", {}).update(LEFT)
            if _is_file(answer):
                _of_a_file(answers, answer)
    for status, answer in _errors(method, operation):
        answers.setdefault(status, answer)


def _errors(method: str, operation: dict[str, Any]) -> list[tuple[int, Any]]:
    given = bool(operation.get("parameters") or operation.get("requestBody"))
    named = any(p["in"] == "path" for p in operation.get("parameters", []))
    found = [
        (401, _problem("Nobody whom we know, or not any more.")),
        (403, _problem("The key lacks the scope, or the page its CSRF token.")),
        (429, _problem("Too many calls or too much work.") | {"headers": RETRY}),
    ]
    if operation.get("requestBody"):
        found.append((400, _problem("The body cannot be read.")))
    if named or operation.get("requestBody"):
        found.append((404, _problem("There is none, or it is somebody else's.")))
    if method != "get":
        found.append((409, _problem("It is in another state.")))
    if given or method != "get":
        found.append((422, _answer("WrongValues", "Some values are wrong.")))
    return found


def _problem(text: str) -> dict[str, Any]:
    return _answer("Problem", text)


def _answer(schema: str, text: str) -> dict[str, Any]:
    of = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"description": text, "content": {"application/json": of}}


def _is_file(answer: dict[str, Any]) -> bool:
    content = answer.get("content", {}).get("application/json", {})
    return bool(content.get("schema", {}).get("format") == "binary")


def _of_a_file(answers: dict[Any, Any], answer: dict[str, Any]) -> None:
    """ninja calls every answer JSON; files have ranges and an ETag, too."""
    answer["content"] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    answers.setdefault(
        206, {"description": "A part of it", "content": answer["content"]}
    )
    answers.setdefault(304, {"description": "It has not changed"})
    answers.setdefault(416, {"description": "There is no such part"})
    away = _problem("The bucket that has it does not answer.") | {"headers": RETRY}
    answers.setdefault(503, away)
