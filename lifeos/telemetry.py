"""Sentry and OpenTelemetry: only when the environment asks, and without content.

Neither ever gets prompts, pictures, cookies, bodies, addresses or names: those belong
to people. What goes out is where something failed, or how long it took.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from generation.context import job_id
from lifeos import logs

KEPT = frozenset({"url", "method"})
MISSING = (
    "{name} is set, but its library is not installed:"
    " pip install -r requirements-observe.txt"
)


def start() -> None:
    if settings.SENTRY_DSN:
        _start_sentry()
    if settings.OTEL_ENDPOINT:
        _start_opentelemetry()


def _start_sentry(transport: Callable[..., Any] | None = None) -> None:
    try:
        import sentry_sdk
    except ImportError as exc:
        raise ImproperlyConfigured(MISSING.format(name="SENTRY_DSN")) from exc
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        release=settings.VERSION,
        environment=settings.SENTRY_ENVIRONMENT,
        traces_sample_rate=settings.SENTRY_TRACES,
        send_default_pii=False,
        # Local variables hold prompts.
        include_local_variables=False,
        max_request_body_size="never",
        before_send=without_content,  # type: ignore[arg-type]
        before_send_transaction=without_content,  # type: ignore[arg-type]
        transport=transport,
    )


def without_content(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """An event with our ids, and without what people wrote or who they are."""
    request = event.get("request") or {}
    event["request"] = {key: value for key, value in request.items() if key in KEPT}
    # A query is what somebody searched for.
    if "url" in event["request"]:
        event["request"]["url"] = str(event["request"]["url"]).partition("?")[0]
    event.pop("user", None)
    event.pop("breadcrumbs", None)
    event.pop("server_name", None)
    event.setdefault("tags", {}).update(
        {
            name: value
            for name, value in (
                ("request_id", logs.request_id.get()),
                ("job", job_id.get()),
            )
            if value
        }
    )
    return event


def _start_opentelemetry() -> None:
    """Spans of requests and of calls to ComfyUI, by OTEL_…'s own variables."""
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
            OTLPSpanExporter,
        )
        from opentelemetry.instrumentation.django import DjangoInstrumentor
        from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as exc:
        name = "OTEL_EXPORTER_OTLP_ENDPOINT"
        raise ImproperlyConfigured(MISSING.format(name=name)) from exc
    os.environ.setdefault("OTEL_SERVICE_NAME", "lifeos")
    resource = Resource.create({"service.version": settings.VERSION})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument(
        excluded_urls="healthz,readyz,metrics",
        response_hook=_name_request,
    )
    HTTPXClientInstrumentor().instrument()


def _name_request(span: Any, request: Any, response: Any) -> None:
    """Our id on it, and no query: that is what somebody searched for."""
    if span.is_recording():
        span.set_attribute("lifeos.request_id", response.get("X-Request-ID", ""))
        for name in ("url.query", "http.target", "http.url", "client.address"):
            span.set_attribute(name, "")
