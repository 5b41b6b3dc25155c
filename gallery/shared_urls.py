"""s/<token>/: what shared links show, without a sign-in."""

from __future__ import annotations

from django.urls import path

from gallery import visiting

app_name = "shared"

urlpatterns = [
    path("", visiting.shared, name="link"),
    path("<uuid:pk>/", visiting.shared_picture, name="picture"),
    path("<uuid:pk>/<slug:size>/", visiting.shared_file, name="file"),
]
