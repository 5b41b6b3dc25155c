from __future__ import annotations

from django.apps import AppConfig


class GalleryConfig(AppConfig):
    name = "gallery"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.parts import Registry
        from gallery.people import GalleryPart

        Registry.add(GalleryPart())
