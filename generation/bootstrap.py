"""What a fresh installation starts with: servers, an administrator."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from accounts.models import User
from generation.models import Server

SIMULATOR = "Simulator"


def keep_servers(urls: Sequence[str], *, simulated: bool = False) -> None:
    """Make each address a server row; what an administrator changed stays.

    The built-in simulator has one row, whose address follows it, and which rests
    while real servers are named.
    """
    if simulated:
        Server.objects.update_or_create(
            name=SIMULATOR,
            defaults={"url": urls[0], "enabled": True, "state": Server.State.UNKNOWN},
        )
        return
    Server.objects.filter(name=SIMULATOR).exclude(url__in=urls).update(enabled=False)
    for url in urls:
        name = urlsplit(url).netloc.rpartition("@")[2]
        if not Server.objects.filter(url=url).exists():
            if Server.objects.filter(name=name).exists():
                name = f"{name} {secrets.token_hex(2)}"
            Server.objects.create(url=url, name=name)


def first_administrator(password: str) -> str | None:
    """Create `admin` if nobody administers yet; return the password if it is new."""
    if User.objects.filter(is_superuser=True).exists():
        return None
    chosen = password or secrets.token_urlsafe(12)
    User.objects.create_superuser("admin", "", chosen)
    return chosen
