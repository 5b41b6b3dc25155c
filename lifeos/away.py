"""What is answered while the bucket is away: not that there is no such file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from gallery.storage_base import StorageAway
from lifeos.middleware import Middleware

SENTENCE = "The storage does not answer at the moment. Try again in half a minute."
RETRY_AFTER = "30"  # seconds


class AwayMiddleware(Middleware):
    """503 for each file that has to come from there, until it answers again."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exc: Exception
    ) -> HttpResponse | None:
        if not isinstance(exc, StorageAway):
            return None
        headers = {"Retry-After": RETRY_AFTER, "Cache-Control": "no-store"}
        return HttpResponse(
            SENTENCE, status=503, content_type="text/plain", headers=headers
        )
