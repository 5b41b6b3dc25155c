"""Pictures made again: where settings come from, and the way back to the queue."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from uuid import UUID

from django.core.cache import cache
from django.core.files.storage import default_storage

from accounts.models import User
from gallery.models import Image, Provenance
from generation import offers, remix
from generation.metadata import Settings, from_graph
from generation.models import Job, Version, Workflow
from generation.remix import Change, Mapped, Onto, Origin
from generation.submit import enqueue, input_folder

# What was read from uploaded pictures waits this long, and so many a person.
UPLOADS_LAST, UPLOADS = 24 * 3600, 3


class CannotRun(Exception):
    """It cannot be made again as it was; the text says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be made again: a picture or job of ours, or settings of an upload."""

    settings: Settings
    origin: Origin | None = None
    version: Version | None = None
    image: Image | None = None


def find(user: User, key: str) -> Source | None:
    """By the id of one's own job or upload, or of a picture that tells its prompt."""
    try:
        pk = UUID(key)
    except ValueError:
        return None
    image = Image.objects.told_to(user).filter(pk=pk).first()
    if image is not None:
        return of_image(image)
    job = Job.objects.visible_to(user).filter(pk=pk).select_related("version").first()
    if job is not None:
        return _of_job(job)
    settings = dict(_uploads(user)).get(str(pk))
    return Source(settings) if settings else None


def of_image(image: Image) -> Source | None:
    """None: it is not known how the picture was made."""
    rows = Provenance.objects.filter(image=image)
    made = rows.select_related("version__workflow").first()
    if made is None:
        return _of_job(image.job, image) if image.job else None
    return _of(made.version, made.parameters, made.graph, image)


def _of_job(job: Job, image: Image | None = None) -> Source:
    return _of(job.version, job.parameters, job.graph, image)


def _of(
    version: Version | None,
    values: dict[str, object],
    graph: dict[str, object],
    image: Image | None,
) -> Source:
    fields = version.parameters if version else ()
    return Source(from_graph(graph), Origin(fields, values, graph), version, image)


def mapped_onto(user: User, key: str, version: Version) -> Mapped:
    """The form of this version filled from a source; empty where there is none."""
    source = find(user, key) if key else None
    if source is None:
        return Mapped()
    return _mapped(
        source,
        version,
        Onto(
            version.parameters,
            version.graph,
            offers.choices_of(version),
            input_folder(user),
        ),
    )


def _mapped(source: Source, version: Version, onto: Onto) -> Mapped:
    if source.origin is None:
        return remix.from_settings(source.settings, onto)
    if source.version and source.version.workflow_id == version.workflow_id:
        mapped = remix.from_version(source.origin, onto)
        return _with_workflow(mapped, source.version, version)
    return remix.from_other(source.origin, onto)


def _with_workflow(mapped: Mapped, old: Version, new: Version) -> Mapped:
    """Tell as well whether the graph differs where no field goes."""
    fields = [*old.parameters, *new.parameters]
    places = {(t.node, t.input) for p in fields for t in p.targets}

    def bare(version: Version) -> dict[str, object]:
        return {
            node: (
                content.get("class_type"),
                {k: v for k, v in content["inputs"].items() if (node, k) not in places},
            )
            for node, content in version.graph.items()
        }

    if old.pk == new.pk or bare(old) == bare(new):
        return mapped
    numbers = (f"version {old.number}", f"version {new.number}")
    change = Change("The workflow itself", "changed", *numbers)
    return replace(mapped, changes=(*mapped.changes, change))


def fitting(user: User, source: Source) -> list[tuple[Version, Mapped]]:
    """The templates that take something of it, the best first."""
    known, folder = offers.catalogs(), input_folder(user)
    found = []
    for version in Version.objects.current_for(user):
        choices = offers.choices_in(version, known)
        onto = Onto(version.parameters, version.graph, choices, folder)
        mapped = _mapped(source, version, onto)
        if mapped.values:
            found.append((version, mapped))
    return sorted(
        found, key=lambda pair: (len(pair[1].exceptions), -len(pair[1].values))
    )


# Uploads --------------------------------------------------------------------------


def keep_upload(user: User, settings: Settings) -> str:
    """Keep what an uploaded picture told, for `find`; returns its id."""
    pk = str(uuid.uuid4())
    kept = [(pk, settings), *_uploads(user)][:UPLOADS]
    cache.set(_key(user), kept, UPLOADS_LAST)
    return pk


def _uploads(user: User) -> list[tuple[str, Settings]]:
    found: list[tuple[str, Settings]] = cache.get(_key(user)) or []
    return found


def _key(user: User) -> str:
    return f"remix:{user.pk}"


# As it was ------------------------------------------------------------------------


def run_again(
    owner: User, image: Image, idempotency_key: str | None = None
) -> list[Job]:
    """Queue the picture's own graph with its own version. `image` is the owner's.

    Raises CannotRun, and as `submit` does.
    """
    source = of_image(image)
    if source is None or source.origin is None or source.version is None:
        raise CannotRun("It is not known any more how this picture was made.")
    version, origin = source.version, source.origin
    if not Workflow.objects.visible_to(owner).filter(pk=version.workflow_id).exists():
        raise CannotRun("The template of this picture is no longer there for you.")
    folder = input_folder(owner)
    files = [v for v in origin.values.values() if str(v).startswith(folder)]
    if not all(default_storage.exists(key) for key in files):
        raise CannotRun("A picture that it was made from is gone.")
    return enqueue(
        owner,
        version,
        lambda: [Job.build(owner, version, origin.values, origin.graph)],
        idempotency_key,
    )
