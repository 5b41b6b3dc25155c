"""Sends what is due, many at once, signed as Standard Webhooks has it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import guard, notices
from accounts.models import Notice
from generation.models.webhook import (
    MAX_FAILURES,
    SECRET_MARK,
    CallbackSecret,
    Delivery,
    Webhook,
    new_secret,
)

log = logging.getLogger(__name__)

# Seconds until the next try, and so on for about a day.
DELAYS = (5, 30, 120, 600, 1800, 7200, 18_000, 36_000)
# At once, and of one person, so that nobody's dead address holds up the others'.
AT_ONCE, OF_ONE = 40, 8
# Longer than a try may take.
LEASE = timedelta(seconds=3 * guard.TOTAL)
BUSY = "webhooks:sending"
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try led to. `gone`: the address wants nothing more, ever."""

    milliseconds: int
    status: int | None = None
    error: str = ""
    final: bool = False

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 over id, time and body, so that none can be exchanged."""
    key = base64.b64decode(secret.removeprefix(SECRET_MARK))
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def send_due() -> bool:
    """Send one batch; True when there is more to do at once.

    One worker of all does it at a time: a dead address costs seconds, and the
    pictures want the other workers.
    """
    if not cache.add(BUSY, 1, timeout=LEASE.total_seconds()):
        return False
    try:
        batch = _claim()
        if batch:
            secrets = {delivery.pk: _secret(delivery) for delivery in batch}
            for delivery, outcome in asyncio.run(_send_all(batch, secrets)):
                _settle(delivery, outcome)
    finally:
        cache.delete(BUSY)
    # Also for what became due after the claim, and found us busy.
    return bool(_due())


def _due() -> list[tuple[UUID, int, int]]:
    rows = Delivery.objects.filter(
        state=Delivery.State.PENDING, next_try__lte=timezone.now()
    )
    found = rows.order_by("next_try").values_list("pk", "owner_id", "attempts")
    return list(found[: AT_ONCE * 5])


def _claim() -> list[Delivery]:
    """Some that are due, ours until the lease is over."""
    of_owner: Counter[int] = Counter()
    claimed: list[UUID] = []
    for pk, owner, attempts in _due():
        if len(claimed) == AT_ONCE:
            break
        if of_owner[owner] == OF_ONE:
            continue
        rows = Delivery.objects.filter(
            pk=pk, attempts=attempts, state=Delivery.State.PENDING
        )
        later = timezone.now() + LEASE
        if rows.update(attempts=F("attempts") + 1, next_try=later):
            of_owner[owner] += 1
            claimed.append(pk)
    rows = Delivery.objects.filter(pk__in=claimed)
    return list(rows.select_related("webhook", "owner"))


def _secret(delivery: Delivery) -> str:
    if delivery.webhook is not None:
        return str(delivery.webhook.secret)
    row, _ = CallbackSecret.objects.get_or_create(owner_id=delivery.owner_id)
    return str(row.secret)


async def _send_all(
    batch: Sequence[Delivery], secrets: dict[UUID, str]
) -> list[tuple[Delivery, Outcome]]:
    async with guard.client() as caller:
        sent = [_send(caller, one, secrets[one.pk]) for one in batch]
        outcomes = await asyncio.gather(*sent)
    return list(zip(batch, outcomes, strict=True))


async def _send(caller: httpx.AsyncClient, one: Delivery, secret: str) -> Outcome:
    if not one.owner.is_active:
        return Outcome(0, error="The account is closed.", final=True)
    begun = time.monotonic()

    def passed() -> int:
        return round((time.monotonic() - begun) * 1000)

    body = one.body.encode()
    stamp = int(time.time())
    headers = {
        "content-type": "application/json",
        "user-agent": f"Life-OS/{settings.VERSION}",
        "webhook-id": f"msg_{one.pk.hex}",
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(secret, f"msg_{one.pk.hex}", stamp, body),
    }
    try:
        status = await guard.post(caller, one.url, body, headers)
    except guard.Refused as exc:
        return Outcome(passed(), error=str(exc), final=True)
    except guard.Unreachable as exc:
        return Outcome(passed(), error=str(exc))
    except Exception:
        # A fault of ours must not keep the others of the batch from being settled.
        log.exception("a delivery failed", extra={"delivery": str(one.pk)})
        return Outcome(passed(), error="It could not be sent.")
    return Outcome(passed(), status, _complaint(status), final=status == 410)


def _complaint(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"It answered {status}: redirects are not followed."
    if status == 410:
        return "It answered 410: it wants no more of these."
    return f"It answered {status}."


def _settle(delivery: Delivery, outcome: Outcome) -> None:
    """Write what came of a try, unless somebody else has claimed it since."""
    now = timezone.now()
    state, next_try = Delivery.State.PENDING, delivery.next_try
    if outcome.delivered:
        state = Delivery.State.DELIVERED
    elif outcome.final or delivery.attempts > len(DELAYS):
        state = Delivery.State.FAILED
    else:
        delay = DELAYS[delivery.attempts - 1] * random.uniform(1, 1.2)
        next_try = now + timedelta(seconds=delay)
    rows = Delivery.objects.filter(
        pk=delivery.pk, attempts=delivery.attempts, state=Delivery.State.PENDING
    )
    over = state != Delivery.State.PENDING
    with transaction.atomic():
        written = rows.update(
            state=state,
            next_try=next_try,
            status_code=outcome.status,
            milliseconds=outcome.milliseconds,
            error=outcome.error[:200],
            finished=now if over else None,
        )
        if written and over and delivery.webhook is not None:
            _count(delivery.webhook, outcome)


def _count(hook: Webhook, outcome: Outcome) -> None:
    """Switch a webhook off that leads nowhere, and tell its owner."""
    rows = Webhook.objects.filter(pk=hook.pk)
    if outcome.delivered:
        rows.exclude(failures=0).update(failures=0)
        return
    rows.update(failures=F("failures") + 1)
    dead = rows.filter(active=True)
    if outcome.status != 410:
        dead = dead.filter(failures__gte=MAX_FAILURES)
    if dead.update(active=False):
        notices.tell(
            hook.owner_id,
            "A webhook is switched off",
            kind=Notice.Kind.WARNING,
            text=f"{hook.url}: {outcome.error}",
            url="/accounts/webhooks/",
        )


def wait_for_next() -> int | None:
    """Seconds until a try is due within the minute; None: it need not be asked for.

    The sweep asks for what is due later, and of many who see the same, one asks.
    """
    now = timezone.now()
    rows = Delivery.objects.filter(
        state=Delivery.State.PENDING, next_try__lte=now + timedelta(minutes=1)
    )
    first = rows.order_by("next_try").values_list("next_try", flat=True).first()
    if first is None:
        return None
    wait = max(1, math.ceil((first - now).total_seconds()))
    due = int(now.timestamp()) + wait
    return wait if cache.add(f"webhooks:due:{due}", 1, timeout=90) else None


def forget_old() -> int:
    """Drop the log of what was over long ago."""
    old = Delivery.objects.filter(created__lt=timezone.now() - KEPT)
    return old.exclude(state=Delivery.State.PENDING).delete()[0]


def rotate(hook: Webhook) -> str:
    """A new secret, shown this once; the old one is good for nothing any more."""
    hook.secret = new_secret()
    hook.save(update_fields=["secret"])
    return str(hook.secret)


def rotate_callback(owner_id: int) -> str:
    secret = new_secret()
    CallbackSecret.objects.update_or_create(
        owner_id=owner_id, defaults={"secret": secret}
    )
    return secret
