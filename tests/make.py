"""Rows with good defaults, for tests."""

from __future__ import annotations

import io
import json
import uuid
from datetime import timedelta
from pathlib import Path

from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image as Pillow

from accounts.models import User
from gallery import files
from gallery.models import Image
from generation import parameters, results, starters
from generation.comfy.graph import describe
from generation.models import Attempt, Catalog, Job, Server, Workflow

RECORDINGS = Path(__file__).parent / "recordings"


def recording(name):
    return json.loads((RECORDINGS / f"{name}.json").read_text())


def user(name, **fields):
    return User.objects.create_user(name, password=f"{name}-password", **fields)


def starter(slug):
    """A starter's JSON, without the database."""
    path = Path(starters.__file__).parent / f"{slug}.json"
    return json.loads(path.read_text())


def workflow(slug="test-card"):
    starters.load_starters()
    return Workflow.objects.get(slug=slug)


def fixed_model(name):
    """A template without a choice of models; it loads this one, twice."""
    made = workflow("text-to-image")
    graph, fields = made.current.graph, made.current.fields
    graph["4"]["inputs"]["ckpt_name"] = name
    graph["44"] = graph["4"]
    fields = [field for field in fields if field["name"] != "model"]
    made.publish(made.add_version(graph, fields, None))
    return made


def copy(original, slug):
    """Another template, published, like this one."""
    version = original.current
    made = Workflow.objects.create(slug=slug, title=slug, position=99)
    made.publish(made.add_version(version.graph, version.fields, None))
    return made


def again(row):
    """The same, as a new request reads it: nothing of it is known yet."""
    return type(row).objects.get(pk=row.pk)


def group(name, *members):
    made = Group.objects.create(name=name)
    made.user_set.add(*members)
    return made


def object_info():
    """What the simulator offers."""
    from generation import simulator

    path = Path(simulator.__file__).parent / "object_info.json"
    return json.loads(path.read_text())


def catalog(without=()):
    """The digest of the simulator's catalog, without these nodes."""
    info = object_info()
    return Catalog.keep({k: v for k, v in info.items() if k not in without})


def server(**fields):
    defaults = {
        "name": f"gpu-{uuid.uuid4().hex[:6]}",
        "url": f"http://127.0.0.1:1/{uuid.uuid4().hex[:6]}",
        "state": Server.State.ONLINE,
        "catalog_id": catalog(),
    }
    return Server.objects.create(**(defaults | fields))


def job(owner, slug="test-card", values=None, **fields):
    version = workflow(slug).current
    cleaned = parameters.clean(version.parameters, values or {}, lambda _: None)
    assert not cleaned.errors
    graph = parameters.resolve(version.graph, version.parameters, cleaned.values)
    made = Job.build(owner, version, cleaned.values, graph)
    for name, value in fields.items():
        setattr(made, name, value)
    made.save()
    return made


def attempt(of, on, **fields):
    defaults = {
        "number": of.attempts.count() + 1,
        "client_id": "lifeos-test",
        "bridge": "test",
        "lease_until": timezone.now() + timedelta(seconds=12),
    }
    return Attempt.objects.create(job=of, server=on, **(defaults | fields))


def png(size=(64, 48), color="#336699", mode="RGB", **options):
    out = io.BytesIO()
    Pillow.new(mode, size, color).save(out, "PNG", **options)
    return out.getvalue()


def image(owner, of=None, **fields):
    content = png()
    seen = files.inspect(io.BytesIO(content), max_pixels=10**6)
    thumbs = files.thumbnails(io.BytesIO(content))
    pk = uuid.uuid4()

    def keep(name, data):
        return default_storage.save(files.key(owner.pk, pk, name), ContentFile(data))

    defaults = {
        "id": pk,
        "job": of,
        "node": "2",
        "kind": "images",
        "index": 0 if of is None else of.images.count(),
        "file": keep("original.png", content),
        "thumb_small": keep("320.webp", thumbs.small),
        "thumb_large": keep("960.webp", thumbs.large),
        "placeholder": thumbs.placeholder,
        "sha256": seen.sha256,
        "bytes": seen.bytes,
        "width": seen.width,
        "height": seen.height,
        "mime_type": seen.mime_type,
        "prompt": "a lighthouse at dusk",
    }
    return Image.objects.create(owner=owner, **(defaults | fields))


def upload(name="a.png"):
    return SimpleUploadedFile(name, png(), content_type="image/png")


def made_image(owner, slug="test-card", values=None, **fields):
    """A picture whose job is done, with its provenance, as `results` stores it."""
    done = job(owner, slug, values, status="done")
    now = timezone.now()
    times = {"started_at": now - timedelta(seconds=4), "finished_at": now}
    run = attempt(done, server(), state="ended", outcome="succeeded", **times)
    kept = image(owner, done, **fields)
    made = results.provenance(done, run, describe(done.graph))
    made.image = kept
    made.save()
    return kept
