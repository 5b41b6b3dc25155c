"""The audit log: found, paged, exported."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime, time
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from accounts import audit, paging, proxies
from accounts.http import staff
from accounts.models import AuditEvent

PAGE = 50
COLUMNS = (
    "created", "action", "actor_id", "actor_name", "seen_as_name", "target_type",
    "target_id", "target_name", "details", "ip", "user_agent", "request_id",
)  # fmt: skip
FILTERS = ("q", "action", "since", "until")


@staff
@require_safe
def audit_page(request: HttpRequest) -> HttpResponse:
    try:
        page = paging.newest_first(_found(request), request.GET.get("cursor", ""), PAGE)
    except paging.BadCursor as exc:
        raise Http404 from exc
    kept = {name: request.GET[name] for name in FILTERS if request.GET.get(name)}
    context: dict[str, Any] = {
        "events": page.items,
        "older": urlencode({**kept, "cursor": page.next}) if page.next else "",
        "filters": urlencode(kept),
        "kinds": sorted({action.partition(".")[0] for action in audit.ACTIONS}),
        **{name: request.GET.get(name, "") for name in FILTERS},
    }
    return render(request, "people/audit.html", context)


def _found(request: HttpRequest) -> QuerySet[AuditEvent]:
    rows: QuerySet[AuditEvent] = AuditEvent.objects.all()
    if action := request.GET.get("action", ""):
        rows = rows.filter(Q(action=action) | Q(action__startswith=f"{action}."))
    if since := _day(request.GET.get("since", "")):
        rows = rows.filter(created__gte=since)
    if until := _day(request.GET.get("until", ""), end=True):
        rows = rows.filter(created__lte=until)
    for word in request.GET.get("q", "").split()[:5]:
        rows = rows.filter(
            Q(actor_name__icontains=word)
            | Q(seen_as_name__icontains=word)
            | Q(target_name__icontains=word)
            | Q(request_id=word)
            | Q(action__icontains=word)
            | (Q(ip=word) if proxies.is_address(word) else Q())
        )
    return rows


def _day(text: str, *, end: bool = False) -> datetime | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    if day is None:
        return None
    return timezone.make_aware(datetime.combine(day, time.max if end else time.min))


@staff
@require_safe
def audit_export(request: HttpRequest) -> HttpResponseBase:
    """CSV of what the page finds, all of it, streamed."""
    rows = _found(request).order_by("-created", "-id")
    audit.record(request, "audit.exported", filters=request.GET.urlencode()[:300])
    response = StreamingHttpResponse(_lines(rows), content_type="text/csv")
    name = f"audit-{timezone.now():%Y%m%d-%H%M}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


class _Echo:
    """What csv.writer writes to is handed on line by line."""

    def write(self, line: str) -> str:
        return line


def _lines(rows: QuerySet[AuditEvent]) -> Iterator[str]:
    writer: Any = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for row in rows.iterator(chunk_size=500):
        yield writer.writerow([_cell(getattr(row, name)) for name in COLUMNS])


def _cell(value: object) -> str:
    """As text that a spreadsheet takes for no formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
