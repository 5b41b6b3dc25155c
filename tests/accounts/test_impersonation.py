"""An administrator looks as somebody else: told, logged, and harmless."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, Impersonation, User
from tests import make

REASON = {"reason": "Alice asked about her picture"}


@pytest.fixture
def looking(as_root, alice):
    response = as_root.post(f"/people/{alice.pk}/look/", REASON)
    assert response["Location"] == "/"
    return as_root


def test_the_page_says_so_and_is_the_persons(looking, alice, root):
    mine, theirs = make.image(root), make.image(alice)
    page = looking.get("/gallery/").content.decode()
    assert "You look at Life-OS as <strong>alice</strong>" in page
    assert str(theirs.pk) in page and str(mine.pk) not in page
    # The socket is the administrator's, so the page opens none.
    assert "hx-ws:connect" not in page


def test_one_click_ends_it(looking, root, alice):
    mine = make.image(root)
    response = looking.post("/people/look/end/")
    assert response["Location"] == f"/people/{alice.pk}/"
    page = looking.get("/gallery/").content.decode()
    assert str(mine.pk) in page and "You look at Life-OS as" not in page
    assert Impersonation.objects.get().ended


def test_every_picture_that_is_opened_is_logged(looking, alice, root):
    image = make.image(alice)
    addresses = [f"/gallery/{image.pk}/", f"/gallery/{image.pk}/file/"]
    addresses += [f"/gallery/{image.pk}/thumbnail/small/"]
    for address in addresses:
        assert looking.get(address).status_code == 200
    events = AuditEvent.objects.filter(action="impersonation.opened")
    assert [e.details["path"] for e in events.order_by("created")] == addresses
    assert {(e.actor_name, e.seen_as_name) for e in events} == {("root", "alice")}


def test_nothing_is_changed_meanwhile(looking, alice):
    image, job = make.image(alice), make.job(alice)
    for address in (
        f"/gallery/{image.pk}/delete/",
        f"/jobs/{job.pk}/cancel/",
        "/generate/test-card/",
        "/people/1/do/",
    ):
        assert looking.post(address).status_code == 403
    answer = looking.delete(f"/api/gallery/images/{image.pk}")
    assert answer.status_code == 403
    image.refresh_from_db()
    job.refresh_from_db()
    assert image.deleted_at is None and job.status == "queued"


@pytest.mark.parametrize(
    "address",
    [
        "/accounts/email/",
        "/accounts/2fa/",
        "/accounts/export/",
        "/accounts/sessions/",
        "/accounts/security/",
        "/accounts/password/change/",
        "/people/",
        "/admin/",
    ],
)
def test_the_persons_own_security_stays_theirs(looking, address):
    assert looking.get(address).status_code == 403


def test_the_person_sees_who_when_and_why(looking, as_alice):
    page = as_alice.get("/accounts/security/").content.decode()
    assert "root" in page and REASON["reason"] in page


@pytest.mark.parametrize(
    "fields", [{"is_staff": True}, {"is_superuser": True}, {"is_active": False}]
)
def test_staff_are_never_looked_as(as_root, fields):
    other = make.user("dora", **fields)
    as_root.post(f"/people/{other.pk}/look/", REASON)
    assert not Impersonation.objects.exists()


def test_a_reason_is_needed(as_root, alice):
    assert as_root.post(f"/people/{alice.pk}/look/", {"reason": " "}).status_code == 422
    assert not Impersonation.objects.exists()


def test_members_can_not(as_bob, alice):
    assert as_bob.post(f"/people/{alice.pk}/look/", REASON).status_code == 404
    assert as_bob.post("/people/look/end/").status_code == 302


def test_it_ends_with_the_hour(looking, alice):
    past = timezone.now() - timedelta(minutes=61)
    Impersonation.objects.update(started=past)
    assert looking.get("/people/").status_code == 200
    assert Impersonation.objects.get().ended


def test_it_ends_when_the_person_becomes_staff(looking, alice):
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    assert "You look at" not in looking.get("/gallery/").content.decode()


def test_it_ends_when_the_administrator_is_none_any_more(looking, root):
    User.objects.filter(pk=root.pk).update(is_staff=False, is_superuser=False)
    assert "You look at" not in looking.get("/gallery/").content.decode()
