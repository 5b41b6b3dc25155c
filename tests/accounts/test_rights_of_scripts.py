"""Groups that may not use the API or webhooks: said where it is asked for."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import ApiKey, AuditEvent, GroupRights
from generation.models import Delivery, Webhook
from tests import make


@pytest.fixture
def rights(alice):
    return GroupRights.objects.create(
        group=make.group("guests", alice), api=False, webhooks=False
    )


def test_keys_are_refused_and_pages_go_on(alice, as_alice, rights):
    _, token = ApiKey.issue(alice, "old", ["read"])
    script = Client(headers={"Authorization": f"Bearer {token}"})
    assert script.get("/api/comfyui/jobs").status_code == 403
    # What a page itself asks for is no script's.
    assert as_alice.get("/api/comfyui/jobs").status_code == 200
    form = {"name": "new", "scopes": ["read"], "lasts": ""}
    refused = as_alice.post("/accounts/keys/", form)
    assert refused.status_code == 422
    assert alice.api_keys.count() == 1
    GroupRights.objects.update(api=True)
    assert script.get("/api/comfyui/jobs").status_code == 200


def test_webhooks_are_refused_and_silent(alice, as_alice, rights):
    make.server()
    make.workflow()
    form = {"url": "https://example.org/", "events": ["job.done"]}
    assert as_alice.post("/accounts/webhooks/", form).status_code == 422
    Webhook.objects.create(owner=alice, url="https://example.org/", events=["job.done"])
    make.job(alice, status="saving").move("done")
    assert not Delivery.objects.exists()
    body = {"template": "test-card", "callback_url": "https://example.org/"}
    answer = as_alice.post("/api/comfyui/generate", body, "application/json")
    assert [e["field"] for e in answer.json()["errors"]] == ["callback_url"]


def test_what_is_made_and_revoked_is_logged_without_the_secret(as_alice, alice):
    as_alice.post("/accounts/keys/", {"name": "new", "scopes": ["read"], "lasts": ""})
    key = alice.api_keys.get()
    as_alice.post(f"/accounts/keys/{key.pk}/revoke/")
    form = {"url": "https://example.org/", "events": ["job.done"]}
    as_alice.post("/accounts/webhooks/", form)
    events = AuditEvent.objects.filter(actor_id=alice.pk).order_by("created")
    events = events.exclude(action__startswith="sign-in")
    actions = [event.action for event in events]
    assert actions == ["key.made", "key.revoked", "webhook.added"]
    assert "whsec_" not in str([vars(event) for event in events])
