"""Jobs, and the attempts to run them on a server."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.models import User
from accounts.prepared import PreparedUpdate, Slot
from generation import events, fair
from generation.comfy import graph as comfy_graph
from generation.models.fields import KeptJSONField
from generation.models.server import Server
from generation.models.workflow import Version, Workflow
from generation.wake import wake

if TYPE_CHECKING:
    from datetime import datetime

    from generation.outlook import Outlook


class JobStatus(models.TextChoices):
    QUEUED = "queued", "Waiting"
    DISPATCHED = "dispatched", "At the server"
    RUNNING = "running", "Running"
    SAVING = "saving", "Saving"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ACTIVE = (JobStatus.QUEUED, JobStatus.DISPATCHED, JobStatus.RUNNING, JobStatus.SAVING)
ENDED = (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)
# Which states each state may be reached from.
SOURCES: dict[str, tuple[JobStatus, ...]] = {
    JobStatus.QUEUED: (
        JobStatus.DISPATCHED,
        JobStatus.RUNNING,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
    ),
    JobStatus.DISPATCHED: (JobStatus.QUEUED,),
    JobStatus.RUNNING: (JobStatus.DISPATCHED,),
    JobStatus.SAVING: (JobStatus.DISPATCHED, JobStatus.RUNNING),
    JobStatus.DONE: (JobStatus.SAVING,),
    JobStatus.FAILED: (
        JobStatus.QUEUED,
        JobStatus.DISPATCHED,
        JobStatus.RUNNING,
        JobStatus.SAVING,
    ),
    JobStatus.CANCELLED: (JobStatus.QUEUED, JobStatus.DISPATCHED, JobStatus.RUNNING),
}


class Priority(models.TextChoices):
    """Among one's own jobs; it takes nothing from anybody else."""

    LOW = "low", "Low"
    NORMAL = "normal", "Normal"
    HIGH = "high", "High"


def _now_rank() -> float:
    return fair.rank(time.time(), Priority.NORMAL)


# What a job that goes back to the queue forgets of the attempt before.
FRESH_RUN: dict[str, Any] = {
    "progress": {},
    "preview": 0,
    "dispatched_at": None,
    "started_at": None,
}


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: User | AnonymousUser) -> JobQuerySet:
        """The jobs that this person may know of: their own."""
        return self.none() if user.is_anonymous else self.filter(owner=user)

    def active(self) -> JobQuerySet:
        return self.filter(status__in=ACTIVE)

    def cancel(self) -> int:
        """Cancel each that can be, and say how many."""
        return sum(job.cancel() for job in self.active() if job.can_cancel)

    def newest_first(self) -> JobQuerySet:
        return self.order_by("-created", "-id")


class Job(models.Model):
    """One request of a person, from the form to the stored pictures.

    queued ─▶ dispatched ─▶ running ─▶ saving ─▶ done
      ▲           │            │          │
      ├── lost ───┴────────────┘          │
      │           ├────────────┼──────────┴─▶ failed ──┐ retry
      │           └────────────┴─▶ cancelled ──────────┤
      └────────────────────────────────────────────────┘

    `move` makes each of these by compare-and-swap; nothing else sets `status`.
    """

    Status = JobStatus
    Priority = Priority
    MAX_ATTEMPTS = 3

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs"
    )
    workflow = models.ForeignKey(
        Workflow, on_delete=models.PROTECT, related_name="jobs"
    )
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="jobs")
    parameters = KeptJSONField(default=dict)
    # Where the form had something else: a prompt's wildcards, a seed's mode.
    typed = KeptJSONField(default=dict, blank=True)
    # What was asked for at once, such as a grid of values.
    batch = models.UUIDField(null=True, blank=True)
    graph = KeptJSONField(help_text="the graph as it is sent, all values resolved")
    status = models.CharField(
        max_length=12, choices=JobStatus.choices, default=JobStatus.QUEUED
    )
    cancel_requested = models.BooleanField(default=False)
    attempts_left = models.PositiveSmallIntegerField(default=MAX_ATTEMPTS)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - null: any number of jobs without a key

    callback_url = models.CharField(
        max_length=500, blank=True, help_text="called when it is over"
    )

    # What the queue needs to know, so that it need not read the graph.
    priority = models.CharField(
        max_length=6, choices=Priority.choices, default=Priority.NORMAL
    )
    rank = models.FloatField(default=_now_rank, help_text="see fair.rank")
    kind = models.CharField(
        max_length=64, blank=True, help_text="digest of what a server must have"
    )
    model_names = models.JSONField(default=list, blank=True)
    size = models.SmallIntegerField(default=0, help_text="half octaves of work")
    pictures = models.PositiveIntegerField(default=1, help_text="that it should make")
    avoid = models.JSONField(
        default=list, blank=True, help_text="servers that lost it before"
    )

    # What a page shows; `sequence` grows with every visible change of the row.
    sequence = models.PositiveBigIntegerField(default=1)
    progress = models.JSONField(default=dict, blank=True)
    preview = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    error_detail = models.TextField(blank=True)
    field_errors = models.JSONField(default=dict, blank=True)

    created = models.DateTimeField(default=timezone.now)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=JobStatus.values), name="job_status_known"
            ),
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"], name="job_idempotency_key_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["owner", "rank", "id"],
                condition=Q(status=JobStatus.QUEUED),
                name="job_queue_order",
            ),
            models.Index(fields=["owner", "-created", "-id"], name="job_list_order"),
            models.Index(
                fields=["owner", "batch"],
                condition=Q(batch__isnull=False),
                name="job_batch",
            ),
            models.Index(
                fields=["status"],
                condition=Q(status__in=ACTIVE),
                name="job_active",
            ),
            models.Index(
                fields=["finished_at"],
                condition=Q(finished_at__isnull=False),
                name="job_ended_at",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.status}"

    @staticmethod
    def build(
        owner: User,
        version: Version,
        values: Mapping[str, Any],
        graph: Mapping[str, Any],
        priority: str = Priority.NORMAL,
    ) -> Job:
        """An unsaved job with all that the queue needs to know of its graph."""
        now = timezone.now()
        return Job(
            owner=owner,
            workflow=version.workflow,
            version=version,
            parameters=dict(values),
            graph=dict(graph),
            priority=priority,
            created=now,
            rank=fair.rank(now.timestamp(), priority),
            kind=comfy_graph.needs(graph, version.free_text()),
            model_names=comfy_graph.models(graph),
            size=comfy_graph.size(graph),
            pictures=comfy_graph.batch(graph),
        )

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def can_cancel(self) -> bool:
        return self.status in SOURCES[JobStatus.CANCELLED] and not self.cancel_requested

    @property
    def can_retry(self) -> bool:
        return self.status in (JobStatus.FAILED, JobStatus.CANCELLED)

    @cached_property
    def outlook(self) -> Outlook:
        """Where it stands, how long it takes and why; as of the first look."""
        from generation import outlook  # it reads jobs, so it imports us

        return outlook.of(self)

    @property
    def elapsed(self) -> str:
        """How long it has run, as in "40 s"."""
        from generation.outlook import spoken

        start = self.started_at
        return spoken((timezone.now() - start).total_seconds()) if start else ""

    @property
    def eta_seconds(self) -> int | None:
        """Seconds until it is done, by what was measured; None if nothing was."""
        return self.outlook.eta_seconds

    @property
    def position(self) -> int | None:
        """Place in the fair order from 1, or None when it does not wait there."""
        return self.outlook.position

    def change(self, *, sources: Iterable[str], **fields: Any) -> bool:
        """Write the fields if the row is in one of `sources`, and announce it.

        False: another process moved it first. Then `self` is left as it was.
        """
        if fields.get("status") in ENDED:
            # What follows from the end is written with it, or neither is.
            with transaction.atomic():
                if not self._write(sources, fields):
                    return False
                self._follow_up()
        elif not self._write(sources, fields):
            return False
        self.__dict__.pop("outlook", None)
        events.announce_job(self.pk, self.owner_id)
        return True

    def _write(self, sources: Iterable[str], fields: Mapping[str, Any]) -> bool:
        write = _write(tuple(sources), tuple(fields))
        if not write.run(pk=self.pk, **fields):
            return False
        for name, value in fields.items():
            setattr(self, name, value)
        return True

    def _follow_up(self) -> None:
        from generation import ended  # it reads jobs, so it imports us

        ended.job_ended(self)

    def move(self, to: JobStatus, **fields: Any) -> bool:
        """Go to a state from any state that may lead there."""
        if to in ENDED:
            fields.setdefault("finished_at", timezone.now())
        return self.change(sources=SOURCES[to], status=to, **fields)

    def cancel(self) -> bool:
        """Cancel at once if it waits; ask the bridge to if a server has it.

        False when it is too late: the job has ended or its pictures are being saved.
        """
        ended = {"status": JobStatus.CANCELLED, "finished_at": timezone.now()}
        at_a_server = (JobStatus.DISPATCHED, JobStatus.RUNNING)
        for _ in range(3):  # it may be given out, or come back, between two looks
            if self.change(sources=[JobStatus.QUEUED], **ended):
                return True
            if self.change(sources=at_a_server, cancel_requested=True):
                wake("cancelled")
                return True
        return False

    def retry(self) -> bool:
        """Put a failed or cancelled job back into the queue, and wake a bridge."""
        done = self.change(
            sources=[JobStatus.FAILED, JobStatus.CANCELLED],
            status=JobStatus.QUEUED,
            attempts_left=Job.MAX_ATTEMPTS,
            cancel_requested=False,
            avoid=[],
            rank=fair.rank(time.time(), self.priority),
            created=timezone.now(),
            dispatched_at=None,
            started_at=None,
            finished_at=None,
            progress={},
            preview=0,
            error="",
            error_detail="",
            field_errors={},
        )
        if done:
            self._take_back()
            wake("queued")
        return done

    def _take_back(self) -> None:
        from generation import ended  # it reads jobs, so it imports us

        ended.takes_back(self)

    def move_to_front(self) -> bool:
        """Before everybody else's; False when it does not wait any more."""
        front = fair.front_rank(time.time())
        done = self.change(sources=[JobStatus.QUEUED], rank=front)
        if done:
            wake("queued")
        return done

    def lock(self) -> None:
        """Read what decides on the job's way, and keep it so for this transaction."""
        rows = Job.objects.select_for_update()
        fields = ["status", "cancel_requested", "attempts_left", "avoid"]
        self.refresh_from_db(fields=fields, from_queryset=rows)

    def fail(self, sentence: str, detail: str = "", **fields: Any) -> bool:
        return self.move(
            JobStatus.FAILED, error=sentence, error_detail=detail, **fields
        )


@lru_cache(maxsize=256)
def _write(sources: tuple[str, ...], names: tuple[str, ...]) -> PreparedUpdate:
    """Writes the fields of these names if the row is in one of `sources`."""
    row = {"pk": Slot("pk", models.UUIDField()), "status__in": list(sources)}
    slots = _slots(Job, names)
    return PreparedUpdate(
        lambda: Job.objects.filter(**row), sequence=F("sequence") + 1, **slots
    )


class AttemptState(models.TextChoices):
    CLAIMED = "claimed", "Claimed"
    SUBMITTED = "submitted", "Submitted"
    ENDED = "ended", "Ended"


class Attempt(models.Model):
    """One try of a job on one server. Its id IS the prompt_id.

    claimed ─▶ submitted ─▶ ended. A bridge holds it by a lease; when the lease runs
    out, any bridge may take it over and re-attach by the id, which was stored
    before the first call and is never posted unless the server does not know it.
    """

    State = AttemptState

    class Outcome(models.TextChoices):
        NONE = "", "Open"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        INTERRUPTED = "interrupted", "Interrupted"
        REJECTED = "rejected", "Rejected"
        LOST = "lost", "Lost by the server"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts")
    server = models.ForeignKey(
        Server, on_delete=models.PROTECT, related_name="attempts"
    )
    number = models.PositiveSmallIntegerField()
    client_id = models.CharField(max_length=64)
    bridge = models.CharField(max_length=100)
    lease_until = models.DateTimeField()
    state = models.CharField(
        max_length=10, choices=AttemptState.choices, default=AttemptState.CLAIMED
    )
    outcome = models.CharField(
        max_length=12, choices=Outcome.choices, default=Outcome.NONE, blank=True
    )
    outputs = models.JSONField(default=list, blank=True)
    # How often driving it ended by a fault of ours; see ledger.broken.
    faults = models.PositiveSmallIntegerField(default=0)
    # The server's last prompt before it used other models.
    cold = models.BooleanField(default=False)
    # Storing the outputs: who works on it does so until `save_after`, and after a
    # failure it is not tried before then. `save_asked`: when a task was last queued.
    save_tries = models.PositiveSmallIntegerField(default=0)
    save_after = models.DateTimeField(default=timezone.now)
    save_asked = models.DateTimeField(default=timezone.now)
    error = models.TextField(blank=True)
    created = models.DateTimeField(default=timezone.now)
    submitted_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["job"],
                condition=~Q(state=AttemptState.ENDED),
                name="attempt_one_open_per_job",
            ),
            models.UniqueConstraint(
                fields=["job", "number"], name="attempt_number_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_until"],
                condition=~Q(state=AttemptState.ENDED),
                name="attempt_open_lease",
            ),
            models.Index(
                fields=["server"],
                condition=~Q(state=AttemptState.ENDED),
                name="attempt_open_server",
            ),
            models.Index(
                fields=["finished_at"],
                condition=Q(state=AttemptState.ENDED),
                name="attempt_ended_at",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} on {self.server_id}"

    def held_by(self, bridge: str) -> models.QuerySet[Attempt]:
        """The row, as long as this bridge holds it and it is open."""
        return _held(self.pk, bridge)

    def write(self, **fields: Any) -> bool:
        """Write the fields if its bridge holds it still and it is open."""
        write = _write_held(tuple(fields))
        return bool(write.run(pk=self.pk, by=self.bridge, **fields))

    @transaction.atomic
    def give_up(self) -> bool:
        """End it as lost and queue its job again, whoever holds it. The bridge that
        does lets go when it next renews its leases. It counts as no attempt.
        """
        rows = Attempt.objects.filter(pk=self.pk).exclude(state=AttemptState.ENDED)
        ended = {"state": AttemptState.ENDED, "outcome": Attempt.Outcome.LOST}
        why = "An administrator gave up the server."
        if not rows.update(**ended, error=why, finished_at=timezone.now()):
            return False
        job = self.job
        job.lock()
        if job.cancel_requested:
            return job.move(JobStatus.CANCELLED)
        avoid = sorted({*job.avoid, self.server_id})
        left = job.attempts_left + 1
        again = FRESH_RUN | {"avoid": avoid, "attempts_left": left}
        return job.move(JobStatus.QUEUED, **again)

    def adopt(self, bridge: str, lease_until: datetime) -> bool:
        """Take it over from a bridge that is gone; False: another was first, or the
        bridge has just renewed its lease.
        """
        rows = self.held_by(self.bridge).filter(lease_until=self.lease_until)
        if not rows.update(bridge=bridge, lease_until=lease_until):
            return False
        self.bridge, self.lease_until = bridge, lease_until
        return True


@lru_cache(maxsize=64)
def _write_held(names: tuple[str, ...]) -> PreparedUpdate:
    """Writes the fields of these names while the bridge `by` holds the attempt."""
    pk, by = Slot("pk", models.UUIDField()), Slot("by", models.CharField())
    return PreparedUpdate(lambda: _held(pk, by), **_slots(Attempt, names))


def _held(pk: Any, bridge: Any) -> models.QuerySet[Attempt]:
    mine = Attempt.objects.filter(pk=pk, bridge=bridge)
    return mine.exclude(state=AttemptState.ENDED)


def _slots(model: type[models.Model], names: Iterable[str]) -> dict[str, Any]:
    meta: Any = model._meta
    return {name: Slot(name, meta.get_field(name)) for name in names}
