from __future__ import annotations

from django.apps import AppConfig


class LifeosConfig(AppConfig):
    name = "lifeos"
    verbose_name = "Life-OS"

    def ready(self) -> None:
        from lifeos import checks, telemetry  # noqa: F401 - checks registers itself

        telemetry.start()
