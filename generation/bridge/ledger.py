"""The bridge's writes to the database. Every one is a compare-and-swap.

Sync functions: the async side calls them through `in_thread`, the one
border. Where a function returns False, somebody else holds the attempt now.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from generation import durations, scheduling, tasks, usage
from generation.comfy.errors import NodeError, PromptRejected
from generation.comfy.run import Output, RunError
from generation.models import Attempt, Job, Server
from generation.models.job import FRESH_RUN
from generation.scheduling import Claim
from generation.wake import wake

log = logging.getLogger(__name__)
Outcome = Attempt.Outcome
MAX_FAULTS = 5
# When the server began and ended the run, by its own clock.
Times = tuple[datetime | None, datetime | None]


def submitted(claim: Claim) -> bool:
    """The server has taken the prompt."""
    submitted = Attempt.State.SUBMITTED
    if not claim.attempt.write(state=submitted, submitted_at=timezone.now()):
        return False
    claim.attempt.state = Attempt.State.SUBMITTED
    return True


def still_held(claim: Claim) -> bool:
    """Renew this one lease; False when it is somebody else's, or over."""
    attempt = claim.attempt
    return attempt.pk in scheduling.renew(attempt.bridge, [attempt.pk])


def _end(
    claim: Claim,
    outcome: str,
    *,
    times: Times | None,
    **fields: Any,
) -> float | None:
    """End the attempt, and charge its owner for the time on the GPU.

    Returns the GPU-seconds, or None when somebody else holds it now. `times` are the
    server's own of the run's start and end; without both, ours count, since two
    clocks must not be subtracted from each other. None: nobody is charged, as for
    what the server lost and for the hours in which it was away.
    """
    started, finished = times or (None, None)
    if started is None or finished is None:
        started, finished = _started(claim) if times else None, timezone.now()
    fields |= {"started_at": started, "finished_at": finished}
    if not claim.attempt.write(state=Attempt.State.ENDED, outcome=outcome, **fields):
        return None
    seconds = max(0.0, (finished - started).total_seconds()) if started else 0.0
    if seconds:
        usage.charge(claim.job.owner_id, seconds)
    return seconds


def _started(claim: Claim) -> datetime | None:
    """When a page was first told that it runs; None if it never did."""
    jobs = Job.objects.filter(pk=claim.job.pk)
    return jobs.values_list("started_at", flat=True).first()


@transaction.atomic
def succeeded(
    claim: Claim,
    outputs: Sequence[Output],
    times: Times,
) -> bool:
    """The run is over and its outputs are named; the rest is a task's work."""
    seconds = _end(
        claim,
        Outcome.SUCCEEDED,
        times=times,
        outputs=[asdict(output) for output in outputs],
        save_asked=timezone.now(),
    )
    if seconds is None:
        return False
    if seconds:
        durations.record(claim.attempt, seconds)
    progress = {**claim.job.progress, "fraction": 1.0}
    # A wish to cancel came too late: the pictures are there.
    if claim.job.move(Job.Status.SAVING, progress=progress, cancel_requested=False):
        job_id = str(claim.job.pk)
        # If the broker is away the bridge asks again (`tasks.ask_again`).
        transaction.on_commit(lambda: tasks.save_results(job_id), robust=True)
    return True


OUT_OF_MEMORY = (
    "The server ran out of GPU memory. Try a smaller size or a smaller batch."
)


@transaction.atomic
def failed(claim: Claim, error: RunError, times: Times | None) -> bool:
    """A node failed: asking again would fail again."""
    where = f"{error.node_type}: " if error.node_type else ""
    reason = error.message.strip() or error.exception_type
    sentence = OUT_OF_MEMORY if error.out_of_memory else f"{where}{reason}"
    if _end(claim, Outcome.FAILED, times=times, error=sentence) is None:
        return False
    detail = "\n".join([f"{error.exception_type}: {reason}", *error.traceback])
    if not _cancelled(claim.job):
        claim.job.fail(sentence, detail)
    return True


@transaction.atomic
def rejected(claim: Claim, refusal: PromptRejected) -> bool:
    """The server refused the prompt: say beside which field."""
    if _end(claim, Outcome.REJECTED, times=None, error=str(refusal)) is None:
        return False
    fields, others = field_errors(claim.job, refusal.node_errors)
    detail = "\n".join(filter(None, [refusal.details, *others]))
    if not _cancelled(claim.job):
        claim.job.fail(str(refusal), detail, field_errors=fields)
    return True


def _cancelled(job: Job) -> bool:
    """Look at the row, and cancel the job if its owner has asked for that.

    The row is locked: a wish comes before this look, or after the job has moved on.
    """
    job.lock()
    return job.cancel_requested and job.move(Job.Status.CANCELLED)


def field_errors(
    job: Job, node_errors: Mapping[str, Sequence[NodeError]]
) -> tuple[dict[str, str], list[str]]:
    """ComfyUI's errors by parameter name, and those that no parameter sets."""
    names = {
        (target.node, target.input): parameter.name
        for parameter in job.version.parameters
        for target in parameter.targets
    }
    fields: dict[str, str] = {}
    others: list[str] = []
    for node, errors in node_errors.items():
        for error in errors:
            sentence = f"{error.message}: {error.details}".rstrip(": ")
            name = names.get((node, error.input_name or ""))
            if name:
                fields[name] = sentence
            else:
                others.append(f"{error.class_type} ({node}): {sentence}")
    return fields, others


@transaction.atomic
def interrupted(claim: Claim, why: str, times: Times | None) -> bool:
    """The run was stopped: by its owner, or by somebody at the server."""
    if _end(claim, Outcome.INTERRUPTED, times=times, error=why) is None:
        return False
    if not _cancelled(claim.job):
        claim.job.fail("Somebody at the server stopped this run.")
    return True


@transaction.atomic
def lost(claim: Claim, why: str) -> bool:
    """The server has forgotten the prompt: queue the job again, a few times."""
    if _end(claim, Outcome.LOST, times=None, error=why) is None:
        return False
    # It was restarted, so nothing is loaded there any more.
    Server.objects.filter(pk=claim.server.pk).update(loaded_models=[])
    job = claim.job
    if _cancelled(job):
        return True
    if job.attempts_left:
        avoid = sorted({*job.avoid, claim.server.pk})
        job.move(Job.Status.QUEUED, **(FRESH_RUN | {"avoid": avoid}))
        wake("queued")
    else:
        job.fail(
            f"{Job.MAX_ATTEMPTS} attempts were lost by the servers,"
            " the last one like this: " + why
        )
    return True


@transaction.atomic
def released(claim: Claim, why: str) -> bool:
    """Nothing was ever sent: the job goes back as if it had not been claimed."""
    gone, _ = claim.attempt.held_by(claim.attempt.bridge).delete()
    if not gone:
        return False
    log.info("not sent: %s", why, extra={"job": str(claim.job.pk)})
    if not _cancelled(claim.job):
        left = claim.job.attempts_left + 1
        claim.job.move(Job.Status.QUEUED, **(FRESH_RUN | {"attempts_left": left}))
    return True


@transaction.atomic
def broken(claim: Claim, detail: str) -> bool:
    """Driving it ended by a fault of ours: again when the lease runs out, but not for
    ever. True if that was the last time.
    """
    rows = claim.attempt.held_by(claim.attempt.bridge)
    if not rows.update(faults=F("faults") + 1):
        return False
    if not rows.filter(faults__gte=MAX_FAULTS).exists():
        return False
    sentence = "Life-OS cannot follow this job; its log says why."
    _end(claim, Outcome.FAILED, times=None, error=sentence)
    if not _cancelled(claim.job):
        claim.job.fail(sentence, detail)
    return True


def from_millis(value: object) -> datetime | None:
    """ComfyUI's timestamps: milliseconds since 1970."""
    if not isinstance(value, int | float):
        return None
    return datetime.fromtimestamp(value / 1000, tz=UTC)
