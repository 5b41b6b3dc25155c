"""What can be found out at the start is found at the start, with a hint."""

from __future__ import annotations

import os
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from PIL import features


@register
def check_data_folder(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    folder = Path(settings.DATA)
    if folder.is_dir() and os.access(folder, os.W_OK):
        return []
    return [
        Error(
            f"The data folder {folder} can't be written.",
            hint="Create it for this user, or set LIFEOS_DATA to a folder that is.",
            id="lifeos.E001",
        )
    ]


@register
def check_image_formats(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    if features.check("webp"):
        return []
    return [
        Error(
            "This build of Pillow can't write WebP, which thumbnails need.",
            hint="Install Pillow's wheel: pip install --force-reinstall pillow.",
            id="lifeos.E002",
        )
    ]


@register
def check_scale_out(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    database = settings.DATABASES["default"]["ENGINE"]
    if settings.REDIS_URL and database.endswith("sqlite3"):
        return [
            Warning(
                "REDIS_URL is set, but the database is SQLite.",
                hint="Several processes want PostgreSQL: set DATABASE_URL.",
                id="lifeos.W003",
            )
        ]
    if not settings.REDIS_URL and not database.endswith("sqlite3"):
        return [
            Warning(
                "The database is PostgreSQL, but REDIS_URL is not set: only one"
                " process (`manage.py serve`) will show live progress.",
                hint="Set REDIS_URL before starting more than one process.",
                id="lifeos.W004",
            )
        ]
    return []


@register(deploy=True)
def check_second_factor(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    if settings.LIFEOS_STAFF_2FA:
        return []
    return [
        Warning(
            "A password alone opens the pages for administrators.",
            hint="Set LIFEOS_STAFF_2FA=True: staff then need a second factor.",
            id="lifeos.W006",
        )
    ]


@register(deploy=True)
def check_trusted_networks(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """A network as wide as the world believes anybody's headers."""
    if settings.LIFEOS_TRUSTED_LOGIN == "off":
        return []
    wide = [n for n in settings.TRUSTED_PROXIES if ip_network(n).num_addresses > 65536]
    return [
        Warning(
            f"LIFEOS_TRUSTED_PROXIES holds the wide network {network}.",
            hint="Name the addresses of your proxies alone.",
            id="lifeos.W007",
        )
        for network in wide
    ]


@register(deploy=True)
def check_https(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    if settings.LIFEOS_HTTPS:
        return []
    return [
        Warning(
            "Sign-in goes over plain HTTP.",
            hint="Behind a TLS proxy set LIFEOS_HTTPS=True.",
            id="lifeos.W005",
        )
    ]
