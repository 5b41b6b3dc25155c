"""/metrics, for Prometheus: this process's requests, and what the rows tell.

Every web process answers for itself. What comes from the rows is the same in each, so
a query takes the `max` over the instances, and never their sum (docs/operate.md).
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from lifeos.metrics.rows import Rows

REGISTRY.register(Rows())


@require_safe
def view(request: HttpRequest) -> HttpResponseBase:
    if not allowed(request):
        # Nobody outside need know that there is such a page.
        return HttpResponse("Not found.\n", status=404, content_type="text/plain")
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def allowed(request: HttpRequest) -> bool:
    """Whether all that the request came through is in LIFEOS_METRICS_NETWORKS.

    A proxy on this machine is a near neighbour for everybody out there, so what it
    says of them counts as well: a forwarded address can only shut out, never let in.
    """
    forwarded = request.headers.get("X-Forwarded-For", "")
    named = [part.strip() for part in forwarded.split(",") if part.strip()]
    # Over a Unix socket there is no address.
    here = request.META.get("REMOTE_ADDR") or "127.0.0.1"
    return all(_near(address) for address in (here, *named))


def _near(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    networks = map(ip_network, settings.LIFEOS_METRICS_NETWORKS)
    return any(found in network for network in networks)
