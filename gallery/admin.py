from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from gallery.models import Image


@admin.register(Image)
class ImageAdmin(admin.ModelAdmin[Image]):
    """Counts and sizes only: prompts and pictures belong to their owners."""

    list_display = ("id", "owner", "mime_type", "width", "height", "bytes", "created")
    fields = ("id", "owner", "mime_type", "width", "height", "bytes", "created")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Image | None = None
    ) -> bool:
        return False
