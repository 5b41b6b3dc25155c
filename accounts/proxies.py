"""Where a request really comes from, and which proxies are believed."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def peer(request: HttpRequest) -> str:
    """The address at the other end of the connection; no header can change it."""
    return str(request.META.get("REMOTE_ADDR") or "")


def is_trusted(request: HttpRequest) -> bool:
    """Whether the peer is one of LIFEOS_TRUSTED_PROXIES."""
    try:
        address = ip_address(peer(request))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ip_network(n) for n in settings.TRUSTED_PROXIES)


def client_address(request: HttpRequest) -> str:
    """The person's address: of X-Forwarded-For only what our own proxies wrote.

    Each of LIFEOS_PROXY_COUNT proxies appends the address that it saw, so whatever a
    client sends itself stands further left and is not looked at.
    """
    count = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    hops = [h.strip() for h in request.headers.get("X-Forwarded-For", "").split(",")]
    seen = hops[-count] if count and len(hops) >= count else peer(request)
    try:
        return str(ip_address(seen))
    except ValueError:
        return peer(request) if is_address(peer(request)) else ""


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
