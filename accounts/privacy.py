"""What a person's pages hide: blurred pictures, and everything at one key."""

from __future__ import annotations

from typing import ClassVar

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts.http import PersonRequest, own_place
from accounts.models import User


class PrivacyForm(forms.ModelForm[User]):
    class Meta:
        model = User
        fields = ("blur_pictures", "panic_key")
        labels: ClassVar = {
            "blur_pictures": "Blur all pictures",
            "panic_key": "Key that hides everything",
        }
        help_texts: ClassVar = {
            "blur_pictures": "Hold a picture down to look at it, or hold B for all of"
            " them.",
            "panic_key": "A blank page takes the place of every open page at once.",
        }


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def privacy(request: PersonRequest) -> HttpResponse:
    form = PrivacyForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        person: User = form.save(commit=False)
        person.save(update_fields=list(PrivacyForm.Meta.fields))
        messages.success(request, "Saved.")
        return redirect("privacy")
    status = 422 if form.is_bound else 200
    return render(request, "accounts/privacy.html", {"form": form}, status=status)


@login_required
@require_POST
def switch_blur(request: PersonRequest) -> HttpResponse:
    """The switch of the account's menu: on or off, and back to the page."""
    wanted = request.POST.get("blur") == "on"
    User.objects.filter(pk=request.user.pk).update(blur_pictures=wanted)
    place = own_place(request, request.headers.get("Referer"))
    return redirect(place or "generation:home")


@require_safe
def blank(request: HttpRequest) -> HttpResponse:
    """What stands in for every page after the panic key. It says nothing of itself."""
    response = render(request, "accounts/blank.html")
    response["Cache-Control"] = "no-store"
    return response
