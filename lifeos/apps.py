from __future__ import annotations

from django.apps import AppConfig


class LifeosConfig(AppConfig):
    name = "lifeos"
    verbose_name = "Life-OS"

    def ready(self) -> None:
        from lifeos import checks  # noqa: F401 - registers the system checks
