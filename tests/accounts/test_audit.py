"""The log of who did what: complete, and never changed."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from allauth.usersessions.models import UserSession
from django.db import DatabaseError, connection, transaction
from django.test import Client

from accounts import audit
from accounts.models import ApiKey, AuditEvent
from accounts.models.audit import AppendOnly
from gallery.models import Album
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


# What scripts do ------------------------------------------------------------------


def told():
    """(action, by whom, target) of each event, oldest first."""
    rows = AuditEvent.objects.order_by("created", "id")
    return list(rows.values_list("action", "actor_name", "target_name"))


def test_a_scripts_changes_of_webhooks_are_written_with_its_key(alice, client):
    key, token = ApiKey.issue(alice, "laptop", ["read", "manage"])
    script = Client(headers={"Authorization": f"Bearer {token}"})
    body = {"url": "https://hooks.example.org/a-secret-token"}
    made = script.post("/api/webhooks", body, "application/json").json()
    address = f"/api/webhooks/{made['id']}"
    script.patch(address, {"active": False}, "application/json")
    script.post(f"{address}/secret")
    script.post("/api/webhooks/callback-secret")
    script.delete(address)
    assert told() == [
        ("webhook.added", "alice", "hooks.example.org"),
        ("webhook.changed", "alice", "hooks.example.org"),
        ("webhook.secret", "alice", "hooks.example.org"),
        ("webhook.callback-secret", "alice", "alice"),
        ("webhook.deleted", "alice", "hooks.example.org"),
    ]
    for event in AuditEvent.objects.all():
        assert event.details["key"] == str(key) and event.ip == "127.0.0.1"
        assert "secret-token" not in str(event.__dict__)
        assert made["secret"] not in str(event.__dict__)


def test_what_was_refused_is_not_written(alice, as_alice):
    body = {"url": "http://10.0.0.1/"}
    answer = as_alice.post("/api/webhooks", body, "application/json")
    assert answer.status_code == 422
    assert not AuditEvent.objects.filter(action__startswith="webhook").exists()


def test_pages_write_the_same(alice, as_alice):
    page = "/accounts/webhooks/"
    as_alice.post(page, {"url": "https://example.org/x", "events": ["job.done"]})
    hook = alice.webhooks.get()
    for deed in ("switch", "secret", "delete"):
        as_alice.post(f"{page}{hook.pk}/{deed}/")
    as_alice.post(f"{page}callback-secret/")
    form = {"name": "laptop", "scopes": ["read"], "lasts": ""}
    as_alice.post("/accounts/keys/", form)
    as_alice.post(f"/accounts/keys/{alice.api_keys.get().pk}/revoke/")
    assert [action for action, *_ in told() if not action.startswith("sign")] == [
        "webhook.added",
        "webhook.changed",
        "webhook.secret",
        "webhook.deleted",
        "webhook.callback-secret",
        "key.made",
        "key.revoked",
    ]


def test_links_and_shared_albums_are_written_without_what_they_show(
    alice, bob, as_alice
):
    image = make.image(alice)
    address = f"/gallery/shares/new/?ids={image.pk}"
    form = {"title": "our secret", "lasts": "day", "password": "long-enough-1"}
    as_alice.post(address, form)
    link = alice.share_links.get()
    as_alice.post(f"/gallery/shares/{link.pk}/", {"title": "x", "lasts": "keep"})
    as_alice.post(f"/gallery/shares/{link.pk}/revoke/")
    album = Album.objects.create(owner=alice, title="our secret")
    as_alice.post(f"/gallery/albums/{album.pk}/share/", {"person": "bob"})
    share = album.shares.get()
    as_alice.post(f"/gallery/albums/{album.pk}/share/{share.pk}/end/")
    found = [one for one in told() if not one[0].startswith("sign")]
    assert found == [
        ("share-link.made", "alice", "a link"),
        ("share-link.changed", "alice", "a link"),
        ("share-link.revoked", "alice", "a link"),
        ("album.shared", "alice", "bob"),
        ("album.unshared", "alice", "bob"),
    ]
    first = AuditEvent.objects.get(action="share-link.made")
    assert first.details["password"] is True and first.details["pictures"] == 1
    for event in AuditEvent.objects.all():
        told_of = str(event.__dict__)
        assert "our secret" not in told_of and link.token not in told_of
        assert link.password not in told_of


def test_a_programs_sign_in_and_changes_of_the_account_are_written(alice, client):
    start = "/_allauth/app/v1"
    answer = client.post(
        f"{start}/auth/login",
        {"username": "alice", "password": "alice-password"},
        "application/json",
    )
    session = {"X-Session-Token": answer.json()["meta"]["session_token"]}
    other = UserSession.objects.create(
        user=alice, ip="127.0.0.1", user_agent="x", session_key="other"
    )
    client.delete(
        f"{start}/auth/sessions",
        {"sessions": [other.pk]},
        "application/json",
        headers=session,
    )
    answer = client.post(
        f"{start}/account/password/change",
        {"current_password": "alice-password", "new_password": "quite-another-one-9"},
        "application/json",
        headers=session,
    )
    assert answer.status_code == 200
    assert [(action, by) for action, by, _ in told()] == [
        ("sign-in.done", "alice"),
        ("session.ended", "alice"),
        ("account.password", "alice"),
    ]


def test_every_action_that_is_written_is_told_in_words():
    """So that no page shows a name of ours."""
    root = Path(audit.__file__).parent.parent
    used = set()
    for app in ("accounts", "gallery", "generation", "lifeos"):
        for file in (root / app).rglob("*.py"):
            text = file.read_text()
            used |= set(
                re.findall(r"record\(\s*(?:\w+, )?\"([a-z0-9-]+\.[a-z0-9-]+)\"", text)
            )
    assert len(used) > 25
    assert used <= set(audit.ACTIONS)
