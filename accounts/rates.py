"""How often one person, and each of their keys, may call the API.

Counted in the shared cache by the minute; while it is away nobody is held up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from accounts.models.keys import Scope

if TYPE_CHECKING:
    from accounts.models import ApiKey, User

WINDOW = 60
# All keys of a person together may do so much more than one of them.
KEYS_TOGETHER = 4


@dataclass(frozen=True, slots=True)
class Rate:
    """What is left of a limit. `reset`: seconds until it is whole again."""

    limit: int
    remaining: int
    reset: int


class TooFast(Exception):
    """The minute's calls are used up."""

    def __init__(self, rate: Rate) -> None:
        super().__init__(f"At most {rate.limit} such calls a minute. Wait a little.")
        self.rate = rate


def limit_of(scope: str) -> int:
    """Calls a minute by what they do; 0: as many as one likes."""
    limits: dict[str, int] = {
        Scope.READ: settings.LIFEOS_API_READS_PER_MINUTE,
        Scope.GENERATE: settings.LIFEOS_API_GENERATES_PER_MINUTE,
        Scope.MANAGE: settings.LIFEOS_API_CHANGES_PER_MINUTE,
    }
    return limits[scope]


def charge(request: HttpRequest, user: User, key: ApiKey | None, scope: str) -> None:
    """Count this call. Raises TooFast; the headers are set by `RateHeaders`."""
    limit = limit_of(scope)
    # A long-poll looks at the job several times, for one call.
    if limit <= 0 or getattr(request, "scope", {}).get("lifeos.again"):
        return
    counted = [(f"person:{user.pk}", limit * KEYS_TOGETHER if key else limit)]
    if key is not None:
        counted.append((f"key:{key.pk}", limit))
    rate = min((_count(who, scope, most) for who, most in counted), key=_left)
    request.api_rate = rate  # type: ignore[attr-defined]
    if rate.remaining < 0:
        raise TooFast(rate)


def _left(rate: Rate) -> int:
    return rate.remaining


def _count(who: str, scope: str, limit: int) -> Rate:
    now = time.time()
    window = int(now // WINDOW)
    name = f"api-rate:{scope}:{who}:{window}"
    cache.add(name, 0, timeout=2 * WINDOW)
    try:
        used = cache.incr(name)
    except ValueError:  # it was crowded out between the two calls
        used = 1
    return Rate(limit, limit - used, max(1, round((window + 1) * WINDOW - now)))


class RateHeaders(MiddlewareMixin):
    """Tell every caller of the API what is left of the minute."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        rate: Rate | None = getattr(request, "api_rate", None)
        if rate is not None:
            response["RateLimit-Limit"] = str(rate.limit)
            response["RateLimit-Remaining"] = str(max(0, rate.remaining))
            response["RateLimit-Reset"] = str(rate.reset)
        return response
