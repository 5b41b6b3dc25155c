"""What helps to fill in a form: presets, recent prompts, word lists, own pictures."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.http import PersonRequest
from accounts.models import User
from accounts.paging import BadCursor, newest_first
from gallery.files import serve
from gallery.models import Image
from generation import durations, outlook, usage
from generation.fields import FILES, TEXTS
from generation.forms import GenerateForm
from generation.models import Preset, Version, WordList
from generation.models.preset import MAX_LISTS, MAX_PRESETS, MAX_WORDS
from generation.submit import Invalid, build, input_folder

# Jobs that are looked through, and texts that are shown.
LOOKED_AT, RECENT = 100, 12
PICTURES = 24


def version_for(request: PersonRequest, slug: str) -> Version:
    """The template's version that is used now; 404 for who may not use it."""
    usable = Version.objects.current_for(request.user)
    return get_object_or_404(usable, workflow__slug=slug)


# What it costs --------------------------------------------------------------------


@login_required
@require_POST
def cost(request: PersonRequest, slug: str) -> HttpResponse:
    """How much the form as it stands would queue, and whether there is room."""
    form = GenerateForm(version_for(request, slug), request.user, request.POST)
    context: dict[str, Any] = {}
    wish = form.wish(with_files=False)
    try:
        jobs = build(request.user, form.version, wish) if wish else []
    except Invalid:
        jobs = []
    if jobs:
        known = durations.current()
        times = [known.expected(job.workflow_id, job.size) for job in jobs]
        measured = [seconds for seconds in times if seconds is not None]
        context = {
            "jobs": len(jobs),
            "pictures": sum(job.pictures for job in jobs),
            "time": outlook.spoken(sum(measured)) if measured else "",
        }
        try:
            usage.check(request.user, jobs)
        except (usage.NeverFits, usage.TooMany) as exc:
            context["limit"] = str(exc)
    return render(request, "generation/_cost.html", context)


# Recent prompts and pictures ------------------------------------------------------


@login_required
@require_safe
def recent_texts(request: PersonRequest, slug: str, name: str) -> HttpResponse:
    """What one wrote into this field last, each text once."""
    version = version_for(request, slug)
    parameter = version.parameter(name)
    if parameter is None or parameter.kind not in TEXTS:
        raise Http404
    jobs = request.user.jobs.filter(workflow=version.workflow).newest_first()
    seen: dict[str, None] = {}
    for values, typed in jobs.values_list("parameters", "typed")[:LOOKED_AT]:
        text = typed.get(name) or values.get(name)
        if isinstance(text, str) and text.strip():
            seen[text] = None
    context = {"texts": list(seen)[:RECENT]}
    return render(request, "generation/_recent_texts.html", context)


@login_required
@require_safe
def own_pictures(request: PersonRequest) -> HttpResponse:
    """One's newest pictures, to pick one for a field."""
    images = Image.objects.visible_to(request.user)
    pictures = images.filter(mime_type__startswith="image/")
    try:
        page = newest_first(pictures, request.GET.get("cursor", ""), PICTURES)
    except BadCursor as exc:
        raise Http404 from exc
    return render(request, "generation/_own_pictures.html", {"page": page})


@login_required
@require_safe
def input_file(request: PersonRequest, name: str) -> HttpResponseBase:
    """A file that one has uploaded for a form."""
    key = f"{input_folder(request.user)}{name}"
    if "/" in name or name.startswith(".") or not default_storage.exists(key):
        raise Http404
    file = FieldFile(cast("Any", None), cast("Any", _Nowhere), key)
    stem, _, extension = name.rpartition(".")
    return serve(
        request,
        file,
        mime_type=MIME_TYPES.get(extension, "application/octet-stream"),
        filename=name,
        etag=stem,
    )


class _Nowhere:
    """The column that a stored file would have; `serve` needs its storage alone."""

    storage = default_storage


MIME_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
}


# Presets --------------------------------------------------------------------------


@login_required
@require_safe
def preset_list(request: PersonRequest, slug: str) -> HttpResponse:
    workflow = version_for(request, slug).workflow
    visible = Preset.objects.visible_to(request.user).filter(workflow=workflow)
    context = {
        "workflow": workflow,
        "presets": visible.select_related("owner", "group"),
        "groups": request.user.groups.order_by("name"),
    }
    return render(request, "generation/preset_list.html", context)


@login_required
@require_POST
def save_preset(request: PersonRequest, slug: str) -> HttpResponse:
    """Keep the form as it stands under a name; the same name is written anew."""
    version = version_for(request, slug)
    form = GenerateForm(version, request.user, request.POST, request.FILES)
    wish = form.wish()
    if wish is not None:
        try:
            build(request.user, version, wish)
        except Invalid as exc:
            form.tell(exc)
    name = request.POST.get("preset-name", "").strip()
    form.preset_error = _wrong_name(request.user, version, name)
    if wish is None or form.errors or form.preset_error:
        template = "_form.html" if request.htmx else "generate.html"
        context = {"form": form, "workflow": version.workflow}
        return render(request, f"generation/{template}", context, status=422)
    preset, _ = Preset.objects.update_or_create(
        owner=request.user,
        workflow=version.workflow,
        name=name,
        defaults={"values": dict(wish.given)},
    )
    messages.success(request, f"The preset “{name}” is saved.")
    address = reverse("generation:generate", args=[slug]) + f"?preset={preset.pk}"
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _wrong_name(owner: User, version: Version, name: str) -> str:
    if not name:
        return "Give the preset a name."
    if len(name) > 100:
        return "Choose a shorter name."
    own = owner.presets.filter(workflow=version.workflow)
    if own.count() >= MAX_PRESETS and not own.filter(name=name).exists():
        return f"You have {MAX_PRESETS} presets of this template. Delete one first."
    return ""


@login_required
@require_POST
def change_preset(request: PersonRequest, slug: str, pk: int) -> HttpResponse:
    """Rename one's own preset, or share it with one of one's groups."""
    workflow = version_for(request, slug).workflow
    preset = get_object_or_404(request.user.presets, pk=pk, workflow=workflow)
    name = request.POST.get("name", "").strip()
    group = request.POST.get("group", "")
    chosen = request.user.groups.filter(pk=group).first() if group.isdigit() else None
    others = request.user.presets.filter(workflow=workflow).exclude(pk=pk)
    if not name or len(name) > 100:
        messages.error(request, "A preset needs a name of at most 100 characters.")
    elif others.filter(name=name).exists():
        messages.error(request, f"You have another preset named “{name}”.")
    elif group and chosen is None:
        messages.error(request, "Share it with a group that you are in.")
    else:
        preset.name, preset.group = name, chosen
        preset.save(update_fields=["name", "group"])
        messages.success(request, f"The preset “{name}” is changed.")
    return redirect("generation:preset-list", slug)


@login_required
@require_POST
def delete_preset(request: PersonRequest, slug: str, pk: int) -> HttpResponse:
    workflow = version_for(request, slug).workflow
    get_object_or_404(request.user.presets, pk=pk, workflow=workflow).delete()
    messages.success(request, "The preset is deleted.")
    return redirect("generation:preset-list", slug)


def usable_values(
    owner: User, version: Version, values: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Values of somebody else's preset: their files are theirs."""
    folder = input_folder(owner)
    kept, misfits = dict(values), []
    for parameter in version.parameters:
        value = kept.get(parameter.name)
        if parameter.kind in FILES and value and not str(value).startswith(folder):
            del kept[parameter.name]
            misfits.append(f"{parameter.label}: choose a file of your own.")
    return kept, misfits


# Word lists -----------------------------------------------------------------------


@login_required
def word_lists(request: PersonRequest) -> HttpResponse:
    """All of one's lists on one page; POST adds one, changes or renames one."""
    fresh, lists = WordList(owner=request.user), list(request.user.word_lists.all())
    errors: dict[str, str] = {}
    if request.method == "POST":
        words = _word_list(request)
        errors = _wrong_list(request.user, words)
        if not errors:
            words.save()
            messages.success(request, f"The list “{words.name}” is saved.")
            return redirect("generation:word-lists")
        # What was typed stands where it was typed, with what is wrong beside it.
        fresh = fresh if words.pk else words
        lists = [words if one.pk == words.pk else one for one in lists]
        words.errors = errors  # type: ignore[attr-defined]
    context = {"fresh": fresh, "lists": lists}
    status = 422 if errors else 200
    return render(request, "generation/word_lists.html", context, status=status)


def _word_list(request: PersonRequest) -> WordList:
    name = request.POST.get("name", "").strip().lower()
    which = request.POST.get("list", "")
    if which.isdecimal():
        words = get_object_or_404(request.user.word_lists, pk=int(which))
    else:
        found = request.user.word_lists.filter(name=name).first()
        words = found or WordList(owner=request.user)
    words.name = name
    words.words = request.POST.get("words", "").replace("\r\n", "\n")
    return words


def _wrong_list(owner: User, words: WordList) -> dict[str, str]:
    errors = {}
    try:
        words.full_clean(exclude=["owner"])
    except ValidationError as exc:
        errors = {name: " ".join(told) for name, told in exc.message_dict.items()}
    lines = words.lines()
    if len(lines) > MAX_WORDS or len(words.words) > 100 * MAX_WORDS:
        errors["words"] = f"A list has at most {MAX_WORDS} words."
    elif not lines:
        errors["words"] = "Write at least one word."
    if owner.word_lists.filter(name=words.name).exclude(pk=words.pk).exists():
        errors["name"] = "Another list of yours has this name."
    if words.pk is None and owner.word_lists.count() >= MAX_LISTS:
        errors["name"] = f"You have {MAX_LISTS} lists. Delete one first."
    return errors


@login_required
@require_POST
def delete_word_list(request: PersonRequest, pk: int) -> HttpResponse:
    get_object_or_404(request.user.word_lists, pk=pk).delete()
    messages.success(request, "The list is deleted.")
    return redirect("generation:word-lists")
