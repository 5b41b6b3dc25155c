"""Groups: who is in, what they may use and do."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts import audit, parts
from accounts.forms import GroupForm, RightsForm
from accounts.http import staff
from accounts.models import GroupRights


@staff
@require_safe
def group_list(request: HttpRequest) -> HttpResponse:
    rows = Group.objects.annotate(members=Count("user")).select_related("rights")
    return render(request, "people/groups.html", {"rows": rows.order_by("name")})


@staff
@require_http_methods(["GET", "HEAD", "POST"])
def group_page(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """One form for name, rights and limits, saved together or not at all."""
    group = get_object_or_404(Group, pk=pk) if pk else None
    data = request.POST if request.method == "POST" else None
    rights = GroupRights.objects.filter(group=group).first() if group else None
    forms: dict[str, Any] = {
        "form": GroupForm(data, instance=group),
        "rights": RightsForm(data, instance=rights),
        "limits": parts.limits_form(group or Group(), data),
    }
    status = 200
    if data is not None:
        # Every form is asked, so that each tells its own errors.
        good = [form is None or form.is_valid() for form in forms.values()]
        if all(good):
            saved = _save(request, **forms)
            messages.success(request, f"The group {saved} is saved.")
            return redirect("people:groups")
        status = 422
    context = {**forms, "group": group}
    return render(request, "people/group.html", context, status=status)


def _save(
    request: HttpRequest, *, form: GroupForm, rights: RightsForm, limits: Any
) -> Group:
    changed = {
        name: one.cleaned_data[name]
        for one in (form, rights, limits)
        if one is not None
        for name in one.changed_data
    }
    with transaction.atomic():
        group = form.save()
        rights.instance.group = group
        rights.save()
        if limits is not None:
            limits.instance.group = group
            limits.save()
        audit.record(request, "group.changed", group, **changed)
    return group


@staff
@require_POST
def delete_group(request: HttpRequest, pk: int) -> HttpResponse:
    group = get_object_or_404(Group, pk=pk)
    with transaction.atomic():
        audit.record(request, "group.changed", group, deleted=True)
        group.delete()
    messages.success(request, f"The group {group} is deleted. Its people stay.")
    return redirect("people:groups")
