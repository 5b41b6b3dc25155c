from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class GalleryConfig(AppConfig):
    name = "gallery"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from gallery.keeping import totals

        totals.connect()
        from gallery.search import schema

        pre_migrate.connect(schema.before_migrating, sender=self)
        post_migrate.connect(schema.after_migrating, sender=self)
