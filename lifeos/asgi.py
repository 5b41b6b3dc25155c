"""HTTP to Django, /ws/ to the consumer."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lifeos.settings")

import django

# Before every import that needs models.
django.setup(set_prefix=False)

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import get_resolver, path  # noqa: E402

from generation.consumers import PageConsumer  # noqa: E402
from lifeos import broken, garbage, pressure  # noqa: E402
from lifeos.handler import OneThread  # noqa: E402
from lifeos.longpoll import LongPoll  # noqa: E402
from lifeos.metrics.http import count_sockets  # noqa: E402
from lifeos.origin import SameOrigin  # noqa: E402

pressure.install()
broken.install()

application = ProtocolTypeRouter(
    {
        "http": LongPoll(OneThread()),
        "websocket": AllowedHostsOriginValidator(
            SameOrigin(
                count_sockets(
                    AuthMiddlewareStack(
                        URLRouter([path("ws/", PageConsumer.as_asgi())])
                    )
                )
            )
        ),
    }
)

# Loads all views now instead of with the first request.
get_resolver().url_patterns  # noqa: B018
garbage.spare_what_is_loaded()
