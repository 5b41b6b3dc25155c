"""Cards of jobs as sockets send them, read once however many pages are open."""

from __future__ import annotations

import asyncio
import json

from django.template.loader import render_to_string

from accounts.models import User
from generation.border import in_thread
from generation.models import Job

# On one page at most; more are told when they change.
MOST = 50
# (id of the job, sequence, message)
Card = tuple[str, int, str]

# The readings that have not begun yet, by person and job.
_coming: dict[tuple[int, str], asyncio.Future[list[Card]]] = {}


@in_thread
def active(user: User) -> list[Card]:
    """All that a page shows when it opens its socket."""
    return _read(user)


async def changed(user: User, job_id: str) -> list[Card]:
    """The card of a job of theirs that has changed; none if it is not theirs.

    All pages of a person hear of a change at once. Whoever asks before the reading has
    begun shares it, since that reads the row as it is then.
    """
    key = (user.pk, job_id)
    reading = _coming.get(key)
    if reading is None or reading.done():
        reading = _coming[key] = asyncio.ensure_future(_begin(user, job_id))
    # A page that closes must not take the card from the others.
    return await asyncio.shield(reading)


@in_thread
def _begin(user: User, job_id: str) -> list[Card]:
    _coming.pop((user.pk, job_id), None)
    return _read(user, pk=job_id)


def _read(user: User, **which: str) -> list[Card]:
    jobs = Job.objects.visible_to(user).filter(owner__is_active=True)
    jobs = jobs.filter(**which) if which else jobs.active()
    shown = jobs.newest_first().select_related("workflow").prefetch_related("images")
    return [(str(job.pk), job.sequence, _message(job)) for job in shown[:MOST]]


def _message(job: Job) -> str:
    """What htmx's hx-ws swaps; static/js/live.js drops it if the page is newer."""
    return json.dumps(
        {
            "target": f"#job-{job.pk}",
            "swap": "outerMorph",
            "job": str(job.pk),
            "sequence": job.sequence,
            "content": render_to_string("generation/_job_card.html", {"job": job}),
        }
    )
