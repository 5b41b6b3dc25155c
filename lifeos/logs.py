"""Structured logs: one line an event, with the request's or the job's id."""

from __future__ import annotations

import json
import logging
import uuid
from contextvars import ContextVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from generation.context import job_id
from lifeos.middleware import Middleware

request_id: ContextVar[str] = ContextVar("request_id", default="")
STANDARD = set(vars(logging.makeLogRecord({}))) | {"request_id", "message", "asctime"}


class ContextFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        # Whoever writes the line, the libraries as well.
        if not hasattr(record, "job") and (job := job_id.get()):
            record.job = job
        return True


def _extras(record: logging.LogRecord) -> dict[str, object]:
    """What the caller gave as `extra=`, such as the job's id."""
    plain = (str, int, float, bool)
    return {
        key: value if isinstance(value, plain) else str(value)
        for key, value in vars(record).items()
        if key not in STANDARD
    }


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.__dict__.get("request_id"):
            line["request_id"] = record.__dict__["request_id"]
        line |= _extras(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        extras = {k: v for k, v in _extras(record).items() if k in ("job", "server")}
        tail = "".join(f" {key}={value}" for key, value in extras.items())
        return super().formatMessage(record) + tail


class RequestIdMiddleware(Middleware):
    """Give each request an id: the proxy's X-Request-ID if it is plain, or our own."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        plain = len(given) <= 64 and given.replace("-", "").isalnum()
        chosen = given if given and plain else uuid.uuid4().hex
        request_id.set(chosen)
        # For what must not import this: the audit log keeps it with each event.
        request.request_id = chosen  # type: ignore[attr-defined]
        response = self.get_response(request)
        # For whoever reports an error: it finds the lines of the log.
        response["X-Request-ID"] = chosen
        return response
