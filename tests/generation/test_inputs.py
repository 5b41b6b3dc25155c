"""A job's files come to the server that runs it: each once, and again when lost."""

from __future__ import annotations

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image as Pillow

from generation.border import in_thread
from generation.bridge import inputs
from generation.comfy.client import ComfyClient
from generation.fields import Kind
from generation.forms import keep_input
from generation.simulator import Simulator
from generation.submit import Wish, build
from tests import make
from tests.generation.test_media import mask


@pytest.fixture
async def simulator():
    async with Simulator(speed=0) as simulator:
        yield simulator


@pytest.fixture
async def client(simulator):
    async with ComfyClient(simulator.url, client_id="test") as client:
        yield client


@pytest.fixture
def sent(client, monkeypatch):
    """The names that were uploaded."""
    names, really = [], client.upload_image

    async def upload_image(name, data, **options):
        names.append(name)
        return await really(name, data, **options)

    monkeypatch.setattr(client, "upload_image", upload_image)
    return names


@in_thread
def job_with(alice, mask_targets=None):
    version = make.workflow("image-to-image").current
    values = {"image": keep_input(alice, SimpleUploadedFile("a.png", make.png()))}
    if mask_targets:
        version.fields = [
            *version.fields,
            {
                "name": "mask",
                "label": "Mask",
                "kind": "mask",
                "paints": "image",
                "targets": mask_targets,
            },
        ]
        painted = SimpleUploadedFile("mask.png", mask())
        values["mask"] = keep_input(alice, painted, Kind.MASK)
    given = values | {"prompt": "a cat", "model": "m"}
    [job] = build(alice, version, Wish(given=given))
    return job


async def there(client, name):
    from generation.comfy.run import Output

    output = Output(node="", kind="images", index=0, filename=name, type="input")
    async with client.stream_view(output) as chunks:
        return b"".join([chunk async for chunk in chunks])


@pytest.mark.django_db(transaction=True)
async def test_a_file_is_uploaded_once_to_a_server(client, sent, transactional_db):
    alice = await in_thread(make.user)("alice")
    job = await job_with(alice)
    for _ in range(3):
        graph = await inputs.upload(client, job)
    assert len(sent) == 1
    assert graph["10"]["inputs"]["image"] == sent[0]
    assert await there(client, sent[0]) == make.png()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("damage", ["missing", "cut off"])
async def test_a_file_that_is_lost_there_goes_again(
    client, simulator, sent, damage, transactional_db
):
    alice = await in_thread(make.user)("alice")
    job = await job_with(alice)
    await inputs.upload(client, job)
    path = simulator.files.path("input", "", sent[0])
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(make.png()[:20])
    await inputs.upload(client, job)
    assert len(sent) == 2
    assert await there(client, sent[0]) == make.png()


@pytest.mark.django_db(transaction=True)
async def test_a_mask_goes_into_the_picture_that_is_loaded(
    client, sent, transactional_db
):
    alice = await in_thread(make.user)("alice")
    job = await job_with(alice, [["10", "image"]])
    graph = await inputs.upload(client, job)
    name = graph["10"]["inputs"]["image"]
    content = await there(client, name)
    with Pillow.open(io.BytesIO(content)) as picture:
        assert picture.size == (64, 48)
        assert picture.getpixel((1, 1))[3] == 0
        assert picture.getpixel((60, 1))[3] == 255


@pytest.mark.django_db(transaction=True)
async def test_a_mask_of_its_own_node_is_a_picture_of_its_own(
    client, sent, transactional_db
):
    alice = await in_thread(make.user)("alice")
    job = await job_with(alice, [["9", "filename_prefix"]])
    graph = await inputs.upload(client, job)
    assert graph["9"]["inputs"]["filename_prefix"] in sent
    assert graph["10"]["inputs"]["image"] in sent
    assert len(set(sent)) == 2
