"""What a person is told of a job's way: its place, how long it takes, and why."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from django.utils import timezone

from generation import durations, fair, usage
from generation.models import Attempt, Job, QueueState, Server
from generation.models.job import JobStatus
from generation.models.limits import allowance_of
from generation.models.server import enabled_servers
from generation.snapshot import Snapshot

if TYPE_CHECKING:
    from datetime import datetime

T = TypeVar("T")

# One look at the queue serves all pages of a process for this long.
FRESH_SECONDS = 1.0
# A new job needs a new look. But after a burst of so many seconds of looking, looks
# take at most this part of the time.
BURST, LOOKING = 0.2, 0.1
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


class _Kept(Generic[T]):
    """What was read last, for all pages of this process."""

    def __init__(self, read: Callable[[Snapshot], T]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Read anew the next time."""
        self._found: tuple[datetime, T] | None = None
        self._at = self._spent = 0.0

    def get(self, since: datetime) -> T:
        """What is fresh and was read after `since`.

        While many jobs come in at once it may be older than the newest of them.
        """
        with self._lock:
            now = time.monotonic()
            age = now - self._at
            spent = max(0.0, self._spent - age * LOOKING)
            found = self._found
            is_new = found is not None and (found[0] >= since or spent > BURST)
            if found is None or age > FRESH_SECONDS or not is_new:
                snapshot = Snapshot()
                found = self._found = snapshot.now, self._read(snapshot)
                self._at = time.monotonic()
                self._spent = spent + self._at - now
            return found[1]


@dataclass(frozen=True, slots=True)
class _Look:
    seen: datetime
    paused: bool
    forecasts: Mapping[Hashable, fair.Forecast]
    held: frozenset[int]
    # (owner, server) of everything that is at a server.
    flying: Sequence[tuple[int, int]]

    @property
    def is_whole(self) -> bool:
        """Nobody waits behind the horizon."""
        return len(self.forecasts) < HORIZON


def _new_look(snapshot: Snapshot) -> _Look:
    line = snapshot.line()
    forecasts = fair.forecast(
        line, snapshot.places(), snapshot.fits, snapshot.expected, HORIZON
    )
    flying = [(one.owner, one.server) for one in snapshot.flying]
    held = frozenset(snapshot.held)
    return _Look(snapshot.now, snapshot.paused, forecasts, held, flying)


_look = _Kept(_new_look)
_flying = _Kept(lambda snapshot: snapshot.flying)


def forget() -> None:
    """Look anew the next time."""
    _look.forget()
    _flying.forget()


def order() -> list[tuple[Job, fair.Forecast]]:
    """The next jobs of everybody in fair order, for administrators."""
    forecasts = _look.get(timezone.now() - timedelta(seconds=FRESH_SECONDS)).forecasts
    first = dict(list(forecasts.items())[:SHOWN])
    jobs = Job.objects.filter(pk__in=list(first), status=JobStatus.QUEUED)
    rows = jobs.select_related("workflow", "owner").defer("graph", "parameters")
    found = [(job, first[job.pk]) for job in rows]
    places = list(first)
    return sorted(found, key=lambda pair: places.index(pair[0].pk))


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
    look = _look.get(job.created)
    if job.pk not in look.forecasts and look.is_whole:
        # Its row was not committed yet when that look was taken, or it came back.
        look = _look.get(timezone.now())
    found = look.forecasts.get(job.pk)
    if look.paused:
        return Outlook(found.position if found else None, None, _paused_sentence())
    if found is None and look.seen < job.created:
        return Outlook()  # so many come in that nobody has looked yet
    if found is None:
        return Outlook(None, None, _why_not(job, look))
    if found.starts_in is None:
        why = no_server_sentence(job.workflow.server_tags, job.graph)
        return Outlook(found.position, None, why)
    eta = None if found.done_in is None else max(1, round(found.done_in))
    return Outlook(found.position, eta, _why(job, found, look))


def _paused_sentence() -> str:
    reason = QueueState.load().reason
    return "The queue is paused" + (f": {reason}" if reason else ".")


def _why_not(job: Job, look: _Look) -> str:
    """Why nobody can say when it comes to its turn."""
    if job.owner_id in look.held:
        held = usage.held_because(job.owner, allowance_of(job.owner))
        return held[0] if held else ""
    if not look.is_whole:
        return f"More than {HORIZON:,} jobs are before it."
    if any(owner == job.owner_id for owner, _ in look.flying):
        return "It waits for another job of yours to be over."
    return ""


def _why(job: Job, found: fair.Forecast, look: _Look) -> str:
    """As in "3 jobs of others before yours, then a model load"."""
    if not found.starts_in:
        return "A model load first" if found.cold else ""
    there = [owner for owner, server in look.flying if server == found.server]
    own = found.own_before + there.count(job.owner_id)
    others = found.others_before + len(there) - there.count(job.owner_id)
    parts = []
    if others:
        parts.append(f"{others} {'jobs' if others > 1 else 'job'} of others")
    if own:
        parts.append(f"{own} of your own")
    ahead = f"{' and '.join(parts)} before {'this one' if own else 'yours'}"
    return f"{ahead}, then a model load" if found.cold else ahead


def _dispatched(job: Job) -> Outlook:
    """At a server: what runs there before it, then its own run."""
    flying = _flying.get(job.dispatched_at or job.created)
    own = next((f for f in flying if f.job == job.pk), None)
    if own is None:
        return Outlook()
    before = [f for f in flying if f.server == own.server and f.elapsed and f != own]
    known = durations.current().expected(job.workflow_id, job.size, own.server)
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


def no_server_sentence(tags: Sequence[str], graph: Mapping[str, object]) -> str:
    """Which servers there are, and what each lacks to run this."""
    known = enabled_servers.get()
    if not known:
        return "There is no server yet."
    found = [
        f"{s.name} {why}" for s in known if (why := _why_not_there(s, tags, graph))
    ]
    return "No server can run it now" + (f": {'; '.join(found[:4])}." if found else ".")


def _why_not_there(
    server: Server, tags: Sequence[str], graph: Mapping[str, object]
) -> str:
    """As in "lacks flux-dev.safetensors"; empty if it could run it now."""
    if not server.takes_jobs and server.catalog_id is None:
        return _absence(server)
    if server.catalog_id is None:
        return "was not looked at yet"
    lacks = server.lacking(tags, graph)
    return " and ".join(lacks[:2]) or ("" if server.takes_jobs else _absence(server))


def _absence(server: Server) -> str:
    if server.state != Server.State.ONLINE:
        return "does not answer"
    return "is being drained" if server.draining else "is paused"


def can_ever_run(tags: Sequence[str], graph: Mapping[str, object]) -> bool:
    """Whether some server, here or away now, has all it needs; True if none told."""
    servers = enabled_servers.get()
    return not servers or any(
        server.catalog_id is None or not server.lacking(tags, graph)
        for server in servers
    )
