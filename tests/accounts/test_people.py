"""What administrators see and do about people, and what members do not."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEvent, GroupRights, User, rights_of
from generation.models.limits import allowance_of
from tests import make
from tests.accounts.conftest import signed_in

GETS = ["list", "groups", "new-group", "invitations", "audit", "audit-export"]


@pytest.fixture
def dora(db):
    return make.user("dora", is_staff=True)


def do(client, person, deed):
    return client.post(f"/people/{person.pk}/do/", {"do": deed}, follow=True)


def test_members_learn_of_none_of_these_pages(as_alice, client, bob):
    addresses = [reverse(f"people:{name}") for name in GETS]
    addresses += [f"/people/{bob.pk}/", f"/people/{bob.pk}/do/", "/people/999/"]
    for address in addresses:
        assert as_alice.get(address).status_code == 404
        assert as_alice.post(address, {"do": "deactivate"}).status_code == 404
        assert client.get(address)["Location"].startswith("/accounts/login/?next=")
    bob.refresh_from_db()
    assert bob.is_active


def test_people_are_found_by_name_group_and_standing(as_root, alice, bob):
    make.group("Family", bob)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    def found(**query):
        rows = as_root.get("/people/", query).context["rows"]
        return [row.username for row, _ in rows]

    assert found() == ["bob", "alice", "root"]
    assert found(q="ALI") == ["alice"]
    assert found(group=Group.objects.get().pk) == ["bob"]
    assert found(standing="inactive") == ["alice"]
    assert found(standing="staff") == ["root"]
    assert found(group="nonsense", standing="x") == ["bob", "alice", "root"]


def test_the_list_is_paged_with_as_many_queries_as_ever(as_root):
    def queries():
        as_root.get("/people/")  # the first visit is remembered
        with CaptureQueriesContext(
            connection,
        ) as seen:
            page = as_root.get("/people/")
        return len(seen), page

    few, _ = queries()
    people = [User(username=f"p{i:03d}") for i in range(70)]
    User.objects.bulk_create(people)
    for person in User.objects.filter(username__startswith="p"):
        make.job(person) if person.username.endswith("5") else None
    many, page = queries()
    assert many == few
    names = []
    while True:
        names += [row.username for row, _ in page.context["rows"]]
        if not page.context["older"]:
            break
        page = as_root.get(f"/people/?{page.context['older']}")
    assert len(names) == len(set(names)) == 71
    assert as_root.get("/people/?before=x").status_code == 404


def test_who_is_switched_off_is_out_at_once(as_root, alice, as_alice):
    assert as_alice.get("/gallery/").status_code == 200
    do(as_root, alice, "deactivate")
    assert as_alice.get("/gallery/").status_code == 302
    do(as_root, alice, "activate")
    assert signed_in(User.objects.get(pk=alice.pk)).get("/gallery/").status_code == 200
    actions = AuditEvent.objects.filter(target_id=str(alice.pk), actor_name="root")
    assert {"person.deactivated", "person.activated"} <= set(
        actions.values_list("action", flat=True)
    )


def test_the_last_administrator_can_be_neither_switched_off_nor_made_a_member(
    as_root, root
):
    do(as_root, root, "deactivate")
    page = as_root.post(f"/people/{root.pk}/rights/", {"first_name": "R"})
    assert page.status_code == 422
    assert "Somebody has to administer" in page.content.decode()
    root.refresh_from_db()
    assert root.is_active and root.is_superuser and root.is_staff


def test_staff_change_no_staff_and_appoint_nobody(dora, root, alice):
    client = signed_in(dora)
    page = do(client, root, "deactivate")
    assert "Only an administrator can change staff." in page.content.decode()
    rights = {"is_staff": "on", "is_superuser": "on", "first_name": "Ali"}
    client.post(f"/people/{alice.pk}/rights/", rights)
    client.post(f"/people/{dora.pk}/rights/", rights)
    for person in (root, alice, dora):
        person.refresh_from_db()
    assert root.is_active
    assert (alice.first_name, alice.is_staff, alice.is_superuser) == (
        "Ali",
        False,
        False,
    )
    assert not dora.is_superuser


def test_rights_and_groups_are_changed_and_logged(as_root, alice):
    group = make.group("Family")
    values = {"groups": [group.pk], "is_staff": "on", "first_name": "Ali"}
    as_root.post(f"/people/{alice.pk}/rights/", values)
    alice.refresh_from_db()
    assert alice.is_staff and list(alice.groups.all()) == [group]
    rights = AuditEvent.objects.get(action="person.rights")
    assert (rights.details, rights.actor_name) == ({"is_staff": True}, "root")
    groups = AuditEvent.objects.get(action="person.groups")
    assert groups.details["names"] == ["Family"]


def test_limits_of_a_person(as_root, alice):
    address = f"/people/{alice.pk}/limits/"
    page = as_root.post(address, {"weight": "-1"})
    assert page.status_code == 422 and "weight" in page.context["limits"].errors
    as_root.post(address, {"weight": "2", "pictures_per_day": "7"})
    assert allowance_of(alice).pictures_per_day == 7
    assert AuditEvent.objects.get(action="person.limits").details["weight"] == 2


def test_an_unknown_deed_changes_nothing(as_root, alice):
    page = do(as_root, alice, "explode")
    assert "That is nothing that can be done" in page.content.decode()


# Groups ---------------------------------------------------------------------------


def test_a_group_is_made_with_limits_and_rights(as_root, alice):
    values = {
        "name": "Class",
        "pictures_per_day": "3",
        "share_links": "on",
        "models_denied": "*nsfw*\n\n sdxl* ",
    }
    assert as_root.post("/people/groups/new/", values).status_code == 302
    group = Group.objects.get()
    group.user_set.add(alice)
    assert allowance_of(alice).pictures_per_day == 3
    rights = rights_of(make.again(alice))
    assert (rights.share_links, rights.api, rights.webhooks) == (True, False, False)
    assert not rights.may_use("SDXL_base.safetensors")
    assert rights.may_use("flux1-dev.safetensors")
    page = as_root.get(f"/people/groups/{group.pk}/").content.decode()
    assert "*nsfw*\nsdxl*" in page

    as_root.post(
        f"/people/groups/{group.pk}/",
        {"name": "Class", "api": "on", "models_denied": ""},
    )
    rights = rights_of(make.again(alice))
    assert rights.api and rights.may_use("sdxl")
    as_root.post(f"/people/groups/{group.pk}/delete/")
    assert User.objects.filter(pk=alice.pk).exists()
    assert rights_of(make.again(alice)).webhooks


def test_a_wrong_group_is_saved_in_no_part(as_root):
    page = as_root.post("/people/groups/new/", {"name": "A", "weight": "x"})
    assert page.status_code == 422
    assert not Group.objects.exists() and not GroupRights.objects.exists()


def test_of_several_groups_the_most_generous_counts(alice, bob):
    strict, free = make.group("strict", alice, bob), make.group("free", alice)
    GroupRights.objects.create(group=strict, api=False, models_allowed=["flux*"])
    GroupRights.objects.create(group=free, share_links=False, models_denied=["x*"])
    assert rights_of(bob).may_use("flux1") and not rights_of(bob).may_use("sdxl")
    assert not rights_of(bob).api
    assert rights_of(alice).api and rights_of(alice).share_links
    assert rights_of(alice).may_use("sdxl") and not rights_of(alice).may_use("xray")
