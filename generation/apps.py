from __future__ import annotations

from django.apps import AppConfig


class GenerationConfig(AppConfig):
    name = "generation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import notices
        from generation import events

        notices.LISTENERS.append(events.announce_notice)
