from __future__ import annotations

from django.apps import AppConfig


class GenerationConfig(AppConfig):
    name = "generation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from gallery import uploading
        from gallery.keeping import quota
        from generation import facts
        from generation.keeping import quotas

        quota.use(quotas)
        uploading.read_with(facts.fill)
