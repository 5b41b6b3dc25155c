"""Every address. Pages by app, the API below /api/.

/healthz, /readyz and /metrics are answered before any of these: lifeos/health.py.
"""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from accounts import privacy
from lifeos import gate
from lifeos.api import api

urlpatterns = [
    path("", include("generation.urls")),
    path("gallery/", include("gallery.urls")),
    # A slug, as tokens are: what else is asked for never reaches the database.
    path("s/<slug:token>/", include("gallery.shared_urls")),
    path("privacy/", privacy.privacy, name="privacy"),
    path("privacy/blur/", privacy.switch_blur, name="switch-blur"),
    path("blank/", privacy.blank, name="blank"),
    path("accounts/", include("accounts.urls_api")),
    path("", include("accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
    path("auth/comfyui/", gate.comfyui),
]
