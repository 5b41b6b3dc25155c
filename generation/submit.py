"""The one way into the queue: form and API both end here."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction

from accounts import guard
from accounts.models import User, lock, rights_of
from gallery.models import Image
from generation import events, offers, outlook, parameters, sweep, usage, wildcards
from generation.comfy.graph import models as models_of
from generation.fields import FILES, TEXTS, Kind, Parameter
from generation.models import Job, Version
from generation.wake import wake

MAX_COUNT = 8
SWEEP = "sweep"


class Invalid(Exception):
    """`errors`: a sentence for each parameter that is wrong."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{k}: {v}" for k, v in errors.items()))
        self.errors = dict(errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for. `swept`: by parameter, the values to go through."""

    given: Mapping[str, Any]
    count: int = 1
    priority: str = Job.Priority.NORMAL
    swept: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def submit(
    owner: User,
    version: Version,
    given: Mapping[str, Any],
    *,
    count: int = 1,
    priority: str = Job.Priority.NORMAL,
    swept: Mapping[str, Sequence[Any]] | None = None,
    idempotency_key: str | None = None,
    callback_url: str = "",
) -> list[Job]:
    """Check the values and queue the jobs, all of them or none.

    `count` jobs for each point of the grid that `swept` makes; they differ in their
    seeds. `callback_url` is called when each is over (see generation/hooks).
    Raises Invalid or usage.TooMany. The same key again returns the same jobs.
    """
    wish = Wish(given=given, count=count, priority=priority, swept=swept or {})

    def make() -> list[Job]:
        jobs = build(owner, version, wish)
        for job in jobs:
            job.callback_url = callback_url
        return jobs

    if callback_url:
        if not rights_of(owner).webhooks:
            raise Invalid({"callback_url": "Your groups may not use webhooks."})
        try:
            guard.check_url(callback_url)
        except guard.Refused as exc:
            raise Invalid({"callback_url": str(exc)}) from exc
    return enqueue(owner, version, make, idempotency_key)


def enqueue(
    owner: User,
    version: Version,
    make: Callable[[], list[Job]],
    idempotency_key: str | None = None,
) -> list[Job]:
    """Queue what `make` makes, within the owner's limits; raises as `submit` does."""
    if idempotency_key and (known := _known(owner, idempotency_key)):
        return known
    jobs = make()
    _check_runs(version, jobs)
    for index, job in enumerate(jobs if idempotency_key else []):
        job.idempotency_key = _numbered(idempotency_key, index)
    with transaction.atomic():
        lock(owner.pk)
        # The same request may have come in twice at once.
        if idempotency_key and (known := _known(owner, idempotency_key)):
            return known
        _check(owner, jobs)
        Job.objects.bulk_create(jobs)
    for job in jobs:
        events.announce_job(job.pk, owner.pk)
    wake("queued")
    return jobs


def _check_runs(version: Version, jobs: Sequence[Job]) -> None:
    """Whether servers can run them, all or none, and their files are there."""
    tags = version.workflow.server_tags
    for job in {job.kind: job for job in jobs}.values():
        if not outlook.can_ever_run(tags, job.graph):
            raise Invalid({"template": outlook.no_server_sentence(tags, job.graph)})
    if gone := _gone_files(version, jobs[0].parameters):
        raise Invalid(gone)


def again(job: Job) -> bool:
    """Queue a failed or cancelled job anew; False if it is neither.

    Raises Invalid or usage.TooMany: it takes a place as a new one does.
    """
    if not job.can_retry:
        return False
    with transaction.atomic():
        lock(job.owner_id)
        _check(job.owner, [job])
        return job.retry()


def _check(owner: User, jobs: Sequence[Job]) -> None:
    _check_models(owner, jobs)
    try:
        usage.check(owner, jobs)
    except usage.NoRoom as exc:
        raise Invalid({"storage": str(exc)}) from exc
    except usage.NeverFits as exc:
        raise Invalid({"count": str(exc)}) from exc


def _check_models(owner: User, jobs: Sequence[Job]) -> None:
    """By the graph as it is sent, whatever the form or the template had in it."""
    rights = rights_of(owner)
    if not rights.models:
        return
    for job in jobs:
        for name in models_of(job.graph):
            if rights.may_use(name):
                continue
            named = [key for key, value in job.parameters.items() if value == name]
            sentence = f"Your group may not use {name}."
            raise Invalid({named[0] if named else "template": sentence})


def _known(owner: User, key: str) -> list[Job]:
    keys = [_numbered(key, index) for index in range(sweep.MAX_JOBS)]
    jobs = owner.jobs.filter(idempotency_key__in=keys)
    return list(jobs.select_related("workflow").order_by("idempotency_key"))


def _numbered(key: str | None, index: int) -> str:
    return f"{key}#{index:02d}"


def build(owner: User, version: Version, wish: Wish) -> list[Job]:
    """The jobs, unsaved. Raises Invalid."""
    fields = offers.parameters_of(version)
    errors = _wrong_numbers(wish)
    given = dict(wish.given)
    for name, values in wish.swept.items():
        given[name] = values[0] if values else None
    given |= _from_gallery(owner, fields, given)
    choices = offers.choices_of(version)
    cleaned = parameters.clean(fields, given, choices)
    errors |= cleaned.errors | foreign_files(owner, fields, cleaned.values)
    if errors:
        raise Invalid(_at_sweep(errors, fields, given, wish))
    seeds = [_seeds(fields, given, cleaned.values, i) for i in range(wish.count)]
    words = _words_of(owner)
    jobs = []
    for point in sweep.grid(wish.swept):
        checked = parameters.clean(fields, given | point, choices)
        if checked.errors:
            raise Invalid(_at_sweep(checked.errors, fields, point, wish))
        for drawn in seeds:
            varied = {k: v for k, v in drawn.items() if k not in point}
            chosen = _expanded(fields, checked.values | varied, words)
            graph = parameters.resolve(version.graph, fields, chosen, choices)
            job = Job.build(owner, version, chosen, graph, wish.priority)
            job.pictures = max([job.pictures, *_batches(fields, chosen)])
            typed = _typed(fields, given | point, checked.values, chosen)
            # The form goes on with its own values, not with a point of the grid.
            job.typed = typed | {name: wish.given.get(name) for name in point}
            jobs.append(job)
    batch = uuid.uuid4() if len(jobs) > 1 else None
    for job in jobs:
        job.batch = batch
    return jobs


def _wrong_numbers(wish: Wish) -> dict[str, str]:
    errors = {}
    if not 1 <= wish.count <= MAX_COUNT:
        errors["count"] = f"Choose 1 to {MAX_COUNT}."
    if wish.priority not in Job.Priority.values:
        errors["priority"] = f"Choose one of {', '.join(Job.Priority.values)}."
    total = wish.count
    for values in wish.swept.values():
        total *= len(values)
    if len(wish.swept) > sweep.MAX_SWEPT:
        errors[SWEEP] = f"Sweep over at most {sweep.MAX_SWEPT} parameters."
    elif not total:
        errors[SWEEP] = "Give at least one value for each parameter."
    elif total > sweep.MAX_JOBS:
        errors[SWEEP] = f"These are {total} jobs; at most {sweep.MAX_JOBS} at once."
    return errors


def _at_sweep(
    errors: Mapping[str, str],
    fields: Sequence[Parameter],
    given: Mapping[str, Any],
    wish: Wish,
) -> dict[str, str]:
    """The errors of swept fields told where their values were written."""
    labels = {parameter.name: parameter.label for parameter in fields}
    told: dict[str, str] = {}
    for name, sentence in errors.items():
        if name not in wish.swept:
            told[name] = sentence
        elif SWEEP not in told:
            value = str(given[name])[:80]
            told[SWEEP] = f"{labels.get(name, name)} {value}: {sentence}"
    return told


def foreign_files(
    owner: User, fields: Sequence[Parameter], values: Mapping[str, Any]
) -> dict[str, str]:
    """A file that is used must lie in its owner's own folder."""
    return {
        field.name: "Upload this picture first."
        if field.kind == Kind.IMAGE
        else "Upload this file first."
        for field in fields
        if field.kind in FILES
        and values.get(field.name)
        and not is_own_file(owner, values[field.name])
    }


def _gone_files(version: Version, values: Mapping[str, Any]) -> dict[str, str]:
    return {
        field.name: "This file is gone. Upload it again."
        for field in version.parameters
        if field.kind in FILES
        and values.get(field.name)
        and not default_storage.exists(values[field.name])
    }


def is_own_file(owner: User, key: object) -> bool:
    own = input_folder(owner)
    return isinstance(key, str) and key.startswith(own) and ".." not in key


def input_folder(owner: User) -> str:
    return f"inputs/{owner.pk}/"


def _from_gallery(
    owner: User, fields: Sequence[Parameter], given: Mapping[str, Any]
) -> dict[str, str]:
    """Pictures that are given by the id that they have in a gallery."""
    pictures = (p.name for p in fields if p.kind == Kind.IMAGE)
    keys = {name: from_gallery(owner, given.get(name)) for name in pictures}
    return {name: key for name, key in keys.items() if key}


def from_gallery(owner: User, value: object) -> str:
    """The input that a picture becomes whose original `owner` may have, else empty."""
    try:
        pk = uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return ""
    image = Image.objects.told_to(owner).filter(pk=pk).first() if pk else None
    return copy_picture(owner, image) if image else ""


def copy_picture(owner: User, image: Image) -> str:
    """An input that stays when the picture is deleted; each content is kept once."""
    extension = str(image.file.name).rpartition(".")[2]
    key = f"{input_folder(owner)}{image.sha256}.{extension}"
    if not default_storage.exists(key):
        with image.file.open() as file:
            default_storage.save(key, File(file))
    return key


def _seeds(
    fields: Sequence[Parameter],
    given: Mapping[str, Any],
    values: Mapping[str, Any],
    index: int,
) -> dict[str, int]:
    """The seeds of job `index`: fixed, counted up, or drawn anew."""
    drawn = {}
    for parameter in fields:
        if parameter.kind != Kind.SEED:
            continue
        seed = values[parameter.name]
        mode = parameters.seed_mode(given.get(parameter.name))
        if mode == "increment":
            seed = parameters.seed_after(parameter, seed, index)
        elif mode == "random" and index:
            seed = parameters.draw_seed(parameter)
        drawn[parameter.name] = seed
    return drawn


def _words_of(owner: User) -> wildcards.Words:
    """A person's lists, each read when it is first asked for."""
    known: dict[str, Sequence[str] | None] = {}

    def words(name: str) -> Sequence[str] | None:
        if name not in known:
            found = owner.word_lists.filter(name=name).first()
            known[name] = found.lines() if found else None
        return known[name]

    return words


def _expanded(
    fields: Sequence[Parameter], values: Mapping[str, Any], words: wildcards.Words
) -> dict[str, Any]:
    """The values with one choice made for each wildcard. Raises Invalid."""
    chance = random.SystemRandom()
    chosen = dict(values)
    for parameter in fields:
        text = chosen.get(parameter.name)
        if parameter.kind in TEXTS and isinstance(text, str):
            try:
                chosen[parameter.name] = wildcards.expand(
                    text, words, chance=chance, longest=parameters.MAX_TEXT
                )
            except wildcards.TooWild as exc:
                raise Invalid({parameter.name: str(exc)}) from exc
    return chosen


def _batches(fields: Sequence[Parameter], values: Mapping[str, Any]) -> list[int]:
    """How many pictures at once, also of nodes that call it otherwise."""
    return [values[p.name] or 1 for p in fields if p.kind == Kind.BATCH]


def _typed(
    fields: Sequence[Parameter],
    given: Mapping[str, Any],
    checked: Mapping[str, Any],
    values: Mapping[str, Any],
) -> dict[str, Any]:
    """What the form should show again where it is not what the job runs with."""
    typed: dict[str, Any] = {}
    for parameter in fields:
        name = parameter.name
        if parameter.kind == Kind.SEED:
            mode = parameters.seed_mode(given.get(name))
            value = None if mode == "random" else checked[name]
            typed[name] = {"value": value, "mode": mode}
        elif parameter.kind in TEXTS and checked[name] != values[name]:
            typed[name] = checked[name]
    return typed
