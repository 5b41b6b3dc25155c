from __future__ import annotations

from django.urls import include, path

from gallery import comparing, marking, sharing, viewing, views

app_name = "gallery"

# gallery/<uuid>/
image_urls = [
    path("", viewing.image, name="image"),
    path("related/", viewing.related, name="image-related"),
    path("labels/", viewing.labels, name="image-labels"),
    path("notes/", viewing.notes, name="image-notes"),
    path("file/", views.image_file, name="image-file"),
    path("thumbnail/<slug:size>/", views.image_thumbnail, name="image-thumbnail"),
    path("workflow/", views.image_workflow, name="image-workflow"),
    path("delete/", views.delete_image, name="delete-image"),
]

# gallery/shares/
share_urls = [
    path("", sharing.share_list, name="share-list"),
    path("new/", sharing.new_share, name="new-share"),
    path("<uuid:pk>/", sharing.change_share, name="change-share"),
    path("<uuid:pk>/revoke/", sharing.revoke_share, name="revoke-share"),
]

urlpatterns = [
    path("", views.image_list, name="image-list"),
    path("mark/", marking.mark, name="mark"),
    path("undo/", marking.undo, name="undo"),
    path("compare/", comparing.compare, name="compare"),
    path("private/", viewing.mark_private, name="mark-private"),
    path("shares/", include(share_urls)),
    path("<uuid:pk>/", include(image_urls)),
]
