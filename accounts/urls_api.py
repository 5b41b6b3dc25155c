"""Pages about one's access by scripts, below /accounts/."""

from __future__ import annotations

from django.urls import path

from accounts import keys

app_name = "accounts"
urlpatterns = [
    path("keys/", keys.key_list, name="keys"),
    path("keys/<int:pk>/revoke/", keys.revoke_key, name="revoke-key"),
]
