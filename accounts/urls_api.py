"""Pages about one's access by scripts, below /accounts/."""

from __future__ import annotations

from django.urls import path

from accounts import keys, notice_pages

app_name = "accounts"
urlpatterns = [
    path("keys/", keys.key_list, name="keys"),
    path("notices/", notice_pages.notice_list, name="notices"),
    path("notices/read/", notice_pages.read_all, name="read-notices"),
    path("notices/<int:pk>/", notice_pages.notice, name="notice"),
    path("keys/<int:pk>/revoke/", keys.revoke_key, name="revoke-key"),
]
