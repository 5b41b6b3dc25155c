"""/api/notices: the bell's history for scripts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from accounts import notices
from accounts.access import MANAGE, READ
from accounts.http import person
from accounts.notice_pages import page_before
from accounts.paging import BadCursor

router = Router(tags=["notices"])


class NoticeOut(Schema):
    id: int
    kind: str
    title: str
    text: str
    url: str
    created: datetime
    read: datetime | None


class NoticesOut(Schema):
    items: list[NoticeOut]
    next: str | None
    unread: int


class ReadIn(Schema):
    """`ids`: which; all of them when it is left out."""

    ids: list[Annotated[int, Field(ge=0, lt=2**63)]] | None = Field(
        None, min_length=1, max_length=500
    )


class ReadOut(Schema):
    read: int


@router.get("", auth=READ, response=NoticesOut)
def list_notices(
    request: HttpRequest,
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 30,
) -> NoticesOut:
    """What I was told, newest first. `unread` is counted to 100."""
    user = person(request)
    try:
        page = page_before(user, cursor, limit)
    except ValueError as exc:
        raise BadCursor("This page does not exist.") from exc
    items = [NoticeOut.from_orm(one) for one in page.items]
    following = str(page.next) if page.next else None
    return NoticesOut(items=items, next=following, unread=notices.unread(user.pk))


@router.post("/read", auth=MANAGE, response=ReadOut)
def read_notices(request: HttpRequest, body: ReadIn) -> ReadOut:
    """Mark these as read, or all."""
    return ReadOut(read=notices.mark_read(person(request).pk, *(body.ids or ())))
