"""The log of who did what: complete, and never changed."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import DatabaseError, connection, transaction

from accounts import audit
from accounts.models import AuditEvent
from accounts.models.audit import AppendOnly
from tests import make
from tests.accounts.conftest import signed_in


def actions(**which):
    rows = AuditEvent.objects.filter(**which).order_by("created", "id")
    return list(rows.values_list("action", flat=True))


def test_an_event_is_neither_changed_nor_deleted(db, root):
    event = audit.record(None, "sign-in.done", root, actor=root)
    event.action = "nothing.happened"
    for attempt in (
        event.save,
        event.delete,
        AuditEvent.objects.all().delete,
        lambda: AuditEvent.objects.update(action="x"),
        lambda: AuditEvent.objects.bulk_update([event], ["action"]),
    ):
        with pytest.raises(AppendOnly):
            attempt()
    assert AuditEvent.objects.get().action == "sign-in.done"


@pytest.mark.parametrize("sql", ["UPDATE {} SET action = 'x'", "DELETE FROM {}"])
def test_postgresql_refuses_it_too(db, root, sql):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer, which is us")
    audit.record(None, "sign-in.done", root)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute(sql.format("accounts_auditevent"))
    assert AuditEvent.objects.count() == 1


def test_the_administration_can_only_read_it(as_root, root):
    event = audit.record(None, "sign-in.done", root)
    address = f"/admin/accounts/auditevent/{event.pk}/change/"
    assert as_root.get(address).status_code == 200
    assert as_root.post(address, {"action": "x"}).status_code == 403
    assert (
        as_root.post(
            f"/admin/accounts/auditevent/{event.pk}/delete/", {"post": "yes"}
        ).status_code
        == 403
    )


def test_sign_ins_are_written_with_where_they_come_from(alice, sign_in):
    extra = {"headers": {"User-Agent": "Firefox/1", "X-Request-ID": "abc-1"}}
    sign_in("alice", "wrong", **extra)
    client, _ = sign_in("alice", **extra)
    client.post("/accounts/logout/")
    assert actions() == ["sign-in.failed", "sign-in.done", "sign-out.done"]
    event = AuditEvent.objects.get(action="sign-in.done")
    assert (event.ip, event.user_agent, event.request_id) == (
        "127.0.0.1",
        "Firefox/1",
        "abc-1",
    )
    assert (event.actor_id, event.target_id) == (alice.pk, str(alice.pk))


def test_what_was_typed_for_a_name_is_not_kept(db, sign_in):
    sign_in("my-secret-password", "x")
    event = AuditEvent.objects.get(action="sign-in.failed")
    assert "secret" not in str(event.__dict__)


def test_deeds_of_the_administration_are_in_the_one_log(as_root):
    as_root.post("/servers/queue/", {"do": "pause", "reason": "Cooling."})
    event = AuditEvent.objects.get(action="administration.changed")
    assert event.details["what"] == "Queue paused. Cooling."
    assert event.actor_name == "root" and event.ip
    as_root.post(
        "/admin/auth/group/add/",
        {"name": "Made in the administration"}
        | {
            f"{one}-{field}": "0"
            for one in ("limits",)
            for field in ("TOTAL_FORMS", "INITIAL_FORMS")
        },
    )
    assert "administration.added" in actions()


def test_changes_of_password_and_second_factor_are_written(alice, sign_in):
    client, _ = sign_in("alice")
    new = "quite-another-one-9"
    values = {"oldpassword": "alice-password", "password1": new, "password2": new}
    client.post("/accounts/password/change/", values)
    assert "account.password" in actions(actor_id=alice.pk)


def test_the_page_finds_pages_and_exports(as_root, root, alice):
    for number in range(120):
        audit.record(None, "session.ended", alice, actor=root, number=number)
    audit.record(None, "sign-in.failed", alice, actor=alice, name="=cmd()")
    page = as_root.get("/people/audit/", {"action": "session"})
    seen = []
    while True:
        seen += [event.details["number"] for event in page.context["events"]]
        if not page.context["older"]:
            break
        page = as_root.get(f"/people/audit/?{page.context['older']}")
    assert seen == list(reversed(range(120)))
    assert as_root.get("/people/audit/?cursor=rubbish").status_code == 404
    for query in ("=cmd()", "alice"):
        found = as_root.get("/people/audit/", {"q": query, "action": "sign-in"})
        assert [e.action for e in found.context["events"]] == ["sign-in.failed"]
    assert not as_root.get("/people/audit/?since=2999-01-01").context["events"]
    assert as_root.get("/people/audit/?since=nonsense&until=2026-13-45").context[
        "events"
    ]

    body = as_root.get("/people/audit/export/").getvalue().decode()
    rows = list(csv.DictReader(io.StringIO(body)))
    assert len(rows) >= 121
    failed = next(row for row in rows if row["action"] == "sign-in.failed")
    assert failed["target_name"] == "'=cmd()"
    assert "audit.exported" in actions()


def test_the_log_outlives_its_people(as_root, alice):
    audit.record(None, "sign-in.done", alice, actor=alice)
    pk = alice.pk
    alice.delete()
    event = AuditEvent.objects.get(action="sign-in.done", actor_id=pk)
    assert event.actor_name == "alice"


def test_staff_that_are_no_administrators_read_it(db):
    assert (
        signed_in(make.user("dora", is_staff=True)).get("/people/audit/").status_code
        == 200
    )
