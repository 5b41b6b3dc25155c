"""How people's devices and deeds are told."""

from __future__ import annotations

import json
from typing import Any

from django import template

from accounts import audit

register = template.Library()

# The first that is found counts: Edge calls itself Chrome, Chrome Safari.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("HeadlessChrome", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "A script"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@register.filter
def device(user_agent: str) -> str:
    """As "Firefox on Windows"; a guess, for telling one's devices apart."""
    found = [
        next((name for mark, name in known if mark in user_agent), "")
        for known in (BROWSERS, SYSTEMS)
    ]
    return " on ".join(filter(None, found)) or "An unknown device"


@register.filter
def deed(action: str) -> str:
    """The audit log's action in words."""
    return audit.ACTIONS.get(action, action)


@register.filter
def details(value: dict[str, Any]) -> str:
    """The details of an event, on one line."""
    return ", ".join(
        f"{name}: {one if isinstance(one, str) else json.dumps(one, default=str)}"
        for name, one in value.items()
        if one not in ("", None, [])
    )
