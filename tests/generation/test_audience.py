"""Who may know of a template: everybody, or chosen groups and people."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ValidationError

from generation.models import Job, Version, Workflow
from tests import make

PAGE = "/generate/test-card/"
GRAPH = {"1": {"class_type": "EmptyImage", "inputs": {"width": 64}}}


@pytest.fixture
def chosen(db):
    """A template for chosen people; nobody is chosen yet."""
    workflow = make.workflow()
    workflow.audience = Workflow.Audience.CHOSEN
    workflow.save(update_fields=["audience"])
    return workflow


def test_a_stranger_to_it_gets_404(as_alice, chosen):
    assert as_alice.get(PAGE).status_code == 404
    assert as_alice.post(PAGE, {"width": 64}).status_code == 404
    assert "Test card" not in as_alice.get("/generate/").content.decode()


def test_a_member_of_a_chosen_group_uses_it(as_alice, alice, chosen):
    group = Group.objects.create(name="studio")
    chosen.groups.add(group)
    assert as_alice.get(PAGE).status_code == 404
    alice.groups.add(group)
    assert as_alice.get(PAGE).status_code == 200
    assert "Test card" in as_alice.get("/generate/").content.decode()


def test_a_chosen_person_uses_it_and_nobody_else(as_alice, as_bob, alice, chosen):
    chosen.people.add(alice)
    assert as_alice.get(PAGE).status_code == 200
    assert as_bob.get(PAGE).status_code == 404


def test_who_is_chosen_twice_sees_it_once(alice, chosen):
    for name in ("studio", "school"):
        group = Group.objects.create(name=name)
        chosen.groups.add(group)
        alice.groups.add(group)
    chosen.people.add(alice)
    seen = [w.slug for w in Workflow.objects.visible_to(alice)]
    assert seen.count("test-card") == 1


def test_staff_see_every_published_template(chosen):
    staff = make.user("ada", is_staff=True)
    assert chosen in Workflow.objects.visible_to(staff)
    Workflow.objects.update(published=False)
    assert not Workflow.objects.visible_to(staff).exists()


def test_nobody_who_is_not_signed_in_sees_any(chosen):
    assert not Workflow.objects.visible_to(AnonymousUser()).exists()


def test_what_was_never_published_has_no_page(as_alice, db):
    workflow = Workflow.objects.create(slug="draft", title="Draft", published=True)
    workflow.add_version(GRAPH, [], None)
    assert as_alice.get("/generate/draft/").status_code == 404


# Versions -------------------------------------------------------------------------


def test_a_job_keeps_the_version_that_it_ran_with(alice):
    workflow = make.workflow()
    job, first = make.job(alice), workflow.current
    workflow.publish(workflow.add_version(GRAPH, [], None))
    assert Job.objects.get(pk=job.pk).version == first
    assert Workflow.objects.get(pk=workflow.pk).current.number == 2


def test_an_older_version_can_be_published_again(as_alice, db):
    workflow = make.workflow()
    first = workflow.current
    workflow.publish(workflow.add_version(GRAPH, [], None))
    assert b'name="width"' not in as_alice.get(PAGE).content
    workflow.publish(first)
    assert b'name="width"' in as_alice.get(PAGE).content


def test_a_version_with_wrong_fields_is_not_kept(db):
    workflow = make.workflow()
    wrong = [{"name": "x", "kind": "text", "targets": [["9", "text"]]}]
    with pytest.raises(ValidationError) as caught:
        workflow.add_version(GRAPH, wrong, None)
    assert "Field 1 (x): the graph has no input text at node 9." in str(caught.value)
    assert Version.objects.filter(workflow=workflow).count() == 1
