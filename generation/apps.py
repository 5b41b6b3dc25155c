from __future__ import annotations

from django.apps import AppConfig


class GenerationConfig(AppConfig):
    name = "generation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import notices
        from accounts.parts import Registry
        from gallery import uploading
        from gallery.keeping import quota
        from generation import (
            events,
            facts,
            sockets,  # noqa: F401 - hears of sessions that end
        )
        from generation.keeping import quotas
        from generation.people import GenerationPart

        Registry.add(GenerationPart())
        notices.LISTENERS.append(events.announce_notice)
        quota.use(quotas)
        uploading.read_with(facts.fill)
