"""Compiled once, a query says the same as the queryset it is made from."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import (
    BigIntegerField,
    CharField,
    Count,
    DateTimeField,
    F,
    JSONField,
    UUIDField,
)
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.prepared import Prepared, PreparedUpdate, Slot
from generation.models import Job
from tests import make

pytestmark = pytest.mark.django_db

OWNER, PK = Slot("owner", BigIntegerField()), Slot("pk", UUIDField())
JOBS_OF = Prepared(lambda: Job.objects.filter(owner=OWNER).order_by("created"))


def test_rows_are_those_of_the_queryset_for_each_value(alice, bob):
    columns = ["pk", "owner__username", "graph", "model_names", "created", "batch"]
    prepared = Prepared(
        lambda: Job.objects.filter(owner=OWNER).order_by("pk").values_list(*columns)
    )
    made = [make.job(person) for person in (alice, bob, alice)]
    for person in (alice, bob, alice):
        jobs = Job.objects.filter(owner=person).order_by("pk")
        found = [tuple(row) for row in prepared.rows(owner=person.pk)]
        assert found == list(jobs.values_list(*columns))
    assert {row[0] for row in prepared.rows(owner=bob.pk)} == {made[1].pk}


def test_objects_are_whole_and_can_be_saved(alice):
    job = make.job(alice, parameters={"b": 1, "a": [None, "ä"]})
    [found] = JOBS_OF.objects(owner=alice.pk)
    for field in Job._meta.concrete_fields:
        assert getattr(found, field.attname) == getattr(job, field.attname), field
    found.error = "said"
    found.save()
    job.refresh_from_db()
    assert job.error == "said"


def test_objects_have_their_annotations(alice):
    make.attempt(make.job(alice), make.server())
    prepared = Prepared(
        lambda: Job.objects.filter(owner=OWNER).annotate(tries=Count("attempts"))
    )
    [found] = prepared.objects(owner=alice.pk)
    assert found.tries == 1


def test_the_sql_is_that_of_the_queryset(alice):
    JOBS_OF.rows(owner=alice.pk)
    with CaptureQueriesContext(connection) as seen:
        JOBS_OF.rows(owner=alice.pk)
        list(Job.objects.filter(owner=alice.pk).order_by("created"))
    assert seen[0]["sql"] == seen[1]["sql"]


def test_an_update_writes_what_it_is_given_and_says_how_many(alice, bob):
    job, other = make.job(alice), make.job(bob)
    write = PreparedUpdate(
        lambda: Job.objects.filter(pk=PK),
        sequence=F("sequence") + 1,
        progress=Slot("progress", JSONField()),
        error=Slot("error", CharField()),
        started_at=Slot("at", DateTimeField()),
    )
    at = timezone.now() - timedelta(hours=1)
    said = "100 % 'quoted' %s"
    before = job.sequence
    assert write.run(pk=job.pk, progress={"fraction": 0.5}, error=said, at=at) == 1
    job.refresh_from_db()
    assert (job.progress, job.error, job.started_at) == ({"fraction": 0.5}, said, at)
    assert write.run(pk=job.pk, progress={}, error="", at=None) == 1
    job.refresh_from_db()
    assert (job.progress, job.error, job.started_at) == ({}, "", None)
    assert job.sequence == before + 2
    other.refresh_from_db()
    assert other.error == ""
    assert write.run(pk=uuid4(), progress={}, error="", at=None) == 0


def test_a_value_that_is_missing_is_an_error(alice):
    with pytest.raises(KeyError, match="owner"):
        JOBS_OF.rows()
