from __future__ import annotations

from django.urls import include, path

from gallery import marking, views

app_name = "gallery"

# gallery/<uuid>/
image_urls = [
    path("", views.image, name="image"),
    path("file/", views.image_file, name="image-file"),
    path("thumbnail/<slug:size>/", views.image_thumbnail, name="image-thumbnail"),
    path("workflow/", views.image_workflow, name="image-workflow"),
    path("delete/", views.delete_image, name="delete-image"),
]

urlpatterns = [
    path("", views.image_list, name="image-list"),
    path("mark/", marking.mark, name="mark"),
    path("undo/", marking.undo, name="undo"),
    path("<uuid:pk>/", include(image_urls)),
]
