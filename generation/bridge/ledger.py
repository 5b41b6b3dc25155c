"""The bridge's writes to the database. Every one is a compare-and-swap.

Sync functions: the async side calls them through `in_thread`, the one
border. Where a function returns False, somebody else holds the attempt now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from generation import tasks
from generation.comfy.errors import NodeError, PromptRejected
from generation.comfy.run import Output, RunError
from generation.models import Attempt, Job
from generation.scheduling import Claim

Outcome = Attempt.Outcome


def submitted(claim: Claim) -> bool:
    """The server has taken the prompt."""
    rows = claim.attempt.held_by(claim.attempt.bridge)
    if not rows.update(state=Attempt.State.SUBMITTED, submitted_at=timezone.now()):
        return False
    claim.attempt.state = Attempt.State.SUBMITTED
    return True


def _end(claim: Claim, outcome: str, **fields: Any) -> bool:
    rows = claim.attempt.held_by(claim.attempt.bridge)
    fields.setdefault("finished_at", timezone.now())
    return bool(rows.update(state=Attempt.State.ENDED, outcome=outcome, **fields))


@transaction.atomic
def succeeded(
    claim: Claim,
    outputs: Sequence[Output],
    started: datetime | None,
    finished: datetime | None,
) -> bool:
    """The run is over and its outputs are named; the rest is a task's work."""
    if not _end(
        claim,
        Outcome.SUCCEEDED,
        outputs=[asdict(output) for output in outputs],
        started_at=started or claim.job.started_at,
        finished_at=finished or timezone.now(),
    ):
        return False
    progress = {**claim.job.progress, "fraction": 1.0}
    if claim.job.move(Job.Status.SAVING, progress=progress):
        job_id = str(claim.job.pk)
        transaction.on_commit(lambda: tasks.save_results(job_id))
    return True


OUT_OF_MEMORY = (
    "The server ran out of GPU memory. Try a smaller size or a smaller batch."
)


@transaction.atomic
def failed(claim: Claim, error: RunError) -> bool:
    """A node failed: asking again would fail again."""
    where = f"{error.node_type}: " if error.node_type else ""
    reason = error.message.strip() or error.exception_type
    sentence = OUT_OF_MEMORY if error.out_of_memory else f"{where}{reason}"
    if not _end(claim, Outcome.FAILED, error=sentence):
        return False
    detail = "\n".join([f"{error.exception_type}: {reason}", *error.traceback])
    claim.job.fail(sentence, detail)
    return True


@transaction.atomic
def rejected(claim: Claim, refusal: PromptRejected) -> bool:
    """The server refused the prompt: say beside which field."""
    if not _end(claim, Outcome.REJECTED, error=str(refusal)):
        return False
    fields, others = field_errors(claim.job, refusal.node_errors)
    detail = "\n".join(filter(None, [refusal.details, *others]))
    claim.job.fail(str(refusal), detail, field_errors=fields)
    return True


def field_errors(
    job: Job, node_errors: Mapping[str, Sequence[NodeError]]
) -> tuple[dict[str, str], list[str]]:
    """ComfyUI's errors by parameter name, and those that no parameter sets."""
    names = {
        (str(node), name): parameter.name
        for parameter in job.workflow.parameters.all()
        for node, name in parameter.targets
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
def interrupted(claim: Claim, why: str) -> bool:
    """The run was stopped: by its owner, or by somebody at the server."""
    if not _end(claim, Outcome.INTERRUPTED, error=why):
        return False
    claim.job.refresh_from_db(fields=["cancel_requested", "status"])
    if claim.job.cancel_requested:
        claim.job.move(Job.Status.CANCELLED)
    else:
        claim.job.fail("Somebody at the server stopped this run.")
    return True


@transaction.atomic
def lost(claim: Claim, why: str) -> bool:
    """The server has forgotten the prompt: queue the job again, a few times."""
    if not _end(claim, Outcome.LOST, error=why):
        return False
    job = claim.job
    job.refresh_from_db()
    if job.cancel_requested:
        job.move(Job.Status.CANCELLED)
    elif job.attempts_left:
        job.move(Job.Status.QUEUED, **FRESH)
    else:
        job.fail(
            f"{Job.MAX_ATTEMPTS} attempts were lost by the servers,"
            " the last one like this: " + why
        )
    return True


@transaction.atomic
def released(claim: Claim, why: str) -> bool:
    """Nothing was ever sent: the job goes back as if it had not been claimed."""
    if not _end(claim, Outcome.LOST, error=why):
        return False
    claim.job.refresh_from_db()
    if claim.job.cancel_requested:
        claim.job.move(Job.Status.CANCELLED)
    else:
        left = claim.job.attempts_left + 1
        claim.job.move(Job.Status.QUEUED, **(FRESH | {"attempts_left": left}))
    return True


FRESH: dict[str, Any] = {
    "progress": {},
    "preview": 0,
    "dispatched_at": None,
    "started_at": None,
}


def from_millis(value: object) -> datetime | None:
    """ComfyUI's timestamps: milliseconds since 1970."""
    if not isinstance(value, int | float):
        return None
    return datetime.fromtimestamp(value / 1000, tz=UTC)
