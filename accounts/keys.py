"""/accounts/keys/: one's own API keys. Only for a person at a page, never for a key."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts import audit
from accounts.http import PersonRequest
from accounts.models import ApiKey, Scope, User, lock, rights_of
from accounts.models.keys import MAX_KEYS

SHOWN_ENDED = 10
WHAT_FOR = {
    Scope.READ: "See jobs, templates, pictures and limits.",
    Scope.GENERATE: "Queue jobs, cancel them, send input files.",
    Scope.MANAGE: "Change and delete pictures, presets, word lists and webhooks.",
}
LASTS = [("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "no end")]


class KeyForm(forms.Form):
    name = forms.CharField(
        label="What for",
        max_length=100,
        error_messages={"required": "Give the key a name."},
        widget=forms.TextInput(attrs={"placeholder": "Blender on my laptop"}),
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        choices=Scope.choices,
        initial=[Scope.READ, Scope.GENERATE],
        error_messages={"required": "Choose at least one thing that it may do."},
        widget=forms.CheckboxSelectMultiple,
    )
    lasts = forms.ChoiceField(
        label="Good for", choices=LASTS, initial="90", required=False
    )

    def issue(self, owner: User) -> tuple[ApiKey, str] | None:
        """The key and its secret; None, and an error, when there are too many."""
        days = self.cleaned_data["lasts"]
        with transaction.atomic():
            lock(owner.pk)
            if owner.api_keys.usable().count() >= MAX_KEYS:
                self.add_error(None, f"You have {MAX_KEYS} keys. Revoke one first.")
                return None
            return ApiKey.issue(
                owner,
                self.cleaned_data["name"],
                self.cleaned_data["scopes"],
                timezone.now() + timedelta(days=int(days)) if days else None,
            )

    def explained(self) -> list[tuple[str, str, str, bool]]:
        """(value, label, what it is for, whether it is ticked) of each scope."""
        chosen = self["scopes"].value() or []
        return [
            (scope.value, str(scope.label), WHAT_FOR[scope], scope.value in chosen)
            for scope in Scope
        ]


@login_required
@never_cache
def key_list(request: PersonRequest) -> HttpResponse:
    """All of one's keys; POST makes one, and its answer alone shows the secret."""
    form = KeyForm(request.POST if request.method == "POST" else None)
    made, token = None, ""
    allowed = rights_of(request.user).api
    if request.method == "POST" and form.is_valid():
        if not allowed:
            form.add_error(None, "Your groups may not use the API.")
        elif issued := form.issue(request.user):
            made, token = issued
            audit.record(request, "key.made", made, scopes=made.scopes)
            form = KeyForm()
    own = request.user.api_keys.all()
    usable = own.usable()
    context = {
        "form": form,
        "made": made,
        "token": token,
        "keys": usable,
        "ended": own.exclude(pk__in=usable.values("pk"))[:SHOWN_ENDED],
        "allowed": allowed,
    }
    status = 422 if form.errors else 200
    return render(request, "accounts/keys.html", context, status=status)


@login_required
@require_POST
def revoke_key(request: PersonRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(request.user.api_keys, pk=pk)
    key.revoke()
    audit.record(request, "key.revoked", key)
    messages.success(request, f"The key “{key.name}” is refused from now on.")
    return redirect("accounts:keys")
