"""What a person is told of a job's way: its place, how long it takes, and why."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from generation import durations, fair, usage
from generation.models import Attempt, Job, QueueState, Server
from generation.models.job import JobStatus
from generation.models.limits import allowance_of
from generation.snapshot import Snapshot

if TYPE_CHECKING:
    from datetime import datetime

# One look at the queue serves all pages of a process for this long.
FRESH_SECONDS = 1.0
# A new job needs a new look, but looking takes no more than this part of the time.
LOOKING = 0.1
HORIZON = 1000
# Of those, what an administrator sees.
SHOWN = 25


@dataclass(frozen=True, slots=True)
class Outlook:
    """`position` counts from 1 in the fair order; `why` is a sentence or empty."""

    position: int | None = None
    eta_seconds: int | None = None
    why: str = ""

    @property
    def eta_text(self) -> str:
        """As in "about 2 min": no finer than it is known."""
        return "" if self.eta_seconds is None else f"about {spoken(self.eta_seconds)}"


def spoken(seconds: float) -> str:
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    seen: datetime
    paused: bool
    forecasts: Mapping[Hashable, fair.Forecast]
    flying: Mapping[int, int]
    took: float


_lock = threading.Lock()
_look: _Look | None = None


def forget() -> None:
    """Look anew the next time."""
    global _look
    _look = None


def _current(since: datetime) -> _Look:
    """A look that is fresh, and that saw jobs which were queued at `since`.

    While many jobs come in at once it may be older than the newest of them.
    """
    global _look
    with _lock:
        now = time.monotonic()
        old = _look
        if (
            old is None
            or now - old.at > FRESH_SECONDS
            or (old.seen < since and now - old.at > old.took / LOOKING)
        ):
            snapshot = Snapshot()
            forecasts = fair.forecast(
                snapshot.line(),
                snapshot.places(),
                snapshot.fits,
                snapshot.expected,
                HORIZON,
            )
            flying: dict[int, int] = {}
            for one in snapshot.flying:
                flying[one.owner] = flying.get(one.owner, 0) + 1
            took = time.monotonic() - now
            _look = _Look(now, snapshot.now, snapshot.paused, forecasts, flying, took)
        return _look  # type: ignore[return-value]


def order() -> list[tuple[Job, fair.Forecast]]:
    """The next jobs of everybody in fair order, for administrators."""
    forecasts = _current(timezone.now() - timedelta(seconds=FRESH_SECONDS)).forecasts
    first = dict(list(forecasts.items())[:SHOWN])
    jobs = Job.objects.filter(pk__in=list(first), status=JobStatus.QUEUED)
    rows = jobs.select_related("workflow", "owner").defer("graph", "parameters")
    found = [(job, first[job.pk]) for job in rows]
    return sorted(found, key=lambda pair: pair[1].position)


def of(job: Job) -> Outlook:
    """As of a moment ago: exact for the next thousand jobs."""
    if job.status == JobStatus.QUEUED:
        return _queued(job)
    if job.status == JobStatus.DISPATCHED:
        return _dispatched(job)
    if job.status == JobStatus.RUNNING:
        return Outlook(eta_seconds=_remaining(job))
    return Outlook()


def _queued(job: Job) -> Outlook:
    look = _current(job.created)
    found = look.forecasts.get(job.pk)
    if look.paused:
        position = found.position if found else None
        return Outlook(position, None, _paused_sentence())
    if found is None and look.seen < job.created:
        return Outlook()
    if found is None:
        return Outlook(HORIZON + 1, None, f"More than {HORIZON:,} jobs are before it.")
    if stop := _obstacle(job, found):
        return Outlook(found.position, None, stop)
    eta = None if found.done_in is None else max(1, round(found.done_in))
    return Outlook(found.position, eta, _why(job, found, look.flying))


def _paused_sentence() -> str:
    reason = QueueState.load().reason
    return "The queue is paused" + (f": {reason}" if reason else ".")


def _obstacle(job: Job, found: fair.Forecast) -> str:
    """Why it does not come to its turn, if so."""
    held = usage.held_because(job.owner, allowance_of(job.owner))
    if held:
        return held[0]
    if found.starts_in is None:
        return no_server_sentence(job.workflow.server_tags, job.graph)
    return ""


def _why(job: Job, found: fair.Forecast, flying: Mapping[int, int]) -> str:
    """As in "3 jobs of others before yours, then a model load"."""
    at_servers = sum(flying.values()) - flying.get(job.owner_id, 0)
    others = found.others_before + at_servers
    own = found.own_before + flying.get(job.owner_id, 0)
    parts = []
    if others:
        parts.append(f"{others} {'jobs' if others > 1 else 'job'} of others")
    if own:
        parts.append(f"{own} of your own")
    ahead = " and ".join(parts)
    sentence = f"{ahead} before this one" if ahead else ""
    if found.cold:
        sentence = (
            f"{sentence}, then a model load" if sentence else "a model load first"
        )
    return sentence[:1].upper() + sentence[1:]


def _dispatched(job: Job) -> Outlook:
    """At a server: what runs there before it, then its own run."""
    snapshot = Snapshot()
    own = next((f for f in snapshot.flying if f.job == job.pk), None)
    if own is None:
        return Outlook()
    before = [
        f for f in snapshot.flying if f.server == own.server and f.elapsed and f != own
    ]
    known = snapshot.durations.expected(job.workflow_id, job.size, own.server)
    if known is None:
        return Outlook()
    seconds = sum(f.remaining for f in before) + own.remaining
    why = "One job before it at its server" if before else ""
    return Outlook(None, max(1, round(seconds)), why)


def _remaining(job: Job) -> int | None:
    """By the measured duration, and by its own pace once that tells something."""
    attempt = job.attempts.exclude(state=Attempt.State.ENDED).first()
    if attempt is None or job.started_at is None:
        return None
    typical = durations.current().expected(
        job.workflow_id, job.size, attempt.server_id, cold=attempt.cold
    )
    passed = (timezone.now() - job.started_at).total_seconds()
    fraction = float(job.progress.get("fraction") or 0)
    if fraction > 0.1 and passed > 1:
        by_pace = passed / fraction
        # The nearer the end, the more its own pace counts.
        whole = (
            by_pace
            if typical is None
            else by_pace * fraction + typical * (1 - fraction)
        )
        return max(1, round(whole - passed))
    return None if typical is None else max(1, round(typical - passed))


def no_server_sentence(tags: list[str], graph: Mapping[str, object]) -> str:
    """Which servers there are, and what each lacks to run this."""
    known = list(Server.objects.filter(enabled=True))
    if not known:
        return "There is no server yet."
    reasons = []
    for server in known:
        lacks = [str(lack) for lack in server.lacks(graph)[:2]]
        missing = server.lacks_tags(tags)
        lacks += [f"is not tagged {', '.join(missing)}"] if missing else []
        if lacks:
            reasons.append(f"{server.name} {' and '.join(lacks)}")
        elif not server.takes_jobs:
            reasons.append(f"{server.name} {_absence(server)}")
    return "No server can run it now: " + "; ".join(reasons[:4]) + "."


def _absence(server: Server) -> str:
    if server.state != Server.State.ONLINE:
        return "does not answer"
    return "is being drained" if server.draining else "is paused"


def can_ever_run(tags: list[str], graph: Mapping[str, object]) -> bool:
    """Whether some server, here or away now, has all it needs; True if none told."""
    servers = Server.objects.filter(enabled=True)
    told = [server for server in servers if server.catalog_id]
    return (
        len(told) < len(servers)
        or not told
        or any(
            not server.lacks_tags(tags) and not server.lacks(graph) for server in told
        )
    )
