"""How long requests take, by view, and how many pages are open."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from prometheus_client import Gauge, Histogram

from lifeos.middleware import Middleware

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
REQUESTS = Histogram(
    "lifeos_http_request_seconds",
    "Time until the answer begins, by view.",
    ["method", "view", "status"],
    buckets=SECONDS,
)
SOCKETS = Gauge("lifeos_open_sockets", "Pages that are open at this process.")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Application = Callable[[Any, Any, Any], Awaitable[None]]


class MetricsMiddleware(Middleware):
    """Measures each request. The labels are names of ours: few, and nobody's data."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begun = time.perf_counter()
        response = self.get_response(request)
        _observe(request, response, begun)
        return response


def _observe(request: HttpRequest, response: HttpResponseBase, begun: float) -> None:
    match = request.resolver_match
    # Whatever was not found shares a name: anybody can make up addresses.
    view = (match.view_name or match.route) if match else "none"
    method = request.method if request.method in METHODS else "other"
    status = f"{response.status_code // 100}xx"
    seconds = time.perf_counter() - begun
    REQUESTS.labels(method, view, status).observe(seconds)


def count_sockets(application: Application) -> Application:
    """The WebSocket application, counted while it runs."""

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        with SOCKETS.track_inprogress():
            await application(scope, receive, send)

    return counted
