"""What is written when a job is over: in its transaction, so that nothing is lost."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils import timezone

from accounts.models import rights_of
from generation.kept import Kept
from generation.models.webhook import Delivery, Webhook

if TYPE_CHECKING:
    from generation.models.job import Job

log = logging.getLogger(__name__)

# Most people have none, and every job that ends asks. One that was made less than a
# second ago, by another process, does not hear of what ends within that second.
_owners = Kept(
    lambda: frozenset(
        Webhook.objects.filter(active=True).values_list("owner_id", flat=True)
    ),
    seconds=1.0,
)


@receiver([post_save, post_delete], sender=Webhook)
def _look_again(**_: object) -> None:
    _owners.forget()


def job_ended(job: Job) -> None:
    """Queue a delivery for each webhook of the owner's that wants it."""
    event = f"job.{job.status}"
    targets: list[tuple[Webhook | None, str]] = []
    if job.owner_id in _owners.get():
        hooks = Webhook.objects.filter(owner=job.owner_id, active=True)
        targets += [(hook, hook.url) for hook in hooks if event in hook.events]
    if job.callback_url:
        targets.append((None, job.callback_url))
    if targets and rights_of(job.owner).webhooks:
        body = _body(event, _about(job))
        queue(
            [
                Delivery(
                    owner_id=job.owner_id,
                    webhook=hook,
                    job_id=job.pk,
                    event=event,
                    url=url,
                    body=body,
                )
                for hook, url in targets
            ]
        )


def queue_test(hook: Webhook) -> Delivery:
    """An event that means nothing, to see whether it arrives."""
    body = _body("webhook.test", {"message": "It works."})
    made = Delivery(
        owner_id=hook.owner_id,
        webhook=hook,
        event="webhook.test",
        url=hook.url,
        body=body,
    )
    queue([made])
    return made


def queue(deliveries: list[Delivery]) -> None:
    Delivery.objects.bulk_create(deliveries)
    transaction.on_commit(ask)


def ask() -> None:
    """Have what is due sent now. Should that fail, the sweep asks within a minute."""
    from generation.hooks import tasks  # Huey needs the apps to be loaded

    try:
        tasks.deliver()
    except Exception as exc:  # each queue library has its own errors
        log.warning("the deliveries were not asked for: %s", exc)


def again(delivery: Delivery) -> bool:
    """Send it once more from the beginning; False while it is being sent anyway."""
    rows = Delivery.objects.filter(pk=delivery.pk)
    asked = rows.exclude(state=Delivery.State.PENDING).update(
        state=Delivery.State.PENDING,
        attempts=0,
        next_try=timezone.now(),
        finished=None,
    )
    if asked:
        transaction.on_commit(ask)
    return bool(asked)


def _about(job: Job) -> dict[str, Any]:
    base = "/api/gallery/images"
    return {
        "id": str(job.pk),
        "template": job.workflow.slug,
        "status": job.status,
        "error": job.error,
        "created": job.created.isoformat(),
        "finished": job.finished_at.isoformat() if job.finished_at else None,
        "url": f"/api/comfyui/jobs/{job.pk}",
        "images": [
            {
                "id": str(pk),
                "url": f"{base}/{pk}/file",
                "thumbnail_url": f"{base}/{pk}/thumbnail",
            }
            for pk in job.images.order_by("index").values_list("pk", flat=True)
        ],
    }


def _body(event: str, data: dict[str, Any]) -> str:
    envelope = {"type": event, "timestamp": timezone.now().isoformat(), "data": data}
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
