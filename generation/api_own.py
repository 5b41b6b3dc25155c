"""/api/comfyui/…: what a person keeps and has: presets, word lists, limits, inputs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import Field, File, Form, Query, Router, Schema, Status
from ninja.files import UploadedFile

from accounts.access import GENERATE, MANAGE, READ
from accounts.errors import NotFound
from accounts.http import person
from accounts.models import User
from generation import filling, media, offers, parameters, usage
from generation.fields import Kind
from generation.forms import keep_input
from generation.models import Job, Preset, QueueState, Version, WordList
from generation.models.limits import allowance_of
from generation.submit import Invalid, foreign_files

router = Router(tags=["comfyui"])
# Places in the queue that one answer tells.
PLACES = 50
Name = Annotated[str, Field(min_length=1, max_length=100)]
Id = Annotated[int, Field(ge=0, lt=2**63)]


# Limits and the queue -------------------------------------------------------------


class LimitOut(Schema):
    """`limit` and `left` are null where there is no limit."""

    limit: float | None
    used: float
    left: float | None


class LimitsOut(Schema):
    """The day's are of the last 24 hours. `waits_because`: why nothing begins now."""

    queued: LimitOut
    pictures_per_day: LimitOut
    gpu_minutes_per_day: LimitOut
    in_flight: LimitOut
    weight: float
    waits_because: str


class PlaceOut(Schema):
    id: str
    status: str
    position: int | None
    eta_seconds: int | None


class QueueOut(Schema):
    """`jobs`: my own that are not over, the first PLACES of them."""

    paused: bool
    reason: str
    jobs: list[PlaceOut]


def _limit(limit: float | None, used: float) -> LimitOut:
    left = None if limit is None else max(0.0, limit - used)
    return LimitOut(limit=limit, used=used, left=left)


@router.get("/limits", auth=READ, response=LimitsOut)
def get_limits(request: HttpRequest) -> LimitsOut:
    """What I may use, and what I have used of it."""
    user = person(request)
    allowed = allowance_of(user)
    today = usage.of_today(user)
    held = usage.held_because(user, allowed)
    return LimitsOut(
        queued=_limit(allowed.max_queued, today.queued),
        pictures_per_day=_limit(allowed.pictures_per_day, today.pictures),
        gpu_minutes_per_day=_limit(
            allowed.gpu_minutes_per_day, round(today.gpu_seconds / 60, 2)
        ),
        in_flight=_limit(allowed.max_in_flight, today.in_flight),
        weight=allowed.weight,
        waits_because=held[0] if held else "",
    )


@router.get("/queue", auth=READ, response=QueueOut)
def get_queue(request: HttpRequest) -> QueueOut:
    """Whether the queue gives out jobs, and where mine stand."""
    state = QueueState.load()
    mine = Job.objects.visible_to(person(request)).active()
    mine = mine.order_by("created", "id").select_related("workflow")
    places = [
        PlaceOut(
            id=str(job.pk),
            status=job.status,
            position=job.position,
            eta_seconds=job.eta_seconds,
        )
        for job in mine[:PLACES]
    ]
    return QueueOut(paused=state.paused, reason=state.reason, jobs=places)


# Input files ----------------------------------------------------------------------


class InputOut(Schema):
    """`value` is what a job's parameter of this kind takes."""

    value: str


@router.post("/inputs", auth=GENERATE, response={201: InputOut})
def send_input(
    request: HttpRequest,
    file: File[UploadedFile],
    kind: Form[Literal["image", "mask", "video", "audio"]] = "image",
) -> Status[InputOut]:
    """Send a file for a parameter. The same content is kept once."""
    try:
        key = keep_input(person(request), file, Kind(kind))
    except media.BadFile as exc:
        raise Invalid({"file": str(exc)}) from exc
    return Status(201, InputOut(value=key))


# Presets --------------------------------------------------------------------------


class PresetOut(Schema):
    """`own`: mine to change; otherwise somebody shares it with `group`, one of mine."""

    id: int
    template: str
    name: str
    values: dict[str, Any]
    group: str | None
    own: bool
    created: datetime


class PresetsOut(Schema):
    items: list[PresetOut]
    next: str | None = None


class PresetIn(Schema):
    """`values` by parameter; what is left out takes its default when it is used."""

    template: str = Field(max_length=200)
    name: Name
    values: dict[str, Any] = Field(default_factory=dict)
    group: str | None = Field(None, max_length=150)


class PresetPatch(Schema):
    """What is left out stays. `group`: null ends the sharing."""

    name: Name | None = None
    values: dict[str, Any] | None = None
    group: str | None = Field(None, max_length=150)


def preset_out(preset: Preset, user: User) -> PresetOut:
    return PresetOut(
        id=preset.pk,
        template=preset.workflow.slug,
        name=preset.name,
        values=preset.values,
        group=preset.group.name if preset.group else None,
        own=preset.owner_id == user.pk,
        created=preset.created,
    )


@router.get("/presets", auth=READ, response=PresetsOut)
def list_presets(
    request: HttpRequest, template: Annotated[str, Query(max_length=200)] = ""
) -> PresetsOut:
    """Mine, and those that are shared with my groups; of one template or of all."""
    user = person(request)
    rows = Preset.objects.visible_to(user).select_related("workflow", "group")
    if template:
        rows = rows.filter(workflow__slug=template)
    return PresetsOut(items=[preset_out(preset, user) for preset in rows[:500]])


@router.post("/presets", auth=MANAGE, response={201: PresetOut})
def make_preset(request: HttpRequest, body: PresetIn) -> Status[PresetOut]:
    """Keep values of a template under a name; the same name is written anew."""
    user = person(request)
    version = _version(user, body.template)
    name = body.name.strip()
    if wrong := filling.wrong_preset_name(user, version, name):
        raise Invalid({"name": wrong})
    values = _checked(user, version, body.values)
    defaults: dict[str, Any] = {"values": values, "group": _group(user, body.group)}
    preset, _ = Preset.objects.update_or_create(
        owner=user, workflow=version.workflow, name=name, defaults=defaults
    )
    return Status(201, preset_out(preset, user))


@router.get("/presets/{preset_id}", auth=READ, response=PresetOut)
def get_preset(request: HttpRequest, preset_id: Id) -> PresetOut:
    user = person(request)
    rows = Preset.objects.visible_to(user).select_related("workflow", "group")
    preset = rows.filter(pk=preset_id).first()
    if preset is None:
        raise NotFound
    return preset_out(preset, user)


@router.patch("/presets/{preset_id}", auth=MANAGE, response=PresetOut)
def change_preset(request: HttpRequest, preset_id: Id, body: PresetPatch) -> PresetOut:
    """Rename my preset, give it other values or share it."""
    user = person(request)
    preset = _own_preset(user, preset_id)
    given = body.model_fields_set
    if "name" in given:
        preset.name = (body.name or "").strip()
        if not preset.name:
            raise Invalid({"name": "Give the preset a name."})
    if body.values is not None:
        version = _version(user, preset.workflow.slug)
        preset.values = _checked(user, version, body.values)
    if "group" in given:
        preset.group = _group(user, body.group)
    _save(preset.save, "You have another preset of this name.")
    return preset_out(preset, user)


@router.delete("/presets/{preset_id}", auth=MANAGE, response={204: None})
def delete_preset(request: HttpRequest, preset_id: Id) -> Status[None]:
    _own_preset(person(request), preset_id).delete()
    return Status(204, None)


def _own_preset(user: User, pk: int) -> Preset:
    rows = user.presets.select_related("workflow", "group")
    preset = rows.filter(pk=pk).first()
    if preset is None:
        raise NotFound
    return preset


def _version(user: User, slug: str) -> Version:
    found = Version.objects.current_for(user).filter(workflow__slug=slug).first()
    if found is None:
        raise Invalid({"template": "There is no such template."})
    return found


def _group(user: User, name: str | None) -> Any:
    if not name:
        return None
    found = user.groups.filter(name=name).first()
    if found is None:
        raise Invalid({"group": "Share it with a group that you are in."})
    return found


def _checked(user: User, version: Version, given: dict[str, Any]) -> dict[str, Any]:
    """The values as given, if a job could run with them. Raises Invalid."""
    fields = offers.parameters_of(version)
    known = {field.name for field in fields}
    errors = {name: "No such parameter." for name in given if name not in known}
    asked = [field for field in fields if field.name in given]
    cleaned = parameters.clean(asked, given, offers.choices_of(version))
    errors |= cleaned.errors | foreign_files(user, asked, cleaned.values)
    if errors:
        raise Invalid({f"values.{name}": text for name, text in errors.items()})
    return dict(given)


def _save(save: Callable[[], None], taken: str) -> None:
    try:
        with transaction.atomic():
            save()
    except IntegrityError as exc:
        raise Invalid({"name": taken}) from exc


# Word lists -----------------------------------------------------------------------


class WordListOut(Schema):
    name: str
    words: list[str]


class WordListsOut(Schema):
    items: list[WordListOut]
    next: str | None = None


class WordsIn(Schema):
    words: list[Annotated[str, Field(max_length=2000)]] = Field(max_length=2000)


ListName = Annotated[str, Field(max_length=50)]


def _words_out(words: WordList) -> WordListOut:
    return WordListOut(name=words.name, words=words.lines())


@router.get("/word-lists", auth=READ, response=WordListsOut)
def list_word_lists(request: HttpRequest) -> WordListsOut:
    """All of mine; `__name__` in a prompt becomes one of the words."""
    lists = person(request).word_lists.all()
    return WordListsOut(items=[_words_out(words) for words in lists])


@router.put("/word-lists/{name}", auth=MANAGE, response=WordListOut)
def put_word_list(request: HttpRequest, name: ListName, body: WordsIn) -> WordListOut:
    """Make the list, or write it anew."""
    user = person(request)
    found = user.word_lists.filter(name=name).first()
    words = found or WordList(owner=user, name=name)
    # One a line: a word with a line end in it would be two.
    words.words = "\n".join(" ".join(word.split()) for word in body.words)
    if errors := filling.wrong_word_list(user, words):
        raise Invalid(errors)
    _save(words.save, "This list was made a moment ago. Try again.")
    return _words_out(words)


@router.get("/word-lists/{name}", auth=READ, response=WordListOut)
def get_word_list(request: HttpRequest, name: ListName) -> WordListOut:
    found = person(request).word_lists.filter(name=name).first()
    if found is None:
        raise NotFound
    return _words_out(found)


@router.delete("/word-lists/{name}", auth=MANAGE, response={204: None})
def delete_word_list(request: HttpRequest, name: ListName) -> Status[None]:
    deleted, _ = person(request).word_lists.filter(name=name).delete()
    if not deleted:
        raise NotFound
    return Status(204, None)
