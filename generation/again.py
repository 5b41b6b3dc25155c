"""Pages that make a picture again: as it was, or from an uploaded file's settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts.http import PersonRequest
from gallery import access
from gallery.visiting import picture_for
from generation import metadata, remake
from generation.fields import Kind
from generation.metadata import NoSettings, Settings
from generation.models import Version
from generation.remake import CannotRun
from generation.submit import Invalid, copy_picture
from generation.usage import TooMany

ACCEPT = "image/png,image/jpeg,image/webp"


class UploadForm(forms.Form):
    """Takes a picture for the settings in it; the picture itself is not kept."""

    picture = forms.FileField(
        label="Picture",
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
        error_messages={"required": "Choose a picture.", "empty": "The file is empty."},
        help_text="PNG, JPEG or WebP, as ComfyUI, SwarmUI, A1111, Forge, InvokeAI or"
        " Life-OS saved it. Only its settings are read; the picture is not kept.",
    )

    def clean_picture(self) -> Settings:
        upload: UploadedFile[Any] = self.cleaned_data["picture"]
        if (upload.size or 0) > settings.LIFEOS_MAX_UPLOAD_BYTES:
            limit = settings.LIFEOS_MAX_UPLOAD_BYTES // 1024**2
            raise forms.ValidationError(f"The file is larger than {limit} MB.")
        try:
            return metadata.read(upload)
        except NoSettings as exc:
            raise forms.ValidationError(str(exc)) from exc


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: PersonRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, "generation/remix_upload.html", {"form": UploadForm()})
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        page = "generation/remix_upload.html"
        return render(request, page, {"form": form}, status=422)
    pk = remake.keep_upload(request.user, form.cleaned_data["picture"])
    return redirect("generation:remix", pk)


@login_required
@require_safe
def choose(request: PersonRequest, pk: UUID) -> HttpResponse:
    """The templates that fit a picture or job of one's own, or an upload."""
    source = remake.find(request.user, str(pk))
    if source is None:
        messages.warning(request, "These settings are not here any more. Upload again.")
        return redirect("generation:remix-upload")
    found = remake.fitting(request.user, source)
    context = {"pk": pk, "source": source, "told": source.settings, "fitting": found}
    return render(request, "generation/remix.html", context)


@login_required
@require_safe
def remix_shared(request: PersonRequest, token: str, pk: UUID) -> HttpResponse:
    """The settings of a picture behind a shared link that allows it, not its graph.

    They wait where those of uploads wait, so that nothing of the link goes further.
    """
    link, image = picture_for(request, token, pk)
    source = remake.of_image(image) if link.remix_allowed else None
    if source is None:
        raise Http404
    told = replace(source.settings, graph=None)
    return redirect("generation:remix", remake.keep_upload(request.user, told))


@login_required
@require_POST
def use_as_input(request: PersonRequest, pk: UUID) -> HttpResponse:
    """The picture becomes an input of a template that takes one.

    It is copied now, not when the form is opened: looking at a page changes nothing.
    """
    image = access.told(request, pk)
    taking = [
        version.workflow
        for version in Version.objects.current_for(request.user)
        if any(parameter.kind == Kind.IMAGE for parameter in version.parameters)
    ]
    if image.media != image.Media.PICTURE or not taking:
        sentence = "No template that you may use takes a picture."
        if taking:
            sentence = "Only pictures can be used as input."
        return _refused(request, pk, sentence)
    name = copy_picture(request.user, image).rpartition("/")[2]
    if len(taking) == 1:
        form = reverse("generation:generate", args=[taking[0].slug])
        return redirect(f"{form}?input={name}")
    context = {"image": image, "name": name, "workflows": taking}
    return render(request, "generation/use_as_input.html", context)


@login_required
@require_POST
def run_again(request: PersonRequest, pk: UUID) -> HttpResponse:
    image = access.owned(request, pk)
    try:
        [job] = remake.run_again(request.user, image)
    except (CannotRun, TooMany) as exc:
        return _refused(request, pk, str(exc))
    except Invalid as exc:
        return _refused(request, pk, " ".join(exc.errors.values()))
    return redirect("generation:job", job.pk)


def _refused(request: HttpRequest, pk: UUID, sentence: str) -> HttpResponse:
    messages.error(request, sentence)
    return redirect("gallery:image", pk)
