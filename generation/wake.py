"""Wake the bridges: something waits for them. Losing it costs a second at most."""

from __future__ import annotations

from typing import Literal

from django.db import transaction

from generation import events

GROUP = "bridges"
# A job waits; what a server has is to be cancelled; servers or the queue have changed.
Why = Literal["queued", "cancelled", "changed"]


def wake(why: Why) -> None:
    """On commit, tell every bridge to look."""
    message = {"type": "bridge.wake", "why": why}
    transaction.on_commit(lambda: events.send(GROUP, message))
