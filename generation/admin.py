"""Templates, servers, limits, and jobs without what is in them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.http import person
from accounts.models import User
from gallery.storage import homes
from generation.details import TagsField
from generation.models import (
    Attempt,
    Duration,
    GroupLimits,
    Job,
    PersonLimits,
    Server,
    Version,
    Workflow,
)


class VersionInline(admin.TabularInline[Version, Workflow]):
    """What there is; a version is changed on its own page, and only as a draft."""

    model = Version
    fk_name = "workflow"
    fields = readonly_fields = ("number", "note", "author", "created", "published_at")
    extra = 0
    show_change_link = True
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class WorkflowForm(forms.ModelForm[Workflow]):
    tags = TagsField(required=False, help_text="Words to find it by.")
    server_tags = TagsField(
        required=False, help_text="Runs only on servers that have all these tags."
    )

    class Meta:
        model = Workflow
        fields = (
            "title",
            "slug",
            "description",
            "category",
            "tags",
            "published",
            "audience",
            "groups",
            "people",
            "position",
            "server_tags",
        )


@admin.register(Workflow)
class WorkflowAdmin(admin.ModelAdmin[Workflow]):
    form = WorkflowForm
    list_display = ("title", "slug", "published", "current", "audience", "position")
    list_editable = ("published", "position")
    list_filter = ("published", "category")
    search_fields = ("title", "slug", "description")
    list_select_related = ("current__workflow",)
    filter_horizontal = ("groups", "people")
    prepopulated_fields = {"slug": ("title",)}
    inlines = (VersionInline,)


@admin.register(Version)
class VersionAdmin(admin.ModelAdmin[Version]):
    """A draft can be changed; a published version is what jobs ran with."""

    list_display = ("workflow", "number", "note", "author", "created", "published_at")
    list_filter = ("workflow",)
    fields = ("workflow", "graph", "fields", "note")
    actions = ("publish",)

    def has_change_permission(
        self, request: HttpRequest, obj: Version | None = None
    ) -> bool:
        if obj is not None and obj.published_at is not None:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: Version | None = None
    ) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: Version, form: object, change: bool
    ) -> None:
        if not change:
            newest = obj.workflow.newest()
            obj.number = newest.number + 1 if newest else 1
            obj.author = person(request)
        super().save_model(request, obj, form, change)

    @admin.action(description="Publish: people get this version from now on")
    def publish(self, request: HttpRequest, queryset: QuerySet[Version]) -> None:
        for version in queryset.select_related("workflow"):
            version.workflow.publish(version)
            self.message_user(request, f"{version} is published.")


class ServerForm(forms.ModelForm[Server]):
    """The credentials can be written, never read again."""

    tags = TagsField(required=False, help_text="What templates may ask for: fast, 24gb")
    auth_secret = forms.JSONField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        initial=dict,
        help_text="Leave {} to keep what is stored. Basic: username, password. "
        "Bearer: token. Headers: any names and values.",
    )

    class Meta:
        model = Server
        fields = (
            "name",
            "url",
            "enabled",
            "paused",
            "draining",
            "max_in_flight",
            "tags",
            "retrieval",
            "shared_folder",
            "bucket_prefix",
            "auth_kind",
        )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        # What the operator has mounted; no path can be written here.
        mounts = [(name, name) for name in settings.LIFEOS_SHARED_FOLDERS]
        self.fields["shared_folder"] = forms.ChoiceField(
            choices=[("", "none"), *mounts],
            required=False,
            help_text="One of LIFEOS_SHARED_FOLDERS.",
        )
        self.initial["auth_secret"] = {}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        way = cleaned.get("retrieval")
        from_folder = way in (Server.Retrieval.SHARED, Server.Retrieval.IN_PLACE)
        if from_folder and not cleaned.get("shared_folder"):
            self.add_error("shared_folder", "Choose the server's output folder.")
        if way == Server.Retrieval.BUCKET and homes().s3 is None:
            self.add_error("retrieval", "No bucket is set up (see docs/storage.md).")
        return cleaned

    def clean_bucket_prefix(self) -> str:
        prefix = str(self.cleaned_data["bucket_prefix"]).strip("/")
        if prefix and any(part in ("", ".", "..") for part in prefix.split("/")):
            raise forms.ValidationError("Write it as in comfy/gpu1.")
        return prefix

    def save(self, commit: bool = True) -> Server:
        if secret := self.cleaned_data.get("auth_secret"):
            self.instance.auth_secret = secret
        return super().save(commit)


@admin.register(Server)
class ServerAdmin(admin.ModelAdmin[Server]):
    form = ServerForm
    list_display = ("name", "url", "enabled", "paused", "draining", "state", "version")
    readonly_fields = ("state", "error", "version", "device", "seen_at")


class PersonLimitsInline(admin.StackedInline[PersonLimits, User]):
    model = PersonLimits
    classes = ("collapse",)


class GroupLimitsInline(admin.StackedInline[GroupLimits, Group]):
    model = GroupLimits


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(UserAdmin[User]):
    """The person, and what they may use."""

    inlines = (PersonLimitsInline,)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin):
    inlines = (GroupLimitsInline,)


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
    list_filter = ("status", "priority", "workflow")
    fields = (*list_display, "priority", "dispatched_at", "started_at", "error")


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ("id", "job", "server", "number", "state", "outcome", "created")
    list_filter = ("state", "outcome", "server")
    fields = (*list_display, "bridge", "lease_until", "cold", "error")


@admin.register(Duration)
class DurationAdmin(ReadOnlyAdmin):
    list_display = ("workflow", "server", "size", "cold", "seconds", "runs")
    list_filter = ("workflow", "server")
