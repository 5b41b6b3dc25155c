"""/api/webhooks…: one's webhooks and what was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from accounts.access import MANAGE, READ
from accounts.errors import Conflict, NotFound
from accounts.http import person
from accounts.paging import newest_first
from generation.hooks import outbox, owning
from generation.hooks.owning import BadHook
from generation.models import Delivery, Webhook
from generation.models.webhook import Event
from generation.submit import Invalid

router = Router(tags=["webhooks"])
Id = Annotated[int, Field(ge=0, lt=2**63)]
Url = Annotated[str, Field(max_length=500)]


class WebhookIn(Schema):
    url: Url
    events: list[Event] = Field(default=[Event.DONE, Event.FAILED], max_length=10)


class WebhookPatch(Schema):
    """What is left out stays."""

    url: Url | None = None
    events: Annotated[list[Event], Field(max_length=10)] | None = None
    active: bool | None = None


class WebhookOut(Schema):
    id: int
    url: str
    events: list[str]
    active: bool
    failures: int
    created: datetime


class WebhookMadeOut(WebhookOut):
    """`secret` is shown this once."""

    secret: str


class WebhooksOut(Schema):
    items: list[WebhookOut]
    next: str | None = None


class SecretOut(Schema):
    secret: str


class DeliveryOut(Schema):
    id: UUID
    webhook: int | None
    job: UUID | None
    event: str
    url: str
    state: str
    attempts: int
    next_try: datetime | None
    status_code: int | None
    milliseconds: int | None
    error: str
    created: datetime
    finished: datetime | None
    body: str


class DeliveriesOut(Schema):
    items: list[DeliveryOut]
    next: str | None


def _fields(hook: Webhook) -> dict[str, Any]:
    return {
        "id": hook.pk,
        "url": hook.url,
        "events": hook.events,
        "active": hook.active,
        "failures": hook.failures,
        "created": hook.created,
    }


def _delivery_out(one: Delivery) -> DeliveryOut:
    waits = one.state == Delivery.State.PENDING
    return DeliveryOut(
        id=one.pk,
        webhook=one.webhook_id,
        job=one.job_id,
        event=one.event,
        url=one.url,
        state=one.state,
        attempts=one.attempts,
        next_try=one.next_try if waits else None,
        status_code=one.status_code,
        milliseconds=one.milliseconds,
        error=one.error,
        created=one.created,
        finished=one.finished,
        body=one.body,
    )


def _own(request: HttpRequest, pk: int) -> Webhook:
    hook = person(request).webhooks.filter(pk=pk).first()
    if hook is None:
        raise NotFound
    return hook


def _told(exc: BadHook) -> Invalid:
    return Invalid({exc.field or "url": str(exc)})


@router.get("", auth=READ, response=WebhooksOut)
def list_webhooks(request: HttpRequest) -> WebhooksOut:
    hooks = person(request).webhooks.all()
    return WebhooksOut(items=[WebhookOut(**_fields(hook)) for hook in hooks])


@router.post("", auth=MANAGE, response={201: WebhookMadeOut})
def add_webhook(request: HttpRequest, body: WebhookIn) -> Status[WebhookMadeOut]:
    """Have an address called when my jobs are over."""
    try:
        hook = owning.add(person(request), body.url, body.events)
    except BadHook as exc:
        raise _told(exc) from exc
    return Status(201, WebhookMadeOut(**_fields(hook), secret=hook.secret))


# Before the routes with an id, which would take these words for one.
@router.get("/deliveries", auth=READ, response=DeliveriesOut)
def list_deliveries(
    request: HttpRequest,
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> DeliveriesOut:
    """What was sent to my webhooks and callback addresses, newest first."""
    rows = Delivery.objects.filter(owner=person(request))
    page = newest_first(rows, cursor, limit)
    return DeliveriesOut(items=[_delivery_out(d) for d in page.items], next=page.next)


@router.post(
    "/deliveries/{delivery_id}/redeliver", auth=MANAGE, response={202: DeliveryOut}
)
def redeliver(request: HttpRequest, delivery_id: UUID) -> Status[DeliveryOut]:
    """Send it once more, with the same id; 409 while it is being sent."""
    rows = Delivery.objects.filter(owner=person(request), pk=delivery_id)
    delivery = rows.first()
    if delivery is None:
        raise NotFound
    if not outbox.again(delivery):
        raise Conflict("It is being sent already.")
    return Status(202, _delivery_out(rows.get()))


@router.post("/callback-secret", auth=MANAGE, response=SecretOut)
def rotate_callback_secret(request: HttpRequest) -> SecretOut:
    """A new secret for the calls to `callback_url`; the old one ends."""
    return SecretOut(secret=owning.renew_callback_secret(person(request)))


@router.patch("/{webhook_id}", auth=MANAGE, response=WebhookOut)
def change_webhook(
    request: HttpRequest, webhook_id: Id, body: WebhookPatch
) -> WebhookOut:
    hook = _own(request, webhook_id)
    try:
        owning.change(hook, url=body.url, events=body.events, active=body.active)
    except BadHook as exc:
        raise _told(exc) from exc
    return WebhookOut(**_fields(hook))


@router.delete("/{webhook_id}", auth=MANAGE, response={204: None})
def delete_webhook(request: HttpRequest, webhook_id: Id) -> Status[None]:
    owning.delete(_own(request, webhook_id))
    return Status(204, None)


@router.post("/{webhook_id}/secret", auth=MANAGE, response=SecretOut)
def rotate_secret(request: HttpRequest, webhook_id: Id) -> SecretOut:
    """A new secret, shown this once; the old one ends."""
    return SecretOut(secret=owning.renew_secret(_own(request, webhook_id)))


@router.post("/{webhook_id}/test", auth=MANAGE, response={202: DeliveryOut})
def test_webhook(request: HttpRequest, webhook_id: Id) -> Status[DeliveryOut]:
    """Send an event `webhook.test`, whether the webhook is switched on or not."""
    return Status(202, _delivery_out(outbox.queue_test(_own(request, webhook_id))))
