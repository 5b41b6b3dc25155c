"""What making pictures adds to the pages about people: use, limits, jobs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.core.files.storage import default_storage
from django.db.models import Count, Sum
from django.forms import ModelForm
from django.utils import timezone

from accounts.models import User
from accounts.parts import Entry, Fact, Part
from gallery.storage import homes
from generation import submit, usage
from generation.models import Attempt, GroupLimits, Job, PersonLimits
from generation.models.job import AttemptState
from generation.models.limits import COUNTS

FIELDS = ("weight", *COUNTS)
DAY = timedelta(days=1)


class PersonLimitsForm(ModelForm[PersonLimits]):
    class Meta:
        model = PersonLimits
        fields = FIELDS


class GroupLimitsForm(ModelForm[GroupLimits]):
    class Meta:
        model = GroupLimits
        fields = FIELDS


class GenerationPart(Part):
    def facts(self, people: Sequence[User]) -> Mapping[int, Sequence[Fact]]:
        since = timezone.now() - DAY
        recent = Job.objects.filter(owner__in=people, created__gt=since)
        jobs = dict(
            recent.values("owner_id")
            .annotate(n=Count("pk"))
            .values_list("owner_id", "n")
        )
        runs = Attempt.objects.filter(
            job__owner__in=people, state=AttemptState.ENDED, finished_at__gt=since
        ).exclude(started_at=None)
        spent = dict(
            runs.values("job__owner_id")
            .annotate(total=Sum(usage.SECONDS))
            .values_list("job__owner_id", "total")
        )
        return {
            person.pk: [
                Fact("Jobs today", str(jobs.get(person.pk, 0))),
                Fact("GPU today", _minutes(spent.get(person.pk))),
            ]
            for person in people
        }

    def limits_form(
        self, of: User | Group | None, data: Mapping[str, Any] | None = None
    ) -> ModelForm[Any] | None:
        if isinstance(of, Group):
            row = GroupLimits.objects.filter(group=of).first() if of.pk else None
            return GroupLimitsForm(data, instance=row)
        own = PersonLimits.objects.filter(person=of).first() if of else None
        return PersonLimitsForm(data, instance=own or PersonLimits(person=of))

    def goes(self, person: User) -> Sequence[str]:
        active = person.jobs.active().count()
        return [
            f"{active} job{'' if active == 1 else 's'} that wait or run: cancelled",
            "your presets, word lists and uploaded files",
        ]

    def let_go(self, person: User) -> bool:
        """Cancel, and wait for what a server still holds: its bridge needs the row."""
        person.jobs.all().cancel()
        if person.jobs.active().exists():
            return False
        held = Attempt.objects.filter(job__owner=person)
        if held.exclude(state=AttemptState.ENDED).exists():
            return False
        homes().delete_folder(submit.input_folder(person))
        return True

    def export(self, person: User) -> Iterator[Entry]:
        jobs = person.jobs.select_related("workflow").order_by("created")
        yield Entry(
            "jobs.json", _json([_job(j) for j in jobs.iterator(chunk_size=200)])
        )
        presets = person.presets.select_related("workflow")
        kept = [
            {"name": p.name, "template": p.workflow.slug, "values": p.values}
            for p in presets
        ]
        yield Entry("presets.json", _json(kept))
        lists = {row.name: row.lines() for row in person.word_lists.all()}
        yield Entry("word-lists.json", _json(lists))
        hooks = person.webhooks.values("url", "events", "active", "created")
        yield Entry("webhooks.json", _json(list(hooks)))
        told = person.notices.values("title", "text", "url", "created", "read")
        yield Entry("notices.json", _json(list(told)))
        # What they are for; the keys themselves are kept nowhere.
        keys = person.api_keys.values("name", "prefix", "scopes", "created", "revoked")
        yield Entry("api-keys.json", _json(list(keys)))
        for name in _listed(submit.input_folder(person)):
            with contextlib.suppress(OSError):
                content = default_storage.open(name, "rb")
                yield Entry(f"uploads/{name.rpartition('/')[2]}", content)


def _minutes(spent: timedelta | None) -> str:
    return f"{spent.total_seconds() / 60:.1f} min" if spent else "0 min"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str).encode()


def _job(job: Job) -> dict[str, Any]:
    return {
        "id": job.pk,
        "template": job.workflow.slug,
        "status": job.status,
        "parameters": job.parameters,
        "created": job.created,
        "started": job.started_at,
        "finished": job.finished_at,
        "error": job.error,
    }


def _listed(folder: str) -> list[str]:
    """The names in this folder, in whichever homes they are."""
    here = homes()
    known = (here.spool, here.local, here.s3)
    found = {f.name for home in known if home is not None for f in home.walk(folder)}
    return sorted(found)
