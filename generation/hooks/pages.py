"""/accounts/webhooks/: one's webhooks, their secrets once, and what was sent."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.http import PersonRequest
from accounts.paging import BadCursor, newest_first
from generation.hooks import outbox, owning
from generation.hooks.owning import BadHook
from generation.models import Delivery, Webhook
from generation.models.webhook import MAX_HOOKS, Event

SHOWN, PAGE = 8, 50


class HookForm(forms.Form):
    url = forms.CharField(
        label="Address",
        max_length=500,
        error_messages={"required": "Write the address that is to be called."},
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/hook"}),
    )
    events = forms.MultipleChoiceField(
        label="Called when",
        choices=Event.choices,
        initial=[Event.DONE, Event.FAILED],
        error_messages={"required": "Choose at least one event."},
        widget=forms.CheckboxSelectMultiple,
    )

    def ticked(self) -> list[tuple[str, str, bool]]:
        chosen = self["events"].value() or []
        return [(e.value, str(e.label), e.value in chosen) for e in Event]


@login_required
@never_cache
def webhook_list(request: PersonRequest) -> HttpResponse:
    """POST adds one; its answer alone shows the secret."""
    form = HookForm(request.POST if request.method == "POST" else None)
    secret = made = ""
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            hook = owning.add(request.user, data["url"], data["events"])
        except BadHook as exc:
            form.add_error(exc.field, str(exc))
        else:
            made, secret, form = hook.url, str(hook.secret), HookForm()
    return _page(request, form, made, secret)


def _page(
    request: PersonRequest, form: HookForm, made: str = "", secret: str = ""
) -> HttpResponse:
    sent = Delivery.objects.filter(owner=request.user).order_by("-created", "-id")
    context = {
        "form": form,
        "made": made,
        "secret": secret,
        "hooks": request.user.webhooks.all(),
        "deliveries": sent[:SHOWN],
        "most": MAX_HOOKS,
    }
    status = 422 if form.errors else 200
    return render(request, "generation/webhooks.html", context, status=status)


def _own(request: PersonRequest, pk: int) -> Webhook:
    return get_object_or_404(request.user.webhooks, pk=pk)


@login_required
@require_POST
@never_cache
def rotate(request: PersonRequest, pk: int) -> HttpResponse:
    hook = _own(request, pk)
    return _page(request, HookForm(), hook.url, owning.renew_secret(hook))


@login_required
@require_POST
@never_cache
def rotate_callback(request: PersonRequest) -> HttpResponse:
    secret = owning.renew_callback_secret(request.user)
    return _page(request, HookForm(), "callback_url", secret)


@login_required
@require_POST
def switch(request: PersonRequest, pk: int) -> HttpResponse:
    hook = _own(request, pk)
    owning.change(hook, active=not hook.active)
    told = "on" if hook.active else "off"
    messages.success(request, f"The webhook is switched {told}.")
    return redirect("generation:webhooks")


@login_required
@require_POST
def test(request: PersonRequest, pk: int) -> HttpResponse:
    outbox.queue_test(_own(request, pk))
    messages.success(request, "A test is on its way. See below what comes of it.")
    return redirect("generation:webhooks")


@login_required
@require_POST
def delete(request: PersonRequest, pk: int) -> HttpResponse:
    owning.delete(_own(request, pk))
    messages.success(request, "The webhook is deleted.")
    return redirect("generation:webhooks")


@login_required
@require_safe
def delivery_list(request: PersonRequest) -> HttpResponse:
    sent = Delivery.objects.filter(owner=request.user)
    try:
        page = newest_first(sent, request.GET.get("cursor", ""), PAGE)
    except BadCursor as exc:
        raise Http404 from exc
    return render(request, "generation/deliveries.html", {"page": page})


@login_required
@require_POST
def redeliver(request: PersonRequest, pk: UUID) -> HttpResponse:
    delivery = get_object_or_404(Delivery, pk=pk, owner=request.user)
    if outbox.again(delivery):
        messages.success(request, "It is sent once more.")
    else:
        messages.error(request, "It is being sent already.")
    return redirect("generation:webhooks")
