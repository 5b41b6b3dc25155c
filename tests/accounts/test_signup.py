"""How people come in: invitations, approval, and doors that stay shut."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, Invitation, User
from generation.models.limits import allowance_of
from tests import make

PASSWORD = "a-long-enough-pass-9"


@pytest.fixture
def invite_only(settings):
    settings.LIFEOS_SIGNUP = "invite"


@pytest.fixture
def open_to_all(settings):
    settings.LIFEOS_SIGNUP = "open"
    settings.LIFEOS_SIGNUP_APPROVAL = True


def invited(**fields):
    values = {"expires_at": timezone.now() + timedelta(days=1), **fields}
    return Invitation.make(**values)


def sign_up(client, name="nina", email="nina@example.org"):
    values = {"username": name, "email": email}
    values |= {"password1": PASSWORD, "password2": PASSWORD}
    return client.post("/accounts/signup/", values)


def by_link(token):
    client = Client()
    return client, client.get(f"/join/{token}/")


# Invitations ----------------------------------------------------------------------


def test_staff_make_a_link_that_lets_one_person_into_a_group(as_root, invite_only):
    group = make.group("Family")
    values = {"note": "Nina", "group": group.pk, "max_uses": 1, "valid_for": "7"}
    page = as_root.post("/people/invitations/", values | {"pictures_per_day": "5"})
    link = page.context["link"]
    token = link.rstrip("/").rpartition("/")[2]
    assert token not in str(list(Invitation.objects.values()))
    # The link is shown once: no later page has it.
    assert token not in as_root.get("/people/invitations/").content.decode()

    client, response = by_link(token)
    assert response["Location"] == "/accounts/signup/"
    assert response["Referrer-Policy"] == "no-referrer"
    assert "Family" in client.get("/accounts/signup/").content.decode()
    assert sign_up(client).status_code == 302
    nina = User.objects.get(username="nina")
    assert nina.is_active and not nina.is_staff
    assert list(nina.groups.all()) == [group]
    assert allowance_of(nina).pictures_per_day == 5
    assert client.get("/gallery/").status_code == 200
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {
        "invitation.made",
        "invitation.used",
        "sign-up.done",
        "sign-in.done",
    }

    again, response = by_link(token)
    assert response.status_code == 404
    assert sign_up(again, "otto", "o@example.org").status_code == 200
    assert not User.objects.filter(username="otto").exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"revoked_at": timezone.now()},
        {"max_uses": 2, "uses": 2},
    ],
)
def test_links_that_are_over_let_nobody_in(db, invite_only, fields):
    _, token = invited(**fields)
    client, response = by_link(token)
    assert response.status_code == 404
    sign_up(client)
    assert not User.objects.exists()


def test_an_invitation_that_is_revoked_meanwhile_does_not_count(db, invite_only):
    row, token = invited()
    client, _ = by_link(token)
    assert client.get("/accounts/signup/").status_code == 200
    assert row.revoke()
    sign_up(client)
    assert not User.objects.exists()


def test_an_invitation_for_one_address_takes_no_other(db, invite_only):
    _, token = invited(email="nina@example.org")
    client, _ = by_link(token)
    page = sign_up(client, email="mallory@example.org")
    assert "This invitation is for nina@example.org." in page.content.decode()
    assert sign_up(client).status_code == 302


def test_an_invitation_is_sent_by_mail_where_that_is_asked(as_root, invite_only):
    values = {"email": "nina@example.org", "max_uses": 1, "valid_for": "1"}
    as_root.post("/people/invitations/", values | {"send": "on"})
    assert [m.to for m in mail.outbox] == [["nina@example.org"]]
    assert "/join/" in mail.outbox[0].body


def test_a_closed_installation_takes_no_invitation(db, settings):
    _, token = invited()
    settings.LIFEOS_SIGNUP = "closed"
    client, response = by_link(token)
    assert response.status_code == 404
    assert "Sign-up is closed" in client.get("/accounts/signup/").content.decode()


def test_a_wrong_invitation_is_told_beside_its_fields(as_root):
    values = {"email": "nonsense", "max_uses": 0, "valid_for": "9"}
    page = as_root.post("/people/invitations/", values)
    assert page.status_code == 422
    assert set(page.context["form"].errors) == {"email", "max_uses", "valid_for"}
    assert not Invitation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_last_use_goes_to_one_of_many(invite_only):
    row, _ = invited(max_uses=3)
    used = []

    def use():
        try:
            used.append(Invitation.objects.get(pk=row.pk).use())
        finally:
            connection.close()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(used) == 3
    row.refresh_from_db()
    assert row.uses == 3


# Approval -------------------------------------------------------------------------


def test_who_signs_up_waits_until_an_administrator_lets_them_in(
    as_root, open_to_all, sign_in, django_capture_on_commit_callbacks
):
    client = Client()
    with django_capture_on_commit_callbacks(execute=True):
        response = sign_up(client)
    assert response["Location"] == "/accounts/inactive/"
    assert "You are on the list" in client.get("/accounts/inactive/").content.decode()
    assert client.get("/gallery/").status_code == 302
    assert [m.to for m in mail.outbox if "waits" in m.subject] == [["root@example.org"]]
    nina = User.objects.get(username="nina")
    assert nina.standing == "waiting"

    # The right password is told why, a wrong one nothing.
    client, response = sign_in("nina", PASSWORD)
    assert client.get(response["Location"]).content.decode().count("on the list")
    _, response = sign_in("nina", "wrong")
    assert b"list" not in response.content

    assert "waits to be let in" in as_root.get(f"/people/{nina.pk}/").content.decode()
    as_root.post(f"/people/{nina.pk}/do/", {"do": "approve"})
    assert [m.to for m in mail.outbox if "begin" in m.subject] == [["nina@example.org"]]
    client, _ = sign_in("nina", PASSWORD)
    assert client.get("/gallery/").status_code == 200
    assert (
        AuditEvent.objects.filter(action="person.approved").get().actor_name == "root"
    )


def test_who_is_turned_away_leaves_no_row(as_root, open_to_all):
    sign_up(Client())
    nina = User.objects.get(username="nina")
    as_root.post(f"/people/{nina.pk}/do/", {"do": "reject"})
    assert not User.objects.filter(username="nina").exists()
    assert AuditEvent.objects.filter(action="person.rejected").exists()


def test_somebody_who_is_in_is_not_turned_away(as_root, alice):
    as_root.post(f"/people/{alice.pk}/do/", {"do": "reject"})
    assert User.objects.filter(pk=alice.pk).exists()


def test_without_approval_people_begin_at_once(db, open_to_all, settings):
    settings.LIFEOS_SIGNUP_APPROVAL = False
    client = Client()
    sign_up(client)
    assert client.get("/gallery/").status_code == 200


def test_an_invitation_spares_the_wait(db, open_to_all):
    _, token = invited()
    client, _ = by_link(token)
    sign_up(client)
    assert User.objects.get().standing == "active"


def test_the_api_signs_up_nobody_past_the_rules(client, db, settings):
    address = "/_allauth/app/v1/auth/signup"
    values = {"username": "nina", "email": "n@example.org", "password": PASSWORD}
    for mode in ("closed", "invite"):
        settings.LIFEOS_SIGNUP = mode
        answer = client.post(address, values, content_type="application/json")
        assert answer.status_code == 403
    settings.LIFEOS_SIGNUP = "open"
    answer = client.post(address, values, content_type="application/json")
    assert answer.status_code in (401, 403)
    assert User.objects.get().standing == "waiting"
