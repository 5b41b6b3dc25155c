"""Webhooks: written with the job's end, signed, tried again, seen by their owner."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone

from accounts import guard
from generation.hooks import outbox, sending
from generation.hooks.sending import DELAYS, send_due
from generation.models import Delivery, Job, Webhook
from generation.models.webhook import MAX_FAILURES, MAX_HOOKS, Event
from tests import make
from tests.receiver import receiving

pytestmark = pytest.mark.django_db
PAGE = "/accounts/webhooks/"


@pytest.fixture(autouse=True)
def local(settings):
    settings.LIFEOS_WEBHOOK_ALLOW = ["127.0.0.1"]


@pytest.fixture
def told():
    with receiving() as told:
        yield told


@pytest.fixture
def hook(alice, told):
    return Webhook.objects.create(owner=alice, url=told.url, events=Event.values)


def end(owner, status="done", **fields):
    before = "saving" if status == "done" else "queued"
    job = make.job(owner, status=before, **fields)
    assert job.move(Job.Status(status), error="It broke." if status == "failed" else "")
    return job


def verify(secret, call):
    """As a receiver does it, by the text of the standard."""
    _, headers, body = call
    headers = {name.lower(): value for name, value in headers.items()}
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return headers["webhook-signature"] == f"v1,{wanted}"


def due_now():
    Delivery.objects.update(next_try=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("status", ["done", "failed", "cancelled"])
def test_the_end_of_a_job_is_told_and_signed(alice, hook, told, status):
    job = end(alice, status)
    if status == "done":
        make.image(alice, job)
    send_due()
    [call] = told.calls
    assert verify(hook.secret, call)
    assert not verify("whsec_" + base64.b64encode(b"x" * 32).decode(), call)
    body = json.loads(call[2])
    assert body["type"] == f"job.{status}"
    assert (body["data"]["id"], body["data"]["status"]) == (str(job.pk), status)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.status_code) == ("delivered", 204)
    send_due()
    assert len(told.calls) == 1


def test_pictures_of_a_job_are_named(alice, hook, told):
    job = make.job(alice, status="saving")
    image = make.image(alice, job)
    job.move(Job.Status.DONE)
    send_due()
    [found] = json.loads(told.calls[0][2])["data"]["images"]
    assert found["url"] == f"/api/gallery/images/{image.pk}/file"


def test_only_what_was_asked_for_and_only_ones_own(alice, bob, hook, told):
    Webhook.objects.update(events=[Event.FAILED])
    end(alice, "done")
    end(bob, "failed")
    Webhook.objects.update(active=False, events=Event.values)
    end(alice, "failed")
    assert not Delivery.objects.exists()


def test_it_is_written_with_the_end_or_not_at_all(alice, hook):
    job = make.job(alice, status="saving")
    try:
        with transaction.atomic():
            job.move(Job.Status.DONE)
            raise RuntimeError
    except RuntimeError:
        pass
    assert not Delivery.objects.exists()
    job.refresh_from_db()
    assert job.status == "saving"


def test_a_failed_try_comes_again_later_with_the_same_id(alice, hook, told):
    told.status = 503
    end(alice)
    send_due()
    first = Delivery.objects.get()
    assert (first.state, first.attempts, first.error) == (
        "pending",
        1,
        "It answered 503.",
    )
    wait = (first.next_try - timezone.now()).total_seconds()
    assert DELAYS[0] - 1 < wait <= DELAYS[0] * 1.2
    assert 1 <= sending.wait_for_next() <= DELAYS[0] * 1.2 + 1
    # Of many that see it, one asks.
    assert sending.wait_for_next() is None
    send_due()
    assert len(told.calls) == 1
    told.status = 200
    due_now()
    send_due()
    ids = {call[1]["webhook-id"] for call in told.calls}
    assert (len(told.calls), len(ids)) == (2, 1)
    assert Delivery.objects.get().state == "delivered"


def test_after_many_tries_it_is_given_up(alice, hook, told):
    told.status = 500
    end(alice)
    for _ in range(len(DELAYS) + 3):
        due_now()
        send_due()
    assert len(told.calls) == len(DELAYS) + 1
    assert Delivery.objects.get().state == "failed"
    hook.refresh_from_db()
    assert (hook.failures, hook.active) == (1, True)


def test_a_dead_address_is_switched_off_and_the_owner_told(alice, hook, told):
    Webhook.objects.update(failures=MAX_FAILURES - 1)
    told.status = 410
    end(alice)
    send_due()
    hook.refresh_from_db()
    assert not hook.active
    assert alice.notices.filter(title="A webhook is switched off").count() == 1


def test_a_worker_that_dies_on_the_way_loses_nothing(alice, hook, told):
    end(alice)
    assert len(sending._claim()) == 1  # and then it was killed
    send_due()
    assert told.calls == []
    due_now()
    send_due()
    assert len(told.calls) == 1


def test_one_worker_at_a_time(alice, hook, told):
    end(alice)
    cache.add(sending.BUSY, 1, timeout=60)
    assert send_due() is False
    assert told.calls == []


def test_one_persons_many_do_not_hold_up_anothers(alice, bob, hook, told):
    for _ in range(sending.OF_ONE + 5):
        outbox.queue_test(hook)
    Webhook.objects.create(owner=bob, url=f"{told.url}/bob", events=Event.values)
    end(bob)
    assert send_due() is True
    assert [call[0] for call in told.calls].count("/hook/bob") == 1
    assert len(told.calls) == sending.OF_ONE + 1


def test_an_address_inside_is_refused_for_good(alice, hook, told, settings):
    settings.LIFEOS_WEBHOOK_ALLOW = []
    end(alice)
    send_due()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error) == ("failed", guard.NOT_PUBLIC)
    assert told.calls == []


def test_nothing_is_sent_for_a_closed_account(alice, hook, told):
    end(alice)
    type(alice).objects.update(is_active=False)
    send_due()
    assert told.calls == []
    assert Delivery.objects.get().state == "failed"


def test_a_request_names_its_own_address(as_alice, alice, told):
    make.server()
    make.workflow()
    body = {"template": "test-card", "callback_url": told.url}
    answer = as_alice.post("/api/comfyui/generate", body, "application/json")
    job = alice.jobs.get(pk=answer.json()["jobs"][0]["id"])
    job.cancel()
    secret = as_alice.post("/api/webhooks/callback-secret").json()["secret"]
    send_due()
    assert verify(secret, told.calls[0])
    assert json.loads(told.calls[0][2])["data"]["id"] == str(job.pk)


def test_a_request_that_names_one_inside_is_refused(as_alice, alice, settings):
    settings.LIFEOS_WEBHOOK_ALLOW = []
    make.server()
    make.workflow()
    body = {"template": "test-card", "callback_url": "http://169.254.169.254/"}
    answer = as_alice.post("/api/comfyui/generate", body, "application/json")
    assert answer.status_code == 422
    assert [e["field"] for e in answer.json()["errors"]] == ["callback_url"]
    assert not alice.jobs.exists()


# Pages and API --------------------------------------------------------------------


def test_the_page_shows_the_secret_once_and_the_row_keeps_it_encrypted(as_alice, alice):
    form = {"url": "https://example.org/hook", "events": ["job.done"]}
    page = as_alice.post(PAGE, form).content.decode()
    secret = re.search(r"whsec_[\w+/=]+", page)[0]
    assert secret not in as_alice.get(PAGE).content.decode()
    assert alice.webhooks.get().secret == secret
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM generation_webhook")
        assert secret not in cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"url": "", "events": ["job.done"]}, "Write the address"),
        ({"url": "http://10.0.0.1/", "events": ["job.done"]}, "no public address"),
        ({"url": "https://example.org/"}, "Choose at least one event"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field(as_alice, alice, form, sentence):
    page = as_alice.post(PAGE, form)
    assert page.status_code == 422
    assert sentence in page.content.decode()
    assert not alice.webhooks.exists()


def test_there_is_an_end_to_webhooks(as_alice, alice):
    for n in range(MAX_HOOKS):
        Webhook.objects.create(owner=alice, url=f"https://example.org/{n}")
    form = {"url": "https://example.org/", "events": ["job.done"]}
    assert as_alice.post(PAGE, form).status_code == 422
    body = {"url": "https://example.org/"}
    answer = as_alice.post("/api/webhooks", body, "application/json")
    assert answer.status_code == 422
    assert alice.webhooks.count() == MAX_HOOKS


def test_the_page_tests_switches_and_rotates(as_alice, hook, told):
    as_alice.post(f"{PAGE}{hook.pk}/test/")
    send_due()
    assert json.loads(told.calls[0][2])["type"] == "webhook.test"
    as_alice.post(f"{PAGE}{hook.pk}/switch/")
    page = as_alice.post(f"{PAGE}{hook.pk}/secret/").content.decode()
    old = hook.secret
    hook.refresh_from_db()
    assert not hook.active
    assert hook.secret != old
    assert hook.secret in page.replace("&#x2B;", "+")
    as_alice.post(f"{PAGE}{hook.pk}/delete/")
    assert not Webhook.objects.exists()


def test_a_call_is_seen_and_sent_again(as_alice, alice, hook, told):
    told.status = 410
    end(alice)
    send_due()
    delivery = Delivery.objects.get()
    assert "It answered 410" in as_alice.get(f"{PAGE}calls/").content.decode()
    told.status = 204
    as_alice.post(f"{PAGE}calls/{delivery.pk}/again/")
    send_due()
    delivery.refresh_from_db()
    assert (delivery.state, len(told.calls)) == ("delivered", 2)


def test_anothers_do_not_exist(as_bob, alice, hook):
    end(alice)
    pk = Delivery.objects.get().pk
    for path in ("secret", "switch", "test", "delete"):
        assert as_bob.post(f"{PAGE}{hook.pk}/{path}/").status_code == 404
    assert as_bob.post(f"{PAGE}calls/{pk}/again/").status_code == 404
    for path in (f"{hook.pk}/secret", f"{hook.pk}/test", f"deliveries/{pk}/redeliver"):
        assert as_bob.post(f"/api/webhooks/{path}").status_code == 404
    address = f"/api/webhooks/{hook.pk}"
    assert as_bob.delete(address).status_code == 404
    assert as_bob.patch(address, {}, "application/json").status_code == 404
    for path in ("/api/webhooks", "/api/webhooks/deliveries"):
        assert as_bob.get(path).json()["items"] == []
    for path in (PAGE, f"{PAGE}calls/"):
        assert hook.url not in as_bob.get(path).content.decode()


def test_the_api_does_what_the_page_does(as_alice, told):
    body = {"url": told.url, "events": ["job.failed"]}
    made = as_alice.post("/api/webhooks", body, "application/json").json()
    assert made["secret"].startswith("whsec_")
    address = f"/api/webhooks/{made['id']}"
    changed = as_alice.patch(address, {"active": False}, "application/json").json()
    assert (changed["active"], changed["events"]) == (False, ["job.failed"])
    assert "secret" not in changed
    sent = as_alice.post(f"{address}/test")
    assert sent.status_code == 202
    again = f"/api/webhooks/deliveries/{sent.json()['id']}/redeliver"
    assert as_alice.post(again).status_code == 409
    send_due()
    [seen] = as_alice.get("/api/webhooks/deliveries").json()["items"]
    assert (seen["state"], seen["status_code"]) == ("delivered", 204)
    assert as_alice.post(again).status_code == 202
    assert as_alice.delete(address).status_code == 204


def test_the_log_is_kept_for_a_month(alice, hook):
    outbox.queue_test(hook)
    outbox.queue_test(hook)
    old = timezone.now() - sending.KEPT - timedelta(days=1)
    Delivery.objects.update(created=old)
    first = Delivery.objects.first()
    Delivery.objects.filter(pk=first.pk).update(state="delivered")
    assert sending.forget_old() == 1
    assert Delivery.objects.get().state == "pending"
