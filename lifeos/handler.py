"""Django behind ASGI, with each request in one thread from end to end."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class OneThread(ASGIHandler):
    """The whole chain of middleware and the view as one synchronous call.

    All views are synchronous, and so are several middlewares of libraries. Django's
    own handler would go from the loop to a thread for the middlewares, make a second
    loop in it for the view, and give the view to the thread again.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)
