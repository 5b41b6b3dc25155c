"""Pictures made again: as they were, with today's version, in another template."""

from __future__ import annotations

import copy
import json

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL.PngImagePlugin import PngInfo

from generation.models import Job, Workflow
from generation.models.limits import PersonLimits
from tests import make

PROMPT = "a quay <script>alert(1)</script>"
A1111 = f"""{PROMPT} <lora:ink:0.5>
Negative prompt: fog
Steps: 28, Sampler: Euler a, CFG scale: 6.5, Seed: 77, Size: 640x512, Model: xyz, \
Hires upscale: 2"""


@pytest.fixture
def picture(alice):
    make.server()
    values = {"prompt": "a quay", "seed": 7, "steps": 31}
    values["model"] = "random-sd15.safetensors"
    return make.made_image(alice, "text-to-image", values)


@pytest.fixture
def renewed(picture):
    """Today's version: Guidance is gone, Detail is new, the graph is another."""
    workflow = Workflow.objects.get(slug="text-to-image")
    graph = copy.deepcopy(workflow.current.graph)
    graph["9"]["inputs"]["filename_prefix"] = "today"
    fields = [f for f in workflow.current.fields if f["name"] != "cfg"]
    place = {"kind": "text", "targets": [["9", "filename_prefix"]], "default": "fine"}
    fields.append({"name": "detail", "label": "Detail", **place})
    version = workflow.add_version(graph, fields, None)
    workflow.publish(version)
    return version


def run(client, image):
    return client.post(reverse("generation:run-again", args=[image.pk]))


def run_by_api(client, image, **headers):
    address = f"/api/gallery/images/{image.pk}/run-again"
    return client.post(address, headers=headers)


def upload(client, text=A1111, name="parameters"):
    info = PngInfo()
    info.add_itxt(name, text)
    file = SimpleUploadedFile("a.png", make.png(pnginfo=info), "image/png")
    return client.post("/remix/", {"picture": file})


def form(client, slug, source):
    return client.get(f"/generate/{slug}/?from={source}")


# As it was ------------------------------------------------------------------------


def test_it_runs_as_it_was_with_its_own_version_and_graph(as_alice, alice, renewed):
    picture = alice.images.get()
    response = run(as_alice, picture)
    again = alice.jobs.exclude(pk=picture.job_id).get()
    assert response["Location"] == f"/jobs/{again.pk}/"
    assert again.graph == picture.job.graph
    assert again.parameters == picture.job.parameters
    assert again.version.number == 1
    assert (again.status, again.kind) == ("queued", picture.job.kind)


def test_it_runs_as_it_was_after_its_job_is_gone(as_alice, alice, picture):
    graph = picture.job.graph
    picture.job.delete()
    assert run_by_api(as_alice, picture).status_code == 202
    assert alice.jobs.get().graph == graph


def test_the_api_queues_it_once_for_one_key(as_alice, alice, picture):
    key = {"Idempotency-Key": "k"}
    answers = [run_by_api(as_alice, picture, **key) for _ in range(2)]
    [queued] = answers[0].json()["jobs"]
    assert answers[1].json()["jobs"][0]["id"] == queued["id"]
    assert queued["status"] == "queued"
    assert alice.jobs.count() == 2


def test_looking_does_not_run(as_alice, picture):
    address = reverse("generation:run-again", args=[picture.pk])
    assert as_alice.get(address).status_code == 405
    assert (
        as_alice.get(f"/api/gallery/images/{picture.pk}/run-again").status_code == 405
    )


def test_limits_hold(as_alice, alice, picture):
    PersonLimits.objects.create(person=alice, pictures_per_day=1)
    response = run_by_api(as_alice, picture)
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    page = as_alice.get(run(as_alice, picture)["Location"]).content.decode()
    assert "You may make 1 pictures a day" in page
    assert alice.jobs.count() == 1


def test_a_template_that_is_no_longer_for_me_does_not_run(as_alice, alice, picture):
    workflow = picture.job.workflow
    workflow.audience = Workflow.Audience.CHOSEN
    workflow.save()
    response = run_by_api(as_alice, picture)
    assert response.status_code == 409
    assert "no longer there for you" in response.json()["detail"]
    shown = as_alice.get(f"/gallery/{picture.pk}/").content.decode()
    assert "Run as it was" not in shown
    assert f"/remix/{picture.pk}/" in shown
    workflow.groups.add(group := Group.objects.create(name="studio"))
    alice.groups.add(group)
    assert run_by_api(as_alice, picture).status_code == 202


def test_an_unpublished_template_does_not_run(as_alice, picture):
    Workflow.objects.update(published=False)
    assert run_by_api(as_alice, picture).status_code == 409


def test_what_no_server_can_run_is_refused(as_alice, picture):
    made = picture.provenance
    graph = made.graph
    graph["3"]["class_type"] = "Gone"
    made.graph_json = json.dumps(graph)
    made.save()
    assert run_by_api(as_alice, picture).status_code == 422


def test_it_does_not_run_without_its_input_picture(as_alice, alice):
    make.server()
    values = {"prompt": "x", "image": f"inputs/{alice.pk}/{'a' * 64}.png"}
    image = make.made_image(alice, "image-to-image", values)
    response = run_by_api(as_alice, image)
    assert response.status_code == 409
    assert "is gone" in response.json()["detail"]


def test_a_picture_of_nobody_knows_what_does_not_run(as_alice, alice):
    assert run_by_api(as_alice, make.image(alice)).status_code == 409


# With today's version -------------------------------------------------------------


def test_settings_are_used_again_without_a_word_where_all_fits(as_alice, picture):
    page = form(as_alice, "text-to-image", picture.pk)
    initial = page.context["form"].initial
    assert (initial["steps"], initial["seed"], initial["prompt"]) == (31, 7, "a quay")
    assert page.context["mapped"].notes == page.context["mapped"].changes == ()


def test_the_difference_is_shown_before_it_runs(as_alice, picture, renewed):
    page = form(as_alice, "text-to-image", picture.pk)
    changes = {c.label: (c.state, c.old, c.new) for c in page.context["mapped"].changes}
    assert changes == {"Guidance": ("gone", "7.0", ""), "Detail": ("new", "", "fine")}
    content = page.content.decode()
    assert "no field any more" in content
    assert "fine (new)" in content


def test_a_workflow_that_differs_behind_the_form_is_told(as_alice, picture):
    workflow = Workflow.objects.get(slug="text-to-image")
    graph = copy.deepcopy(workflow.current.graph)
    graph["3"]["inputs"]["denoise"] = 0.9
    workflow.publish(workflow.add_version(graph, workflow.current.fields, None))
    [change] = form(as_alice, "text-to-image", picture.pk).context["mapped"].changes
    assert (change.label, change.state) == ("The workflow itself", "changed")
    assert (change.old, change.new) == ("version 1", "version 2")


def test_a_picture_of_an_older_version_offers_both(as_alice, picture, renewed):
    shown = as_alice.get(f"/gallery/{picture.pk}/").content.decode()
    for text in (
        "Use these settings again",
        "Run as it was",
        "Run with today’s version",
    ):
        assert text in shown
    assert "Made with version 1; today the template is at version 2." in shown


def test_a_picture_of_todays_version_does_not_speak_of_versions(as_alice, picture):
    shown = as_alice.get(f"/gallery/{picture.pk}/").content.decode()
    assert "Run as it was" in shown
    assert "today’s version" not in shown


def test_another_template_is_filled_and_names_what_does_not_fit(as_alice, picture):
    page = form(as_alice, "image-to-image", picture.pk)
    assert page.context["form"].initial["steps"] == 31
    assert "Width has no field here: it was 512." in page.content.decode()


def test_a_job_is_a_source_too(as_alice, picture):
    page = form(as_alice, "image-to-image", picture.job_id)
    assert page.context["form"].initial["prompt"] == "a quay"


@pytest.mark.parametrize("source", ["", "x", "0" * 32, "%00", "../" * 50])
def test_a_source_that_is_none_leaves_the_form_empty(as_alice, picture, source):
    page = form(as_alice, "text-to-image", source)
    assert page.status_code == 200
    assert page.context["form"].initial == {}


# An uploaded picture --------------------------------------------------------------


def test_an_uploaded_picture_fills_the_form_of_a_chosen_template(as_alice, picture):
    chooser = as_alice.get(upload(as_alice)["Location"])
    content = chooser.content.decode()
    slugs = [v.workflow.slug for v, _ in chooser.context["fitting"]]
    assert set(slugs) == {"text-to-image", "image-to-image", "test-card"}
    assert "The model xyz is on no server." in content
    assert "<script>alert" not in content
    pk = chooser.context["pk"]
    page = form(as_alice, "text-to-image", pk)
    initial = page.context["form"].initial
    assert initial["prompt"] == PROMPT
    assert (initial["sampler"], initial["seed"]) == ("euler_ancestral", 77)
    assert "<script>alert" not in page.content.decode()
    for note in (
        "The LoRA ink (0.5) has no field here.",
        "Hires fix has no field here.",
    ):
        assert note in page.content.decode()


def test_a_picture_of_ours_comes_back_whole(as_alice, picture):
    address = upload(as_alice, json.dumps(picture.job.graph), "prompt")["Location"]
    pk = address.strip("/").rpartition("/")[2]
    page = form(as_alice, "text-to-image", pk)
    assert page.context["form"].initial == picture.job.parameters
    assert page.context["mapped"].notes == ()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no picture", "This is not a PNG, JPEG or WebP picture."),
        (make.png(), "This picture carries no settings that can be read."),
        (b"", "The file is empty."),
    ],
)
def test_a_file_without_settings_is_told_beside_its_field(as_alice, content, sentence):
    file = SimpleUploadedFile("a.png", content, "image/png")
    response = as_alice.post("/remix/", {"picture": file})
    assert response.status_code == 422
    assert sentence in response.content.decode()


def test_a_form_without_a_file_asks_for_one(as_alice):
    response = as_alice.post("/remix/", {})
    assert response.status_code == 422
    assert "Choose a picture." in response.content.decode()


def test_a_file_that_is_too_large_is_refused(as_alice, settings):
    settings.LIFEOS_MAX_UPLOAD_BYTES = 10
    assert "larger than" in upload(as_alice).content.decode()


def test_only_the_last_uploads_are_kept(as_alice):
    addresses = [upload(as_alice)["Location"] for _ in range(4)]
    assert as_alice.get(addresses[0])["Location"] == "/remix/"
    assert as_alice.get(addresses[3]).status_code == 200


def test_hostile_text_is_shown_as_text(as_alice, picture):
    graph = copy.deepcopy(picture.job.graph)
    graph["4"]["inputs"]["ckpt_name"] = "<img src=x onerror=alert(1)>"
    graph["6"]["inputs"]["text"] = "\ud800<b>\x00"
    text = json.dumps(graph)
    chooser = as_alice.get(upload(as_alice, text, "prompt")["Location"])
    assert "<img src=x" not in chooser.content.decode()
    page = form(as_alice, "text-to-image", chooser.context["pk"])
    assert "<img src=x" not in page.content.decode()


# Strangers ------------------------------------------------------------------------


def test_a_stranger_runs_nothing_and_learns_nothing(as_bob, alice, picture):
    jobs = Job.objects.count()
    assert run(as_bob, picture).status_code == 404
    assert run_by_api(as_bob, picture).status_code == 404
    assert Job.objects.count() == jobs
    for source in (picture.pk, picture.job_id):
        assert as_bob.get(f"/remix/{source}/")["Location"] == "/remix/"
        page = form(as_bob, "text-to-image", source)
        assert page.context["form"].initial == {}
    assert as_bob.get(f"/api/gallery/images/{picture.pk}").status_code == 404


def test_staff_is_a_stranger_too(client, picture):
    client.force_login(make.user("root", is_staff=True, is_superuser=True))
    assert run(client, picture).status_code == 404
    assert run_by_api(client, picture).status_code == 404


def test_nobody_sees_an_upload_of_another(as_alice, as_bob):
    address = upload(as_alice)["Location"]
    assert as_bob.get(address)["Location"] == "/remix/"
    pk = address.strip("/").rpartition("/")[2]
    make.workflow()
    assert "a quay" not in form(as_bob, "text-to-image", pk).content.decode()


def test_the_pages_ask_strangers_to_sign_in(client, picture):
    for address in ("/remix/", f"/remix/{picture.pk}/"):
        assert client.get(address)["Location"].startswith("/accounts/login/")
    assert run(client, picture)["Location"].startswith("/accounts/login/")
    assert run_by_api(client, picture).status_code == 401


def test_a_deleted_picture_is_not_made_again(as_alice, picture):
    picture.delete_softly()
    assert run(as_alice, picture).status_code == 404
    assert run_by_api(as_alice, picture).status_code == 404


# Pictures as input -----------------------------------------------------------------


def test_a_picture_becomes_an_input(as_alice, alice):
    make.workflow("image-to-image")
    image = make.image(alice)
    response = as_alice.post(f"/remix/{image.pk}/input/")
    name = f"{image.sha256}.png"
    assert response["Location"] == f"/generate/image-to-image/?input={name}"
    page = as_alice.get(response["Location"])
    field = page.context["form"].fields["image"]
    assert field.kept == f"inputs/{alice.pk}/{name}"


def test_several_templates_are_offered_for_an_input(as_alice, alice):
    make.copy(make.workflow("image-to-image"), "another")
    page = as_alice.post(f"/remix/{make.image(alice).pk}/input/").content.decode()
    assert "/generate/another/?input=" in page
    assert "/generate/image-to-image/?input=" in page


def test_others_pictures_and_files_are_no_input(as_alice, as_bob, alice, bob):
    make.workflow("image-to-image")
    image = make.image(alice)
    assert as_bob.post(f"/remix/{image.pk}/input/").status_code == 404
    as_alice.post(f"/remix/{image.pk}/input/")
    for name in (f"{image.sha256}.png", f"../{alice.pk}/{image.sha256}.png", "x.png"):
        page = as_bob.get("/generate/image-to-image/", {"input": name})
        assert not getattr(page.context["form"].fields["image"], "kept", "")


def test_what_is_no_picture_is_no_input(as_alice, alice):
    make.workflow("image-to-image")
    image = make.image(alice, media="audio")
    page = as_alice.post(f"/remix/{image.pk}/input/", follow=True).content.decode()
    assert "Only pictures can be used as input." in page
