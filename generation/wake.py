"""Wake the bridges: something waits for them. Losing it costs a second at most."""

from __future__ import annotations

from django.db import transaction

from generation import events

GROUP = "bridges"


def wake(*, cancelled: bool = False) -> None:
    """On commit, tell every bridge to look at the queue, and for cancellations."""
    message = {"type": "bridge.wake", "cancelled": cancelled}
    transaction.on_commit(lambda: events.send(GROUP, message))
