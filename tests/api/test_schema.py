"""schemathesis: whatever the OpenAPI document allows, and what it does not, answered as
it says, without an error of ours, and without anything of another person's.
"""

from __future__ import annotations

import os

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import ApiKey
from generation.models import Delivery
from lifeos.api import api
from tests import make
from tests.access import world as worlds

# More of them by TEST_EXAMPLES, for a long night.
EXAMPLES = int(os.environ.get("TEST_EXAMPLES", "25"))
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
IDS = {
    "job_id": "job",
    "image_id": "image",
    "preset_id": "preset",
    "webhook_id": "webhook",
    "delivery_id": "delivery",
}
NAMES = {"slug": "test-card", "name": "moods"}
BODY = {"template": "test-card", "url": "https://example.org/", "callback_url": ""}


def document():
    wsgi = get_wsgi_application()
    schema = schemathesis.openapi.from_dict(api.get_openapi_schema())
    schema.app = wsgi
    return schema


SCHEMA = document()
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]


@pytest.fixture
def one_connection(db):
    """Requests would close it, with the test's transaction; Django's client does so."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def scene(one_connection, settings):
    """The owner's things are the other person's; the caller has some, too."""
    for name in ("READS", "GENERATES", "CHANGES"):
        setattr(settings, f"LIFEOS_API_{name}_PER_MINUTE", 0)
    settings.LIFEOS_WEBHOOK_ALLOW = []
    world = worlds.build()
    caller = world.people["stranger"]
    mine = {
        "job": make.job(caller, status="failed").pk,
        "image": make.made_image(caller).pk,
        "preset": caller.presets.create(
            workflow=make.workflow(), name="my own", values={"width": 64}
        ).pk,
        "webhook": caller.webhooks.create(
            url="https://example.org/", events=["job.done"]
        ).pk,
        "delivery": _delivery_of(caller).pk,
    }
    caller.word_lists.create(name="moods", words="calm")
    key, token = ApiKey.issue(caller, "fuzz", ["read", "generate", "manage"])
    key.note_use()
    return world, mine, {"Authorization": f"Bearer {token}"}


def _delivery_of(person):
    return Delivery.objects.create(
        owner=person, event="job.done", url="https://example.org/", state="failed"
    )


def test_the_document_names_every_operation():
    assert len(OPERATIONS) >= 37


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.label)
def test_it_answers_as_the_document_says(operation, scene):
    world, mine, headers = scene

    @given(case=_cases(operation), whose=st.sampled_from(["mine", "theirs", ""]))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case, whose):
        _aim(case, {"mine": mine, "theirs": world.things}.get(whose))
        # Each starts from the same rows.
        with transaction.atomic():
            response = case.call(headers=headers)
            transaction.set_rollback(True)
        case.validate_response(response, checks=CHECKS)
        text = response.content.decode(errors="replace")
        asked = f"{response.request.url} {response.request.body!r}"
        for secret in world.secrets():
            assert secret not in text or secret in asked

    ask()


def _cases(operation):
    """What the document allows, and what it does not where there is anything to it."""
    good = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not (operation.path_parameters or operation.query or operation.body):
        return good
    bad = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    return st.one_of(good, bad)


def _aim(case, things):
    """Put a real id where a random one would never meet anything."""
    if isinstance(case.body, dict) and things is not None:
        # A new dict: the strategy keeps the one it gave.
        case.body = case.body | {k: v for k, v in BODY.items() if k in case.body}
    if things is None:
        return
    for name in case.path_parameters or {}:
        if name in NAMES:
            case.path_parameters[name] = NAMES[name]
        elif name in IDS:
            case.path_parameters[name] = str(things[IDS[name]])
