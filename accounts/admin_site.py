"""The administration, behind the same sign-in as everything else."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.http import demand_second_factor, has_second_factor
from accounts.models import User


class Site(admin.AdminSite):
    """Sign-in is allauth's, with its limits and second factor, never its own form."""

    site_header = site_title = "Life-OS"

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and has_second_factor(request)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        user = request.user
        if not isinstance(user, User):
            return redirect_to_login(
                request.GET.get("next", "/admin/"), "account_login"
            )
        if not (user.is_active and user.is_staff):
            raise Http404
        if not has_second_factor(request):
            return demand_second_factor(request)
        return redirect("admin:index")
