from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """The administration, behind the second factor where staff need one."""

    default_site = "accounts.admin_site.Site"


class LifeosConfig(AppConfig):
    name = "lifeos"
    verbose_name = "Life-OS"

    def ready(self) -> None:
        from lifeos import checks, telemetry  # noqa: F401 - checks registers itself

        telemetry.start()
