"""From a finished run's outputs to checked, stored pictures in the gallery.

May be done again at any point: names and keys are made from the job's and output's
identity, so that the same output is the same row and the same files.
"""

from __future__ import annotations

import errno
import math
import re
from io import BytesIO
from typing import BinaryIO
from uuid import UUID, uuid5

from gallery import files, intake
from gallery.models import Image, Provenance
from generation import retrieval
from generation.comfy.errors import ComfyError
from generation.comfy.graph import Described, describe
from generation.comfy.run import Output
from generation.models import Attempt, Job

# The name of an input's file is its hash.
HASHED = re.compile(r"inputs/\d+/([0-9a-f]{64})\.\w+")
MAX_INTEGER = 2**31 - 1


class TryAgain(Exception):
    """Something is out of reach now; the text says what. Later may do."""


def collect(job: Job, attempt: Attempt) -> None:
    """Store every picture of the attempt, then end the job.

    Raises TryAgain when the server or our storage cannot be reached. A picture that
    is gone or damaged does not cost the others of the same job.
    """
    outputs = [Output(**item) for item in attempt.outputs]
    kept = [output for output in outputs if _is_kept(output)]
    stored = _stored(job, attempt)
    # Of all that was asked for at once, if that is more than one.
    stack = job.batch or (job.pk if len(kept) > 1 else None)
    bad: list[str] = []
    for output in kept:
        if (output.node, output.kind, output.index) in stored:
            continue
        try:
            if output.filename:
                _take(job, attempt, output, stack)
            else:
                _store(job, attempt, output, BytesIO(), stack)
        except files.BadPicture as exc:
            bad.append(f"{output.filename}: {exc}")
        except ComfyError as exc:
            if exc.retryable:
                raise TryAgain(str(exc)) from exc
            bad.append(str(exc))
        except OSError as exc:
            raise TryAgain(_disk_sentence(exc)) from exc
    _end(job, len(kept), bad)


def _stored(job: Job, attempt: Attempt) -> set[tuple[str, str, int]]:
    """What an earlier try has stored; before the first there was none."""
    if attempt.number == 1 and attempt.save_tries == 1:
        return set()
    return set(job.images.values_list("node", "kind", "index"))


def _is_kept(output: Output) -> bool:
    """Every file, and what nodes such as PreviewAny say; not what they say to a
    viewer of 3D models.
    """
    said = output.kind == "text" and bool((output.text or "").strip("\x00 \n\t"))
    return bool(output.filename) or said


def _end(job: Job, outputs: int, bad: list[str]) -> None:
    if not outputs:
        job.fail("The workflow ran, but it put out no picture.")
    elif bad:
        sentence = (
            f"{len(bad)} of {outputs} outputs could not be kept."
            if outputs > 1
            else "The output could not be kept."
        )
        job.fail(sentence, "\n".join(bad))
    else:
        job.move(Job.Status.DONE)


def _disk_sentence(exc: OSError) -> str:
    if exc.errno == errno.ENOSPC:
        return "There is no room left on the disk of this installation."
    return f"The storage does not answer ({type(exc).__name__})."


def _take(job: Job, attempt: Attempt, output: Output, stack: UUID | None) -> None:
    try:
        with retrieval.opened(attempt, output) as file:
            _store(job, attempt, output, file, stack)
    except retrieval.NotYet as exc:
        raise TryAgain(str(exc)) from exc


def _store(
    job: Job, attempt: Attempt, output: Output, file: BinaryIO, stack: UUID | None
) -> None:
    """Of a file; empty for the text that a node put out instead of one."""
    about = describe(job.graph)
    name = f"{output.node}/{output.kind}/{output.index}"
    image = Image(
        id=uuid5(job.pk, name),
        owner_id=job.owner_id,
        job=job,
        node=output.node,
        kind=output.kind,
        index=output.index,
        stack=stack,
        source_name=intake.clean_name(output.filename),
        prompt=about.prompt,
        negative_prompt=about.negative_prompt,
        seed="" if about.seed is None else str(about.seed),
        model=about.model,
        workflow_title=job.workflow.title,
    )
    made = provenance(job, attempt, about)
    intake.take(file, image, made, told=output.text or "")


def provenance(job: Job, attempt: Attempt, about: Described) -> Provenance:
    """How the job's pictures were made; unsaved, and of no picture yet."""
    start, end = attempt.started_at, attempt.finished_at
    return Provenance(
        version=job.version,
        template_slug=job.workflow.slug,
        template_title=job.workflow.title,
        version_number=job.version.number,
        graph_json=Provenance.text(job.graph),
        parameters_json=Provenance.text(job.parameters),
        inputs=input_hashes(job),
        server=attempt.server.name,
        comfyui_version=attempt.server.version,
        sampler=about.sampler[:200],
        scheduler=about.scheduler[:200],
        steps=_within(about.steps),
        cfg=about.cfg if about.cfg is None or math.isfinite(about.cfg) else None,
        loras=list(about.loras),
        seconds=(end - start).total_seconds() if start and end else None,
    )


def input_hashes(job: Job) -> dict[str, str]:
    """SHA-256 of each file that the job was given, by the field's name."""
    found = {
        name: HASHED.fullmatch(value)
        for name, value in job.parameters.items()
        if isinstance(value, str)
    }
    return {name: match[1] for name, match in found.items() if match}


def _within(steps: int | None) -> int | None:
    return steps if steps is not None and 0 <= steps <= MAX_INTEGER else None
