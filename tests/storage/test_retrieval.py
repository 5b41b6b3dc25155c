"""Outputs of a real (simulated) server by HTTP, shared folder and bucket."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.test import Client
from django.utils import timezone

from gallery import storage_shared
from gallery.models import Image
from generation import results, retrieval
from generation.models import Job, Server
from tests import make
from tests.stack import Simulator, until

pytestmark = pytest.mark.django_db
TRIES = 5


@pytest.fixture(scope="session")
def comfy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comfy")
    simulator = Simulator("gpu", speed=0, gated=False)
    simulator.start(folder)
    simulator.ready()
    simulator.output = folder / "gpu" / "output"
    yield simulator
    simulator.stop()


@pytest.fixture(autouse=True)
def _well_behaved(request):
    yield
    if "comfy" in request.fixturenames:
        request.getfixturevalue("comfy").faults(bad_files=None)


@pytest.fixture
def mounted(comfy, tmp_path):
    """The server's output folder as another machine sees it: a real bind mount where
    this machine allows it.
    """
    mount = tmp_path / "mount"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "--bind", comfy.output, mount], check=False, capture_output=True
    )
    if done.returncode:
        mount.rmdir()
        mount.symlink_to(comfy.output)
    yield mount
    if not done.returncode:
        subprocess.run(["umount", mount], check=True)


@pytest.fixture
def ran(comfy, alice):
    """A function: alice's job that has run at the server, with what it put out."""

    def ran(subfolder="", **fields):
        job = make.job(alice, status=Job.Status.SAVING)
        graph = job.graph
        prefix = f"{subfolder}{uuid.uuid4().hex[:8]}"
        for node in graph.values():
            if node["class_type"] == "SaveImage":
                node["inputs"]["filename_prefix"] = prefix
        began = timezone.now()
        body = {"prompt": graph, "client_id": "test"}
        answer = httpx.post(f"{comfy.url}/prompt", json=body)
        assert answer.is_success, answer.text
        prompt = answer.json()["prompt_id"]
        address = f"{comfy.url}/history/{prompt}"
        entry = until(lambda: httpx.get(address).json().get(prompt), "the prompt ran")
        outputs = [
            {"node": node, "kind": "images", "index": index, **image}
            for node, put_out in entry["outputs"].items()
            for index, image in enumerate(put_out["images"])
        ]
        server = make.server(url=comfy.url, **fields)
        return make.attempt(
            job,
            server,
            state="ended",
            outcome="succeeded",
            outputs=outputs,
            save_tries=1,
            started_at=began,
            finished_at=timezone.now(),
        )

    return ran


def path_of(root, attempt):
    output = attempt.outputs[0]
    return Path(root, output["subfolder"], output["filename"])


def collect(attempt, tries=None):
    """As the task does it; how the job ended."""
    if tries is not None:
        attempt.save_tries = tries
    results.collect(attempt.job, attempt)
    attempt.job.refresh_from_db()
    return attempt.job.status


def content(image):
    with image.file.open() as file:
        return file.read()


def count_views(comfy, monkeypatch):
    """A list that grows with each content that is fetched over HTTP."""
    from generation.comfy.client import ComfyClient

    seen = []
    original = ComfyClient.stream_view

    def counted(self, output, **options):
        seen.append(output.filename)
        return original(self, output, **options)

    monkeypatch.setattr(ComfyClient, "stream_view", counted)
    return seen


# HTTP -----------------------------------------------------------------------------


def test_over_http_nothing_needs_to_be_set_up(comfy, use, ran):
    use("local")
    attempt = ran()
    assert collect(attempt) == Job.Status.DONE
    image = Image.objects.get()
    assert content(image) == path_of(comfy.output, attempt).read_bytes()
    assert image.home == "local"


# Shared folder --------------------------------------------------------------------


@pytest.mark.parametrize("subfolder", ["", "2026-11/a b/"])
def test_a_shared_folder_is_imported_without_http(
    comfy, use, mounted, ran, monkeypatch, subfolder
):
    use("local", mounts={"gpu1": str(mounted)})
    views = count_views(comfy, monkeypatch)
    attempt = ran(subfolder, retrieval="shared", shared_folder="gpu1")
    assert collect(attempt) == Job.Status.DONE
    assert not views
    image = Image.objects.get()
    original = path_of(comfy.output, attempt)
    before = original.read_bytes()
    original.unlink()
    assert content(image) == before
    assert image.home == "local"


def test_read_in_place_nothing_is_copied(comfy, use, mounted, ran, alice):
    storage = use("local", mounts={"gpu1": str(mounted)})
    attempt = ran(retrieval="in_place", shared_folder="gpu1")
    assert collect(attempt) == Job.Status.DONE
    image = Image.objects.get()
    assert image.home == "shared"
    assert not [f for f in storage.local.walk() if "original" in f.name]
    original = path_of(comfy.output, attempt)
    assert content(image) == original.read_bytes()
    client = Client()
    client.force_login(alice)
    answer = client.get(f"/gallery/{image.pk}/file/")
    assert b"".join(answer.streaming_content) == original.read_bytes()
    stranger = Client()
    stranger.force_login(make.user("mallory"))
    assert stranger.get(f"/gallery/{image.pk}/file/").status_code == 404


def test_what_lies_in_place_is_never_deleted_by_us(comfy, use, mounted, ran, alice):
    from gallery.keeping import emptying

    storage = use("local", mounts={"gpu1": str(mounted)})
    attempt = ran(retrieval="in_place", shared_folder="gpu1")
    collect(attempt)
    Image.objects.get().delete_softly()
    assert emptying.empty(alice) == 1
    assert path_of(comfy.output, attempt).exists()
    assert not list(storage.local.walk())


@pytest.fixture
def folder(comfy, use, tmp_path):
    """A shared folder that shows what a test puts into it, as a slow NFS does."""
    folder = tmp_path / "slow"
    folder.mkdir()
    use("local", mounts={"gpu1": str(folder)})
    return folder


def test_a_file_that_appears_late_is_waited_for(comfy, folder, ran, monkeypatch):
    views = count_views(comfy, monkeypatch)
    attempt = ran(retrieval="shared", shared_folder="gpu1")
    for tries in range(1, TRIES):
        with pytest.raises(results.TryAgain, match="not in the shared folder"):
            collect(attempt, tries)
    shutil.copy(path_of(comfy.output, attempt), folder)
    assert collect(attempt, TRIES - 1) == Job.Status.DONE
    assert not views


def test_a_file_that_is_still_short_is_waited_for(comfy, folder, ran):
    attempt = ran(retrieval="in_place", shared_folder="gpu1")
    whole = path_of(comfy.output, attempt).read_bytes()
    for part in (0, 1, len(whole) // 2, len(whole) - 1):
        path_of(folder, attempt).write_bytes(whole[:part])
        with pytest.raises(results.TryAgain, match=f"has {part} of {len(whole)}"):
            collect(attempt, 1)
    path_of(folder, attempt).write_bytes(whole)
    assert collect(attempt, 2) == Job.Status.DONE
    assert content(Image.objects.get()) == whole


def test_a_file_that_never_appears_comes_over_http(comfy, folder, ran):
    attempt = ran(retrieval="shared", shared_folder="gpu1")
    assert collect(attempt, TRIES) == Job.Status.DONE
    expected = path_of(comfy.output, attempt).read_bytes()
    assert content(Image.objects.get()) == expected


def test_a_whole_file_is_taken_though_its_server_has_gone(comfy, folder, ran):
    """ComfyUI ended right after the run; the folder is still there."""
    attempt = ran(retrieval="shared", shared_folder="gpu1")
    shutil.copy(path_of(comfy.output, attempt), folder)
    attempt.server.url = "http://127.0.0.1:1"
    with pytest.raises(results.TryAgain, match="may be incomplete"):
        collect(attempt, 1)
    assert collect(attempt, TRIES - 1) == Job.Status.DONE


def test_a_folder_that_is_not_mounted_costs_no_picture(comfy, use, ran):
    use("local")
    attempt = ran(retrieval="shared", shared_folder="gone")
    assert collect(attempt) == Job.Status.DONE


def _link_file(folder, name, secret):
    (folder / name).symlink_to(secret)


def _link_folder(folder, name, secret):
    (folder / "sub").symlink_to(secret.parent)


def _pipe(folder, name, secret):
    os.mkfifo(folder / name)


@pytest.mark.parametrize("trap", [_link_file, _link_folder, _pipe])
def test_nothing_leads_out_of_the_folder(comfy, folder, ran, tmp_path, trap):
    """What a server may put there, to read our files; HTTP gives the real output."""
    subfolder = "sub/" if trap is _link_folder else ""
    attempt = ran(subfolder, retrieval="in_place", shared_folder="gpu1")
    name = attempt.outputs[0]["filename"]
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / name
    secret.write_bytes(make.png(color="#ff0000"))
    trap(folder, name, secret)
    assert collect(attempt) == Job.Status.DONE
    image = Image.objects.get()
    assert image.home == "local"
    assert content(image) == path_of(comfy.output, attempt).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "a\\b",
        "a\0b",
        "",
        ".",
        "./a",
        "..",
    ],
)
def test_a_name_that_leads_out_is_refused(tmp_path, path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(storage_shared.Unsafe):
        os.close(storage_shared.open_within(str(root), path))


def test_a_stored_name_cannot_be_made_to_lead_out(use, tmp_path):
    """Should such a name ever come into a row."""
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    storage = use("local", mounts={"gpu1": str(root)})
    for name in ("shared/gpu1/../secret", "shared/../secret", "shared/other/a"):
        with pytest.raises((OSError, Exception)) as seen:
            storage.open(name)
        assert "secret" not in str(seen.value.args[1:])
        assert not storage.exists(name)


def test_an_output_of_the_temp_folder_comes_over_http(comfy, folder, ran):
    attempt = ran(retrieval="shared", shared_folder="gpu1")
    attempt.outputs[0]["type"] = "temp"
    shutil.copy(
        path_of(comfy.output, attempt),
        comfy.output.parent / "temp" / attempt.outputs[0]["filename"],
    )
    assert collect(attempt) == Job.Status.DONE


def test_the_task_waits_between_its_tries_and_ends(comfy, folder, ran, settings):
    """The whole way by the task: its back-off, then HTTP."""
    from generation import tasks

    settings.LIFEOS_RETRIEVAL_TRIES = 2
    attempt = ran(retrieval="shared", shared_folder="gpu1")
    attempt.save_tries, attempt.save_after = 0, timezone.now()
    attempt.save()
    tasks.save_results.call_local(str(attempt.job_id))
    attempt.refresh_from_db()
    attempt.job.refresh_from_db()
    assert attempt.job.status == Job.Status.SAVING
    assert "not in the shared folder" in attempt.job.progress["note"]
    assert attempt.save_after > timezone.now()
    attempt.save_after = timezone.now()
    attempt.save()
    tasks.save_results.call_local(str(attempt.job_id))
    attempt.job.refresh_from_db()
    assert attempt.job.status == Job.Status.DONE


# Bucket ---------------------------------------------------------------------------


@pytest.fixture
def uploaded(comfy, use, bucket):
    """A function that uploads what an attempt put out, as the uploader does."""
    storage = use("local", s3=bucket)

    def uploaded(attempt, data=None):
        path = path_of(comfy.output, attempt)
        name = f"comfy/gpu1/{path.relative_to(comfy.output)}"
        storage.s3.save(name, ContentFile(data or path.read_bytes()))
        return name

    uploaded.home = storage.s3
    return uploaded


WAY = {"retrieval": "bucket", "bucket_prefix": "comfy/gpu1"}


@pytest.mark.parametrize("subfolder", ["", "2026-11/a b/"])
def test_what_was_uploaded_is_taken_from_the_bucket(
    comfy, uploaded, ran, monkeypatch, subfolder
):
    views = count_views(comfy, monkeypatch)
    attempt = ran(subfolder, **WAY)
    uploaded(attempt)
    assert collect(attempt) == Job.Status.DONE
    assert not views
    expected = path_of(comfy.output, attempt).read_bytes()
    assert content(Image.objects.get()) == expected


def test_an_upload_that_is_on_its_way_is_waited_for(comfy, uploaded, ran):
    attempt = ran(**WAY)
    with pytest.raises(results.TryAgain, match="not in the bucket"):
        collect(attempt, 1)
    uploaded(attempt)
    assert collect(attempt, 2) == Job.Status.DONE


def test_without_an_upload_it_comes_over_http(comfy, uploaded, ran):
    assert collect(ran(**WAY), TRIES) == Job.Status.DONE


def test_another_run_of_the_same_name_is_not_taken_for_this_one(comfy, uploaded, ran):
    """The output folder was emptied and ComfyUI counts from 1 again."""
    attempt = ran(**WAY)
    uploaded(attempt, make.png(color="#ff0000"))
    time.sleep(5)  # S3 counts in seconds, and two of them are allowed for that
    attempt.started_at = timezone.now() - timedelta(seconds=1)
    assert collect(attempt) == Job.Status.DONE
    expected = path_of(comfy.output, attempt).read_bytes()
    assert content(Image.objects.get()) == expected


def test_a_damaged_upload_is_not_taken(comfy, uploaded, ran):
    attempt = ran(**WAY)
    name = uploaded(attempt)
    home = uploaded.home
    data = path_of(comfy.output, attempt).read_bytes()
    home.client.put_object(
        Bucket="lifeos",
        Key=name,
        Body=data[:-1] + b"?",
        Metadata={"sha256": "ab" * 32},
    )
    with pytest.raises(results.TryAgain, match="damaged"):
        collect(attempt, 1)
    assert collect(attempt, TRIES) == Job.Status.DONE
    assert content(Image.objects.get()) == data


def test_a_bucket_that_is_away_costs_no_picture(comfy, uploaded, bucket, ran):
    attempt = ran(**WAY)
    uploaded(attempt)
    bucket.kill()
    with pytest.raises(results.TryAgain, match="bucket does not answer"):
        collect(attempt, 1)
    assert collect(attempt, TRIES) == Job.Status.DONE


# Setting it up --------------------------------------------------------------------


@pytest.fixture
def as_root(db):
    root = get_user_model().objects.create_superuser("root", password="x")
    client = Client()
    client.force_login(root)
    return client


def save_server(client, **values):
    server = make.server()
    page = f"/admin/generation/server/{server.pk}/change/"
    base = {"name": "gpu", "url": "http://10.0.0.9:8188", "max_in_flight": 2}
    base |= {"auth_kind": "none", "auth_secret": "{}", "tags": "", "enabled": "on"}
    answer = client.post(page, base | {"retrieval": "http"} | values)
    server.refresh_from_db()
    return answer, server


def test_an_administrator_chooses_a_folder_that_the_operator_has_mounted(use, as_root):
    use("local", mounts={"gpu1": "/mnt/gpu1"})
    values = {"retrieval": "shared", "shared_folder": "gpu1"}
    answer, server = save_server(as_root, **values)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert server.retrieval == Server.Retrieval.SHARED
    assert server.shared_folder == "gpu1"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"retrieval": "shared"}, "Choose the server"),
        (
            {"retrieval": "in_place", "shared_folder": "/etc"},
            "not one of the available",
        ),
        ({"retrieval": "bucket"}, "No bucket is set up"),
        ({"bucket_prefix": "a/../b"}, "Write it as in"),
    ],
)
def test_wrong_values_are_told_beside_their_fields(use, as_root, values, sentence):
    use("local", mounts={"gpu1": "/mnt/gpu1"})
    answer, server = save_server(as_root, **values)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert server.retrieval == Server.Retrieval.HTTP


def test_what_keeps_a_way_from_working_is_said(use, bucket, tmp_path):
    use("local", s3=bucket, mounts={"here": str(tmp_path), "gone": "/nowhere/at/all"})

    def trouble(**fields):
        return retrieval.trouble(make.server(**fields))

    assert trouble() == ""
    assert trouble(retrieval="shared", shared_folder="here") == ""
    assert "can't be read" in trouble(retrieval="in_place", shared_folder="gone")
    assert "names no" in trouble(retrieval="shared", shared_folder="other")
    assert trouble(retrieval="bucket") == ""
    bucket.kill()
    assert "does not answer" in trouble(retrieval="bucket")
