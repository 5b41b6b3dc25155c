"""What helps to fill in a form: last use, presets, recent prompts, words, pictures."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile

from generation.models import PersonLimits, Preset
from tests import make

HTMX = {"HX-Request": "true"}
FORM = "/generate/test-card/"
CARD = {"width": "64", "height": "64", "color": "#336699", "batch_size": "1"}
PROMPT = "/generate/text-to-image/"


def text_values(**over):
    version = make.workflow("text-to-image").current
    values = {p.name: p.default for p in version.parameters if p.default is not None}
    return values | {"model": "any.safetensors", "prompt": "a cat"} | over


@pytest.fixture
def preset(alice):
    workflow = make.workflow()
    values = {"width": 128, "height": 96}
    return Preset.objects.create(
        owner=alice, workflow=workflow, name="Wide", values=values
    )


# Last use -------------------------------------------------------------------------


def test_a_form_begins_as_it_was_used_last(as_alice, alice, bob):
    make.job(alice, values={"width": 320})
    make.job(bob, values={"width": 640})
    page = as_alice.get(FORM)
    assert page.context["form"]["width"].value() == 320
    assert f'href="{FORM}?defaults"' in page.content.decode()
    assert as_alice.get(f"{FORM}?defaults").context["form"]["width"].value() == 512


def test_without_a_last_use_it_shows_the_defaults(as_alice):
    make.workflow()
    page = as_alice.get(FORM)
    assert page.context["form"]["width"].value() == 512
    assert b"?defaults" not in page.content


def test_the_last_use_keeps_wildcards_and_what_the_seed_did(as_alice, alice):
    values = text_values(prompt="a {cat|dog}", seed="")
    values["seed-mode"] = "random"
    assert as_alice.post(PROMPT, values).status_code == 302
    form = as_alice.get(PROMPT).context["form"]
    assert form["prompt"].value() == "a {cat|dog}"
    assert form["seed"].value() == {"value": None, "mode": "random"}
    assert alice.jobs.get().parameters["prompt"] in ("a cat", "a dog")


def test_settings_of_a_picture_are_those_that_it_was_made_with(as_alice, alice):
    as_alice.post(PROMPT, text_values(prompt=r"a {cat|dog} \{x\|y\}"))
    job = alice.jobs.get()
    form = as_alice.get(f"{PROMPT}?from={job.pk}").context["form"]
    assert form["seed"].value() == job.parameters["seed"]
    as_alice.post(PROMPT, text_values(prompt=form["prompt"].value()))
    again = alice.jobs.exclude(pk=job.pk).get()
    assert again.parameters["prompt"] == job.parameters["prompt"]


def test_what_does_not_fit_any_more_is_said(as_alice, alice):
    job = make.job(alice)
    job.parameters = {"width": 5, "old": 1}
    job.save(update_fields=["parameters"])
    page = as_alice.get(FORM).content.decode()
    assert "Width: Choose at least 16." in page
    assert "old: there is no such field any more." in page


# Presets --------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_form_is_saved_as_a_preset(as_alice, alice, headers):
    make.workflow()
    values = CARD | {"width": "96", "preset-name": "Small"}
    answer = as_alice.post(f"{FORM}presets/save/", values, headers=headers)
    preset = Preset.objects.get(owner=alice, name="Small")
    address = f"{FORM}?preset={preset.pk}"
    assert answer.headers["HX-Redirect" if headers else "Location"] == address
    form = as_alice.get(address).context["form"]
    assert str(form["width"].value()) == "96"
    assert not alice.jobs.exists()


def test_a_name_that_is_there_is_written_anew(as_alice, preset):
    as_alice.post(f"{FORM}presets/save/", CARD | {"preset-name": "Wide"})
    preset.refresh_from_db()
    assert preset.values["width"] == "64"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (CARD | {"preset-name": " "}, "Give the preset a name."),
        (CARD | {"preset-name": "x" * 101}, "Choose a shorter name."),
        ({"width": "5", "preset-name": "Mine"}, "Choose at least 16."),
    ],
)
def test_what_keeps_a_preset_from_being_saved_is_said(as_alice, values, sentence):
    make.workflow()
    answer = as_alice.post(f"{FORM}presets/save/", values)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert values["preset-name"].strip() in answer.content.decode()
    assert not Preset.objects.exists()


def test_a_preset_is_renamed_shared_and_deleted(as_alice, alice, preset):
    group = Group.objects.create(name="Studio")
    alice.groups.add(group)
    address = f"{FORM}presets/{preset.pk}/"
    as_alice.post(address, {"name": "Broad", "group": group.pk})
    preset.refresh_from_db()
    assert (preset.name, preset.group) == ("Broad", group)
    as_alice.post(address, {"name": "Broad", "group": ""})
    preset.refresh_from_db()
    assert preset.group is None
    as_alice.post(f"{address}delete/")
    assert not Preset.objects.exists()


def test_one_shares_with_groups_of_ones_own_only(as_alice, preset):
    group = Group.objects.create(name="Others")
    as_alice.post(f"{FORM}presets/{preset.pk}/", {"name": "Wide", "group": group.pk})
    preset.refresh_from_db()
    assert preset.group is None


def test_another_persons_preset_does_not_exist(as_bob, preset):
    assert as_bob.get(f"{FORM}?preset={preset.pk}").status_code == 404
    assert b"Wide" not in as_bob.get(f"{FORM}presets/").content
    for tail in ("", "delete/"):
        answer = as_bob.post(f"{FORM}presets/{preset.pk}/{tail}", {"name": "Mine"})
        assert answer.status_code == 404
    preset.refresh_from_db()
    assert preset.name == "Wide"


def test_a_shared_preset_is_used_but_not_changed_by_the_group(
    as_bob, bob, alice, preset
):
    preset.group = Group.objects.create(name="Studio")
    preset.save()
    bob.groups.add(preset.group)
    form = as_bob.get(f"{FORM}?preset={preset.pk}").context["form"]
    assert form["width"].value() == 128
    assert b"Wide" in as_bob.get(f"{FORM}presets/").content
    assert as_bob.post(f"{FORM}presets/{preset.pk}/delete/").status_code == 404


def test_a_file_of_a_shared_preset_stays_its_owners(as_bob, bob, alice):
    group = Group.objects.create(name="Studio")
    bob.groups.add(group)
    key = f"inputs/{alice.pk}/a.png"
    preset = Preset.objects.create(
        owner=alice,
        workflow=make.workflow("image-to-image"),
        name="Hers",
        values={"image": key},
        group=group,
    )
    page = as_bob.get(f"/generate/image-to-image/?preset={preset.pk}").content.decode()
    assert key not in page
    assert "Picture: choose a file of your own." in page


@pytest.mark.parametrize("wanted", ["x", "0", "9" * 30, "1"])
def test_a_preset_that_is_not_there_is_404(as_alice, wanted):
    make.workflow()
    assert as_alice.get(f"{FORM}?preset={wanted}").status_code == 404


# Cost -----------------------------------------------------------------------------


def test_the_cost_is_told_before_it_is_asked_for(as_alice, alice):
    make.workflow()
    values = CARD | {"batch_size": "2", "count": "2", "sweep-1": "width"}
    values["sweep-1-values"] = "64..96 step 16"
    page = as_alice.post(f"{FORM}cost/", values).content.decode()
    assert "6 jobs" in page
    assert "12 pictures" in page
    assert not alice.jobs.exists()


def test_the_cost_says_when_there_is_no_room(as_alice, alice):
    make.workflow()
    PersonLimits.objects.create(person=alice, max_queued=1)
    page = as_alice.post(f"{FORM}cost/", CARD | {"count": "2"}).content.decode()
    assert "at most 1 job in the queue" in page


def test_the_cost_of_a_form_with_a_picture_needs_no_picture(as_alice):
    make.workflow("image-to-image")
    values = {k: v for k, v in text_values().items() if k not in ("width", "height")}
    page = as_alice.post("/generate/image-to-image/cost/", values | {"denoise": "0.5"})
    assert "1 job" in page.content.decode()


def test_wrong_values_cost_nothing_yet(as_alice):
    make.workflow()
    assert b"job" not in as_alice.post(f"{FORM}cost/", {"width": "5"}).content


# A sweep in the form --------------------------------------------------------------


def test_a_sweep_of_the_form_queues_a_batch(as_alice, alice):
    make.workflow()
    values = CARD | {"sweep-1": "width", "sweep-1-values": "64, 128"}
    values |= {"sweep-2": "height", "sweep-2-values": "64..96 step 16"}
    as_alice.post(FORM, values)
    assert alice.jobs.count() == 6
    assert alice.jobs.values("batch").distinct().count() == 1


@pytest.mark.parametrize(
    ("sweep", "sentence"),
    [
        ({"sweep-1": "width", "sweep-1-values": "64, 5"}, "Width 5: Choose at least"),
        ({"sweep-1": "width"}, "Write the values"),
        ({"sweep-1-values": "1, 2"}, "Choose the parameter of these values."),
        ({"sweep-1": "width", "sweep-1-values": "64..1000"}, "at most 64"),
    ],
)
def test_a_wrong_sweep_is_told_beside_it_and_kept(as_alice, alice, sweep, sentence):
    make.workflow()
    page = as_alice.post(FORM, CARD | sweep)
    content = page.content.decode()
    assert page.status_code == 422
    assert sentence in content
    assert sweep.get("sweep-1-values", "") in content
    assert '<details class="fold advanced" id="sweep" open>' in content
    assert not alice.jobs.exists()


# Recent prompts, pictures, files --------------------------------------------------


def test_recent_prompts_are_ones_own_and_each_once(as_alice, alice, bob):
    for owner, prompt in ((alice, "a cat"), (alice, "a <dog>"), (alice, "a cat")):
        make.job(owner, "text-to-image", {"prompt": prompt})
    make.job(bob, "text-to-image", {"prompt": "a secret"})
    page = as_alice.get(f"{PROMPT}recent/prompt/").content.decode()
    assert page.count("a cat") == 1
    assert "a &lt;dog&gt;" in page
    assert "secret" not in page


def test_only_texts_have_recent_ones(as_alice):
    make.workflow("text-to-image")
    for name in ("steps", "nothing"):
        assert as_alice.get(f"{PROMPT}recent/{name}/").status_code == 404


def test_pictures_to_pick_are_ones_own(as_alice, alice, bob):
    mine, hers = make.image(alice), make.image(bob)
    page = as_alice.get("/inputs/pictures/").content.decode()
    assert str(mine.pk) in page
    assert str(hers.pk) not in page
    assert as_alice.get("/inputs/pictures/?cursor=made-up").status_code == 404


def test_older_pictures_come_page_by_page(as_alice, alice):
    from generation.filling import PICTURES

    made = {str(make.image(alice).pk) for _ in range(PICTURES + 2)}
    first = as_alice.get("/inputs/pictures/", headers=HTMX)
    cursor = first.context["page"].next
    assert f"/inputs/pictures/?cursor={cursor}" in first.content.decode()
    second = as_alice.get(f"/inputs/pictures/?cursor={cursor}", headers=HTMX)
    shown = [*first.context["page"].items, *second.context["page"].items]
    assert {str(image.pk) for image in shown} == made
    assert b"<html" not in second.content
    assert second.context["page"].next is None


def image_form(**over):
    values = {k: v for k, v in text_values().items() if k not in ("width", "height")}
    return values | {"denoise": "0.5"} | over


def test_a_picked_picture_becomes_an_input(as_alice, alice):
    make.workflow("image-to-image")
    image = make.image(alice)
    values = image_form(**{"image-picked": str(image.pk)})
    assert as_alice.post("/generate/image-to-image/", values).status_code == 302
    key = alice.jobs.get().parameters["image"]
    assert key == f"inputs/{alice.pk}/{image.sha256}.png"
    name = key.rpartition("/")[2]
    answer = as_alice.get(f"/inputs/{name}/")
    assert b"".join(answer.streaming_content) == make.png()
    assert answer["Content-Type"] == "image/png"


def test_another_persons_picture_cannot_be_picked(as_alice, alice, bob):
    make.workflow("image-to-image")
    values = image_form(**{"image-picked": str(make.image(bob).pk)})
    answer = as_alice.post("/generate/image-to-image/", values)
    assert answer.status_code == 422
    assert "Upload this picture first." in answer.content.decode()


def test_an_input_is_its_owners_alone(as_alice, as_bob, alice):
    make.workflow("image-to-image")
    upload = SimpleUploadedFile("a.png", make.png(), "image/png")
    as_alice.post("/generate/image-to-image/", image_form(image=upload))
    name = alice.jobs.get().parameters["image"].rpartition("/")[2]
    assert as_alice.get(f"/inputs/{name}/").status_code == 200
    assert as_bob.get(f"/inputs/{name}/").status_code == 404
    assert as_alice.get("/inputs/..%2f..%2fsecret/").status_code == 404


def test_an_upload_is_kept_when_another_value_is_wrong(as_alice, alice):
    make.workflow("image-to-image")
    upload = SimpleUploadedFile("a.png", make.png(), "image/png")
    values = image_form(image=upload, steps="0", count="x")
    page = as_alice.post("/generate/image-to-image/", values)
    assert page.status_code == 422
    assert f'name="image-kept" value="inputs/{alice.pk}/' in page.content.decode()


def test_an_input_that_is_gone_is_asked_for_again(as_alice, alice):
    make.workflow("image-to-image")
    values = image_form(**{"image-kept": f"inputs/{alice.pk}/gone.png"})
    page = as_alice.post("/generate/image-to-image/", values).content.decode()
    assert "This file is gone. Upload it again." in page
    assert not alice.jobs.exists()


# Word lists -----------------------------------------------------------------------


def test_a_list_is_added_changed_and_deleted(as_alice, alice):
    as_alice.post("/words/", {"name": "Colour", "words": "red\r\nblue\n\n"})
    found = alice.word_lists.get(name="colour")
    assert found.lines() == ["red", "blue"]
    as_alice.post("/words/", {"name": "colour", "words": "green"})
    assert alice.word_lists.get().lines() == ["green"]
    assert b"__colour__" in as_alice.get("/words/").content
    as_alice.post(f"/words/{found.pk}/delete/")
    assert not alice.word_lists.exists()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"name": "two words", "words": "a"}, "Write it with a-z, 0-9, - and _."),
        ({"name": "a__b", "words": "a"}, "Write it with a-z, 0-9, - and _."),
        ({"name": "a", "words": " \n"}, "Write at least one word."),
        ({"name": "a", "words": "x\n" * 2001}, "at most 2000 words"),
    ],
)
def test_a_wrong_list_is_told_beside_its_field(as_alice, alice, values, sentence):
    page = as_alice.post("/words/", values)
    assert page.status_code == 422
    assert sentence in page.content.decode()
    assert not alice.word_lists.exists()


def test_a_list_is_renamed_but_not_to_the_name_of_another(as_alice, alice):
    found = alice.word_lists.create(name="colour", words="red")
    alice.word_lists.create(name="mood", words="calm")
    values = {"list": found.pk, "name": "hue", "words": "red\nblue"}
    as_alice.post("/words/", values)
    found.refresh_from_db()
    assert (found.name, found.lines()) == ("hue", ["red", "blue"])
    page = as_alice.post("/words/", values | {"name": "mood", "words": "green"})
    assert page.status_code == 422
    text = page.content.decode()
    assert "Another list of yours has this name." in text
    assert f'id="list-words-{found.pk}" name="words" rows="5">green</textarea>' in text
    found.refresh_from_db()
    assert (found.name, found.lines()) == ("hue", ["red", "blue"])


def test_another_persons_list_does_not_exist(as_bob, alice):
    found = alice.word_lists.create(name="colour", words="red")
    stolen = {"list": found.pk, "name": "mine", "words": "x"}
    assert as_bob.post("/words/", stolen).status_code == 404
    assert b"colour" not in as_bob.get("/words/").content
    assert as_bob.post(f"/words/{found.pk}/delete/").status_code == 404


@pytest.mark.parametrize(
    "address",
    [f"{FORM}presets/", "/words/", "/inputs/pictures/", "/inputs/a.png/"],
)
def test_strangers_are_asked_to_sign_in(client, db, address):
    make.workflow()
    assert client.get(address)["Location"].startswith("/accounts/login/")


def test_what_belongs_to_a_hidden_template_does_not_exist(as_alice, preset):
    preset.workflow.published = False
    preset.workflow.save(update_fields=["published"])
    for tail in (f"?preset={preset.pk}", "presets/", "recent/prompt/"):
        assert as_alice.get(FORM + tail).status_code == 404, tail
    for tail in ("cost/", "presets/save/", f"presets/{preset.pk}/"):
        assert as_alice.post(FORM + tail, CARD).status_code == 404, tail
