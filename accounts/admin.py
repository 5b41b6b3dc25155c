"""People in the administration, and the log, which it may only read."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from accounts.models import AuditEvent, GroupRights, User

admin.site.register(User, UserAdmin)
admin.site.register(GroupRights)


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin[AuditEvent]):
    """To read only: the rows can't be changed anyway."""

    list_display = ("created", "action", "actor_name", "target_name", "ip")
    list_filter = ("action",)
    search_fields = ("actor_name", "target_name", "request_id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: AuditEvent | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: AuditEvent | None = None
    ) -> bool:
        return False
