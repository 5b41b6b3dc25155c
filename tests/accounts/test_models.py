"""Models that a group may use: offered, and enforced on every way in."""

from __future__ import annotations

import pytest

from accounts.models import GroupRights
from generation import submit
from generation.forms import GenerateForm
from generation.models import Catalog
from tests import make


@pytest.fixture
def version(db):
    info = make.object_info()
    files = info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0]
    files.append("second-sdxl.safetensors")
    make.server(catalog_id=Catalog.keep(info))
    return make.workflow("text-to-image").current


def offered(version, person):
    form = GenerateForm(version, person)
    (model,) = [p for p in form.parameters if p.name == "model"]
    return list(form.choices(model))


def test_a_denied_model_is_neither_offered_nor_taken(version, alice, bob, as_alice):
    names = offered(version, alice)
    denied = names[0]
    assert len(names) > 1
    group = make.group("Class", alice)
    GroupRights.objects.create(group=group, models_denied=[denied])
    alice = make.again(alice)
    assert offered(version, alice) == names[1:] and offered(version, bob) == names
    given = {"prompt": "a lighthouse", "model": denied}
    with pytest.raises(submit.Invalid) as caught:
        submit.submit(alice, version, given)
    assert "may not use" in caught.value.errors["model"]
    assert not alice.jobs.exists()
    assert submit.submit(alice, version, given | {"model": names[1]})
    assert submit.submit(bob, version, given)
    body = {"template": "text-to-image", "parameters": given}
    answer = as_alice.post(
        "/api/comfyui/generate", body, content_type="application/json"
    )
    assert answer.status_code == 422


def test_a_job_from_before_is_not_run_again(version, alice):
    name = offered(version, alice)[0]
    values = {"prompt": "x", "model": name}
    job = make.job(alice, "text-to-image", values, status="failed")
    group = make.group("Class", alice)
    GroupRights.objects.create(group=group, models_allowed=["nothing*"])
    with pytest.raises(submit.Invalid):
        submit.again(make.again(job))
