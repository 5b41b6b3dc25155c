"""Templates, servers, and jobs without what is in them."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from generation.models import Attempt, Job, Parameter, Server, Workflow


class ParameterInline(admin.StackedInline[Parameter, Workflow]):
    model = Parameter
    extra = 0


@admin.register(Workflow)
class WorkflowAdmin(admin.ModelAdmin[Workflow]):
    list_display = ("title", "slug", "published", "position")
    list_editable = ("published", "position")
    prepopulated_fields = {"slug": ("title",)}
    inlines = (ParameterInline,)


class ServerForm(forms.ModelForm[Server]):
    """The credentials can be written, never read again."""

    auth_secret = forms.JSONField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        initial=dict,
        help_text="Leave {} to keep what is stored. Basic: username, password. "
        "Bearer: token. Headers: any names and values.",
    )

    class Meta:
        model = Server
        fields = ("name", "url", "enabled", "max_in_flight", "auth_kind")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.initial["auth_secret"] = {}

    def save(self, commit: bool = True) -> Server:
        if secret := self.cleaned_data.get("auth_secret"):
            self.instance.auth_secret = secret
        return super().save(commit)


@admin.register(Server)
class ServerAdmin(admin.ModelAdmin[Server]):
    form = ServerForm
    list_display = ("name", "url", "enabled", "state", "version", "seen_at")
    readonly_fields = ("state", "error", "version", "device", "seen_at")


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: object | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: object | None = None
    ) -> bool:
        return False


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Times and errors; the prompts are their owner's."""

    list_display = ("id", "owner", "workflow", "status", "created", "finished_at")
    list_filter = ("status", "workflow")
    fields = (*list_display, "dispatched_at", "started_at", "error")


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ("id", "job", "server", "number", "state", "outcome", "created")
    list_filter = ("state", "outcome", "server")
    fields = (*list_display, "bridge", "lease_until", "error")
