"""Calls a minute: told in headers, 429 beyond, each key and kind for itself."""

from __future__ import annotations

from unittest import mock

import pytest
from django.test import Client

from accounts import rates
from accounts.models import ApiKey
from tests import make

JOBS = "/api/comfyui/jobs"


@pytest.fixture(autouse=True)
def slow(settings):
    settings.LIFEOS_API_READS_PER_MINUTE = 3
    settings.LIFEOS_API_GENERATES_PER_MINUTE = 1
    # All of a test in one window.
    with mock.patch.object(rates.time, "time", return_value=1_800_000_010.0) as now:
        yield now


def caller(owner):
    _, token = ApiKey.issue(owner, "script", ["read", "generate"])
    return Client(headers={"Authorization": f"Bearer {token}"})


def test_the_headers_count_down_to_429(alice, slow):
    script = caller(alice)
    left = [script.get(JOBS)["RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = script.get(JOBS)
    assert refused.status_code == 429
    assert refused["RateLimit-Limit"] == "3"
    assert refused["Retry-After"] == refused["RateLimit-Reset"] == "50"
    slow.return_value += 50
    assert script.get(JOBS).status_code == 200


def test_reading_and_generating_are_counted_apart(alice):
    make.workflow()
    make.server()
    script = caller(alice)
    body = {"template": "test-card", "parameters": {}}
    statuses = [
        script.post("/api/comfyui/generate", body, "application/json").status_code
        for _ in range(2)
    ]
    assert statuses == [202, 429]
    assert alice.jobs.count() == 1
    assert script.get(JOBS).status_code == 200


def test_a_key_has_its_own_and_all_together_have_an_end(alice, bob):
    for _ in range(rates.KEYS_TOGETHER):
        script = caller(alice)
        assert [script.get(JOBS).status_code for _ in range(3)] == [200] * 3
    assert caller(alice).get(JOBS).status_code == 429
    assert caller(bob).get(JOBS).status_code == 200


def test_a_refused_caller_uses_nothing_up(alice):
    bad = Client(headers={"Authorization": "Bearer lo_wrong"})
    for _ in range(9):
        assert bad.get(JOBS).status_code == 401
    assert caller(alice).get(JOBS).status_code == 200


def test_no_limit_no_headers(alice, settings):
    settings.LIFEOS_API_READS_PER_MINUTE = 0
    answer = caller(alice).get(JOBS)
    assert answer.status_code == 200
    assert "RateLimit-Limit" not in answer
